"""What stands before several edges in production: it sends new connections to one that is ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from sim.redis import free_port

LOOK_EVERY_S = 0.05


class Front:
    """A load balancer for TCP. Connections that are open stay where they are."""

    def __init__(self, *ports: int) -> None:
        self.port = free_port()
        self._backends = ports
        self.ready: list[int] = []
        """Ports of the edges that said so last."""

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.port}/twilio/voice"

    async def look(self) -> None:
        """Ask each edge whether it is ready, until cancelled."""
        async with httpx.AsyncClient(timeout=0.5) as client:
            while True:
                answers = [await self._is_ready(client, port) for port in self._backends]
                self.ready = [p for p, ok in zip(self._backends, answers, strict=True) if ok]
                await asyncio.sleep(LOOK_EVERY_S)

    async def _is_ready(self, client: httpx.AsyncClient, port: int) -> bool:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, to the first edge that takes it."""
        for port in self.ready:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
                return
        writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


@asynccontextmanager
async def front(*ports: int) -> AsyncIterator[Front]:
    """A front for the edges on these ports; it prefers the first that is ready."""
    balancer = Front(*ports)
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(balancer.look())
        server = await asyncio.start_server(balancer.serve, "127.0.0.1", balancer.port)
        async with server:
            yield balancer
        looking.cancel()
