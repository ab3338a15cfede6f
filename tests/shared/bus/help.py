"""Runs what is tested, waits for it, and breaks its connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from redis import Redis

from shared import keys
from shared.bus import Bus, Registry, open_bus
from shared.bus.route import open_route
from shared.bus.script import Script
from shared.bus.scripts import DISPATCH
from shared.bus.wire import Connect
from shared.calls import Admission
from shared.messages import Audio, Up
from shared.record import ENTRIES, Entry

Peek = Callable[..., Any]
"""Sends Redis one command, and returns its answer."""


def sound(*of: int) -> list[tuple[int, Up]]:
    """Frames of a caller, with these sequence numbers."""
    return [(number, Audio(b"%d" % number, 20 * number)) for number in range(*of)]


def log_of(client: Peek, call_sid: str = "CA1", lane: int = 0) -> list[Entry | None]:
    """The log of a call."""
    entries = client("XRANGE", keys.log(lane, call_sid), "-", "+")
    return [ENTRIES.unpack(fields[b""]) for _, fields in entries]


def connector(url: str) -> Connect:
    """Opens connections to a single Redis."""
    return open_route(url).to("calls")


@contextmanager
def peeking(url: str) -> Iterator[Peek]:
    """A client beside ours, to look and to meddle with."""
    with Redis.from_url(url) as client:
        yield client.execute_command


async def lets_in(registry: Registry, call_sid: str, token: str) -> bool:
    """Whether this token lets a phone socket of this call in."""
    admission, _ = await registry.door.admit(call_sid, "MZ1", token, needs_token=True)
    return admission in (Admission.ATTACHED, Admission.NO_CALL)


def meanwhile(patch: pytest.MonkeyPatch, bus: Bus, happens: Callable[[], Awaitable[Any]]) -> None:
    """Something happens while the answer to a dispatch is on its way."""
    run_script = bus.run_script

    async def answered_late(script: Script, *rest: Any) -> Any:
        answer = await run_script(script, *rest)
        if script is DISPATCH:
            await happens()
            await bus.flush()
        return answer

    patch.setattr(bus, "run_script", answered_late)


async def until(condition: Callable[[], Any], within_s: float = 8.0) -> None:
    """Wait for a condition; far longer than it should take, since machines are busy."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 (what happens at Redis sets no event of ours)
            await asyncio.sleep(0.002)


class Runs(Protocol):
    async def run(self) -> None: ...


@asynccontextmanager
async def running(something: Runs) -> AsyncIterator[None]:
    """Run something for as long as the block, and show what it fails of."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(something.run())
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def opened(url: str, process: str = "worker-1", lanes: int = 1) -> AsyncIterator[Bus]:
    """A bus that is up."""
    async with open_bus(url, process, lanes) as bus:
        await until(lambda: bus.is_up)
        yield bus


def tell(url: str, *command: str | bytes | int) -> Any:
    """What Redis answers to one command."""
    with peeking(url) as peek:
        return peek(*command)


def keys_without_ttl(client: Peek) -> list[bytes]:
    """Keys that would stay for ever, but for those that are the fleet's own."""
    names = [name for name in client("KEYS", "*") if not name.startswith(b"{calls}:")]
    return [name for name in names if client("TTL", name) < 0]


class Wire:
    """A wire to Redis that breaks when told: Redis has read a command, its answer gets lost."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._needle = b""
        self.url = ""
        self.connections = 0
        self.breaks = 0
        self._open: set[asyncio.StreamWriter] = set()

    def break_after(self, needle: bytes) -> None:
        """Break the connection that next says this, once Redis has answered it."""
        self._needle = needle

    def lead_to(self, url: str) -> None:
        """Lead to another Redis from now on, as after a failover: all connections break."""
        self._target = urlsplit(url)
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        assert self._target.port
        theirs = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, theirs[1]}
        is_marked = False

        async def there() -> None:
            nonlocal is_marked
            while data := await reader.read(65536):
                if self._needle and self._needle in data:
                    is_marked, self._needle = True, b""
                theirs[1].write(data)
            theirs[1].close()

        async def back() -> None:
            while (data := await theirs[0].read(65536)) and not is_marked:
                writer.write(data)
            self.breaks += is_marked
            writer.close()

        try:
            await asyncio.gather(there(), back())
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open -= {writer, theirs[1]}
            writer.close()
            theirs[1].close()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.01)  # the ends of both sides are seen


@asynccontextmanager
async def mute_server() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """Something that takes connections and never says a word. Yields its URL and who came."""
    came: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: came.append(writer), "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", came
    finally:
        server.close()
        for writer in came:
            writer.close()
        await server.wait_closed()
