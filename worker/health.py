"""What an operator's probe asks a worker: HTTP on METRICS_PORT, two paths and no more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

# A probe that sends nothing, or never ends its headers, is cut off.
REQUEST_WITHIN_S = 2.0


@asynccontextmanager
async def probes(host: str, port: int, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer `/healthz` (alive) and `/readyz` (claims calls) while the block runs.

    Args:
        port: 0 for no server at all.
    """
    if not port:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(request, is_ready()))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, host, port):
        yield


def _response(request: bytes, is_ready: bool) -> bytes:
    path = request.split(b" ", 2)[1] if request.startswith(b"GET ") else b""
    known = {b"/healthz": b"200 OK", b"/readyz": b"200 OK" if is_ready else b"503 Not Ready"}
    status = known.get(path, b"404 Not Found")
    body = status.partition(b" ")[2].lower() + b"\n"
    head = b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n"
    return head % (status, len(body)) + b"\r\n" + body
