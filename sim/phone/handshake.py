"""The carrier's WebSocket: opened with the headers of real ones, closed or broken in bounded time.

The upgrade request offers no extensions and no subprotocol and has no Origin; it is signed.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sim.phone.wire import Rejection

USER_AGENT = "Twilio.TmeWs/1.0"

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
"""After that the socket is broken off: a close must never hold up a call."""

CONNECTION_TIMEOUT = 31901
CONNECTION_REFUSED = 31902
HANDSHAKE_ERROR = 31920

# Closing a socket that lingers for no time at all sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class HandshakeError(Exception):
    """The socket did not open; `status` is the HTTP answer, if there was one."""

    def __init__(self, code: int, why: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {why}")
        self.rejection = Rejection(code, why)
        self.status = status


class _Connect(connect):
    """The carrier does not follow redirects: any answer but 101 is a failed handshake."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(
    url: str, address: str, signature: str | None, max_queue: int | None = None
) -> ClientConnection:
    """Open a socket for the URL at the address where it is served.

    Raises:
        HandshakeError: With the code that the carrier's debugger would show.
    """
    uri, target = _route(url, address)
    try:
        return await _Connect(
            uri,
            additional_headers={"x-twilio-signature": signature} if signature else None,
            user_agent_header=USER_AGENT,
            compression=None,
            proxy=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,
            max_size=None,
            max_queue=max_queue,
            **target,
        )
    except InvalidStatus as exc:
        status = exc.response.status_code
        raise HandshakeError(HANDSHAKE_ERROR, f"HTTP {status}", status) from exc
    except InvalidHandshake as exc:
        raise HandshakeError(HANDSHAKE_ERROR, str(exc)) from exc
    except TimeoutError as exc:
        raise HandshakeError(CONNECTION_TIMEOUT, "no answer to the handshake") from exc
    except OSError as exc:
        raise HandshakeError(CONNECTION_REFUSED, str(exc)) from exc


def _route(url: str, address: str) -> tuple[str, dict[str, Any]]:
    """The URI to ask for, and the host and port to ask, as a tunnel keeps the Host header."""
    served, asked = urlsplit(address), urlsplit(url)
    if served.scheme == "wss" or served.netloc == asked.netloc:
        return address, {}
    return served._replace(netloc=asked.netloc).geturl(), {
        "host": served.hostname,
        "port": served.port or 80,
    }


async def hang_up(ws: ClientConnection, last_words: list[str | bytes], linger_s: float) -> None:
    """Send what is left to say and close; with `linger_s`, ignore the server's close so long."""
    with contextlib.suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            for frame in last_words:
                await ws.send(frame)
    if linger_s:
        deafen(ws)
        await asyncio.sleep(linger_s)
        await break_off(ws)
    else:
        await ws.close()


def deafen(ws: ClientConnection) -> None:
    """Read nothing more: no message, no close frame, no ping."""
    ws.transport.pause_reading()


async def break_off(ws: ClientConnection) -> None:
    """Lose the connection as a network does: RST, no close frame."""
    if (raw := ws.transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    ws.transport.abort()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await ws.wait_closed()
