"""RFC 6455, as little of it as two well-behaved peers on one machine need.

No fragments and no extensions: neither the carrier nor the agent service uses any, and the
bridge sends none. A client must mask; the key is zero, which is a mask like any other to the
server that takes it off, and costs nothing to put on.
"""

import asyncio
import base64
import hashlib
from typing import cast

from websockets.speedups import apply_mask

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_FIN = 0x80
_MASKED = 0x80
_NO_MASK = bytes(4)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_END_OF_HEAD = b"\r\n\r\n"


def pack(opcode: int, payload: bytes, *, masked: bool = False) -> bytes:
    """One frame."""
    length = len(payload)
    mask_bit = _MASKED if masked else 0
    if length < 126:
        head = bytes((_FIN | opcode, mask_bit | length))
    elif length < 0x10000:
        head = bytes((_FIN | opcode, mask_bit | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, mask_bit | 127)) + length.to_bytes(8, "big")
    return head + _NO_MASK + payload if masked else head + payload


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole frames at the head of `data` as (opcode, payload), and what is left.

    Raises:
        ValueError: If a frame is a fragment.
    """
    frames = []
    at = 0
    while (found := _frame_at(data, at)) is not None:
        start, end, is_masked = found
        if not data[at] & _FIN:
            raise ValueError("a fragment")
        payload = data[start:end]
        frames.append(
            (
                data[at] & 0x0F,
                apply_mask(payload, data[start - 4 : start]) if is_masked else payload,
            )
        )
        at = end
    return frames, data[at:]


def _frame_at(data: bytes, at: int) -> tuple[int, int, bool] | None:
    """Where the payload of the frame at this place begins and ends, if all of it is there."""
    if len(data) - at < 2:
        return None
    is_masked, length, start = bool(data[at + 1] & _MASKED), data[at + 1] & 0x7F, at + 2
    if length > 125:
        start += 2 if length == 126 else 8
        length = int.from_bytes(data[at + 2 : start], "big")
    start += 4 if is_masked else 0
    return (start, start + length, is_masked) if start + length <= len(data) else None


def accept_key(key: bytes) -> bytes:
    """What a server answers to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class Peer(asyncio.Protocol):
    """One end of a socket: subclasses say how it opens, and what its messages mean."""

    masks = False

    def __init__(self) -> None:
        self._rest = b""
        self.is_open = False
        self.read_at: float | None = None
        """When what is being read had come, by `perf_counter`, if the socket tells."""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self.is_open:
            head, mark, data = data.partition(_END_OF_HEAD)
            if not mark:
                self._rest = head
                return
            self.is_open = True
            self._rest = b""
            self.on_head(head)
        frames, self._rest = split(data)
        for opcode, payload in frames:
            self._dispatch(opcode, payload)

    def _dispatch(self, opcode: int, payload: bytes) -> None:
        match opcode:
            case 1:
                self.on_text(payload)
            case 2:
                self.on_binary(payload)
            case 9:
                self.send(PONG, payload)
            case 8:
                self.send(CLOSE, payload)
                self.hang_up()

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one message, if somebody is still there to take it."""
        self.write(pack(opcode, payload, masked=self.masks))

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hang_up(self) -> None:
        """Close the connection, with what was written before."""
        if self._transport is not None:
            self._transport.close()

    def on_head(self, head: bytes) -> None:
        """The handshake's request or answer, without its last blank line."""

    def on_text(self, payload: bytes) -> None:
        """A text message."""

    def on_binary(self, payload: bytes) -> None:
        """A binary message."""
