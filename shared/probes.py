"""What an operator's machines ask a process: HTTP on METRICS_PORT, three paths and no more.

It is a port of its own, on METRICS_HOST, since the edge's own port is open to everybody.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST

# A probe that sends nothing, or never ends its headers, is cut off.
REQUEST_WITHIN_S = 2.0

PLAIN = "text/plain"

_HEAD = "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def probes(
    host: str, port: int, is_ready: Callable[[], bool], page: Callable[[], bytes]
) -> AsyncIterator[None]:
    """Answer while the block runs.

    Args:
        port: 0 for no server at all.
        is_ready: Whether calls may come: `/readyz`. `/healthz` is answered by whoever lives.
        page: What `/metrics` shows.
    """
    if not port:
        yield
        return

    def answer(path: bytes) -> bytes:
        match path:
            case b"/metrics":
                return _response("200 OK", page(), CONTENT_TYPE_LATEST)
            case b"/healthz":
                return _plain("200 OK")
            case b"/readyz":
                return _plain("200 OK" if is_ready() else "503 Not Ready")
        return _plain("404 Not Found")

    async with await asyncio.start_server(_handler(answer), host, port):
        yield


def _handler(answer: Callable[[bytes], bytes]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                request = await reader.readuntil(b"\r\n\r\n")
                target = request.split(b" ", 2)[1] if request.startswith(b"GET ") else b""
                writer.write(answer(target.partition(b"?")[0]))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return handle


def _plain(status: str) -> bytes:
    return _response(status, status.partition(" ")[2].lower().encode() + b"\n", PLAIN)


def _response(status: str, body: bytes, kind: str) -> bytes:
    return _HEAD.format(status, kind, len(body)).encode() + body


def is_free(host: str, port: int) -> bool:
    """Whether a server can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
