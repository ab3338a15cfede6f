"""What the edge's tests have in common: an edge in this process on a real Redis, and its worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import uvicorn

from edge.answers import read_answers
from edge.app import Face, make_app
from edge.desk import Desk
from edge.fleet import Fleet
from edge.server import make_server
from shared.bus import Archive, Bus, Registry, open_bus
from shared.calls import Call, Claim
from shared.messages import Dispatched, Down, Mark, Note, Owned, Up
from shared.record import Entry, Taken
from shared.settings import read
from sim.phone.twiml import Connect, Verb, parse
from sim.redis import free_port

T = TypeVar("T")

CALL = "CA00000000000000000000000000000001"
STREAM = "MZ00000000000000000000000000000001"
FORM = {
    "AccountSid": "AC00000000000000000000000000000001",
    "ApiVersion": "2010-04-01",
    "CallSid": CALL,
    "CallStatus": "ringing",
    "Direction": "inbound",
    "From": "+15551230000",
    "FromCity": "",
    "To": "+15559870000",
}


@dataclass
class Edge:
    """An edge and its visitor."""

    face: Face
    client: httpx.AsyncClient
    port: int = 0
    """Where it listens, if it does."""
    server: uvicorn.Server | None = None

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.port}/twilio/voice"

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/twilio"

    @property
    def registry(self) -> Registry:
        return self.face.desk.registry

    @property
    def fleet(self) -> Fleet:
        return self.face.desk.fleet

    async def post(self, path: str, **changes: str) -> httpx.Response:
        return await self.client.post(path, data={**FORM, **changes})

    async def verbs(self, path: str, **changes: str) -> tuple[Verb, ...]:
        response = await self.post(path, **changes)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/xml")
        return parse(response.content, allow_ws=True)

    async def token(self, path: str = "/twilio/voice", **changes: str) -> str:
        return token_of(await self.verbs(path, **changes))

    async def call(self, call_sid: str = CALL) -> Call:
        """What the hash of a call holds."""
        call = await self.registry.call(call_sid)
        assert call
        return call


def token_of(verbs: tuple[Verb, ...]) -> str:
    (connect,) = (verb for verb in verbs if isinstance(verb, Connect))
    return dict(connect.stream.parameters)["token"]


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(0.01)


async def eventually(question: Callable[[], Awaitable[T]], within_s: float = 5.0) -> T:
    """Ask until the answer is one."""
    async with asyncio.timeout(within_s):
        while True:
            if answer := await question():
                return answer
            await asyncio.sleep(0.01)


async def is_up(bus: Bus) -> Bus:
    await until(lambda: bus.is_up)
    return bus


@asynccontextmanager
async def an_edge(
    url: str, name: str = "edge-test", *, wait: bool = True, **settings: Any
) -> AsyncIterator[Edge]:
    """An edge that answers its visitor without a socket, and looks at nothing by itself."""
    environ = {"REDIS_URL": url, **settings}
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(url, name))
        if wait:
            await is_up(bus)
        registry = Registry(bus)
        checked = read(environ).checked_for_edge()
        face = Face(Desk(bus, registry, checked, Fleet(bus, registry), read_answers(checked)))
        transport = httpx.ASGITransport(make_app(face))
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5000")
        yield Edge(face, await stack.enter_async_context(client))


@asynccontextmanager
async def listening(url: str, name: str = "edge-test", **settings: Any) -> AsyncIterator[Edge]:
    """An edge on a port, as a process has it, but for its signals."""
    port = free_port()
    async with an_edge(url, name, PORT=str(port), **settings) as edge:
        edge.port = port
        edge.server = server = make_server(make_app(edge.face), edge.face.desk.settings)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            looking = tasks.create_task(edge.fleet.run())
            await until(lambda: server.started)
            yield edge
            server.should_exit = True
            await serving
            looking.cancel()


@dataclass
class Worker:
    """A worker as far as the bus sees one."""

    bus: Bus
    registry: Registry
    notes: list[Note] = field(default_factory=list)
    _sent: int = 0

    async def beat(self, places: int) -> None:
        await self.registry.renew([], places=places, draining=False)

    @asynccontextmanager
    async def beating(self, places: int = 10) -> AsyncIterator[None]:
        """It lives for as long as the block takes."""

        async def keep_on() -> None:
            while True:
                await self.beat(places)
                await asyncio.sleep(0.3)

        await self.beat(places)
        task = asyncio.create_task(keep_on())
        try:
            yield
        finally:
            task.cancel()

    async def claim(self) -> Claim:
        await self.beat(places=10)
        claim = await eventually(self.registry.claim)
        assert claim
        self.bus.journal(claim.ringing.call_sid, claim.epoch).write(
            Taken(self.bus.process, claim.epoch)
        )
        await self.bus.flush()
        return claim

    async def finish(self, claim: Claim, transfer: str = "") -> None:
        self.registry.close(claim, "agent ended the call", transfer)
        self.registry.finish(claim, [], keep_for_s=60)
        await self.bus.flush()

    async def noted(self) -> list[Note]:
        await until(lambda: self.notes)
        return self.notes

    async def stream(self, call_sid: str, after: str = "") -> str:
        """The call's stream, when its phone is there: on another than this one."""

        async def found() -> str:
            call = await self.registry.call(call_sid)
            return call.stream_sid if call and call.stream_sid != after else ""

        return await eventually(found)

    async def own(self, claim: Claim) -> None:
        """Answer the phone, as the owner of its call."""
        await self.send(claim, Owned(self.bus.process, claim.epoch))

    async def send(self, claim: Claim, *messages: Down) -> None:
        call_sid = claim.ringing.call_sid
        outlet = self.bus.down(call_sid, await self.stream(call_sid))
        for message in messages:
            self._sent += 1
            outlet.send(f"{claim.epoch}-{self._sent}", message)
        await self.bus.flush()

    async def heard(self, call_sid: str) -> list[Up]:
        """What the phone has sent up."""
        stream = await self.stream(call_sid)
        return [message for _, message in await Archive(self.bus).up(call_sid, stream)]

    async def echoed(self, call_sid: str, name: str) -> None:
        """Wait until the phone has echoed this mark."""

        async def is_echoed() -> bool:
            sent_up = await self.heard(call_sid)
            return any(isinstance(each, Mark) and each.name == name for each in sent_up)

        await eventually(is_echoed)

    async def log(self, call_sid: str) -> list[Entry]:
        return [entry for _, entry in await Archive(self.bus).log(call_sid)]


@asynccontextmanager
async def a_worker(url: str, name: str = "worker-test") -> AsyncIterator[Worker]:
    async with open_bus(url, name) as bus:
        worker = Worker(await is_up(bus), Registry(bus))
        bus.on_note = lambda note: (
            None if isinstance(note, Dispatched) else worker.notes.append(note)
        )
        yield worker


async def ask(edge: Edge, *command: Any) -> Any:
    """What Redis says."""
    return await edge.face.desk.bus.link.ask(*command)


async def calls(edge: Edge) -> int:
    """How many calls are dispatched."""
    return int(await ask(edge, "XLEN", "{calls}:new"))
