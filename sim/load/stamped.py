"""A socket that tells when what is read had come, by the kernel's clock (`SO_TIMESTAMPNS`).

A generator with hundreds of calls reads a frame some milliseconds after it has come: as long as its
own turn takes. Of the few calls that are looked at one by one that is no part of the answer. For
all of them it would be too dear: reading so costs more than reading through the loop.
"""

import asyncio
import socket
import struct
import time
from contextlib import suppress
from time import perf_counter as clock

from sim.load.websocket import Peer

SO_TIMESTAMPNS = 35
"""Linux; Python 3.11 has no name for it."""

_TIMESPEC = struct.Struct("@qq")
_READ_BYTES = 65536


async def connect(peer: Peer, host: str, port: int) -> None:
    """Connect this end, which is told in `read_at` when what it reads had come. Raises: OSError."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        await loop.sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    _Transport(loop, sock, peer)


class _Transport(asyncio.Transport):
    """As much of one as our ends of sockets use."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer) -> None:
        super().__init__()
        self._loop = loop
        self._sock = sock
        self._peer = peer
        self._is_closing = False
        loop.add_reader(sock, self._read)
        peer.connection_made(self)

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_READ_BYTES, socket.CMSG_SPACE(16))
        except OSError as exc:
            self._lose(exc)
            return
        if not data:
            self._lose(None)
            return
        self._peer.read_at = _moment(ancillary)
        self._peer.data_received(data)
        self._peer.read_at = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it now. A peer that has left so much unread that it does not fit is given up."""
        try:
            sent = self._sock.send(data)
        except OSError as exc:
            self._lose(exc)
            return
        if sent < len(data):
            self._lose(ConnectionError("the peer does not read"))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._lose(None)

    def _lose(self, exc: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.remove_reader(self._sock)
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._loop.call_soon(self._peer.connection_lost, exc)


def _moment(ancillary: list[tuple[int, int, bytes]]) -> float:
    """The kernel's time of the newest byte, by `perf_counter`."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return float(seconds - time.time() + nanoseconds / 1e9 + clock())
    return clock()
