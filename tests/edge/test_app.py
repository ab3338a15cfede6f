"""The edge's routes, in this process, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator

from edge import twiml
from edge.app import ATTEMPTS, Face, make_app
from edge.call import Desk
from edge.fleet import Fleet
from shared.bus import Bus, Registry, open_bus
from shared.calls import Claim
from shared.messages import Dispatched, HungUp, Note
from shared.record import Taken
from shared.settings import Settings, read
from sim.phone.twiml import Connect, Hangup, Redirect, Say, Verb, parse
from sim.stack import free_port

CALL = "CA00000000000000000000000000000001"
STREAM = "MZ00000000000000000000000000000001"
TOKEN = "test_auth_token"
PUBLIC = "https://voice.example.com"
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

    async def post(self, path: str, **changes: str) -> httpx.Response:
        return await self.client.post(path, data={**FORM, **changes})

    async def verbs(self, path: str, **changes: str) -> tuple[Verb, ...]:
        response = await self.post(path, **changes)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/xml")
        return parse(response.content, allow_ws=True)

    async def token(self, path: str = "/twilio/voice") -> str:
        return token_of(await self.verbs(path))


def token_of(verbs: tuple[Verb, ...]) -> str:
    (connect,) = (verb for verb in verbs if isinstance(verb, Connect))
    return dict(connect.stream.parameters)["token"]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(0.01)


async def is_up(bus: Bus) -> Bus:
    await until(lambda: bus.is_up)
    return bus


@asynccontextmanager
async def an_edge(url: str, *, wait: bool = True, **settings: str) -> AsyncIterator[Edge]:
    environ = {"REDIS_URL": url, **settings}
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(url, "edge-test"))
        if wait:
            await is_up(bus)
        registry = Registry(bus)
        checked = read(environ).checked_for_edge()
        face = Face(Desk(bus, registry, checked, Fleet(bus, registry)))
        transport = httpx.ASGITransport(make_app(face))
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5000")
        yield Edge(face, await stack.enter_async_context(client))


@pytest.fixture
async def edge(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis) as edge:
        yield edge


@pytest.fixture
async def signed(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=PUBLIC) as edge:
        yield edge


@dataclass
class Worker:
    """A worker as far as the bus sees one."""

    bus: Bus
    registry: Registry
    notes: list[Note] = field(default_factory=list)

    async def beat(self, places: int) -> None:
        await self.registry.renew([], places=places, draining=False)

    async def claim(self) -> Claim:
        await self.beat(places=10)
        claim = await self.registry.claim()
        assert claim
        self.bus.journal(claim.ringing.call_sid, claim.epoch).write(
            Taken(self.bus.process, claim.epoch)
        )
        await self.bus.flush()
        return claim

    async def finish(self, claim: Claim) -> None:
        self.registry.close(claim, "agent ended the call")
        self.registry.finish(claim, [], keep_for_s=60)
        await self.bus.flush()

    async def noted(self) -> list[Note]:
        await until(lambda: self.notes)
        return self.notes


@pytest.fixture
async def worker(redis: str) -> AsyncIterator[Worker]:
    async with open_bus(redis, "worker-test") as bus:
        worker = Worker(await is_up(bus), Registry(bus))
        bus.on_note = lambda note: (
            None if isinstance(note, Dispatched) else worker.notes.append(note)
        )
        yield worker


def sign(path: str, form: dict[str, str], token: str = TOKEN) -> dict[str, str]:
    value = RequestValidator(token).compute_signature(PUBLIC + path, form)
    return {"X-Twilio-Signature": str(value)}


async def calls(edge: Edge) -> int:
    """How many calls are dispatched."""
    return int(await edge.face.desk.bus.link.ask("XLEN", "{calls}:new"))


# -- who is let in ------------------------------------------------------------


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
async def test_a_signed_request_is_let_in(signed: Edge, path: str) -> None:
    response = await signed.client.post(path, data=FORM, headers=sign(path, FORM))

    assert response.status_code in (200, 204)


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": "x"}, sign("/", FORM)])
async def test_others_get_403_and_no_call(signed: Edge, path: str, headers: dict[str, str]) -> None:
    response = await signed.client.post(path, data=FORM, headers=headers)

    assert response.status_code == 403
    assert await calls(signed) == 0


async def test_what_the_request_says_of_its_host_does_not_count(signed: Edge) -> None:
    forged = RequestValidator(TOKEN).compute_signature("https://evil.example/twilio/voice", FORM)
    headers = {"Host": "evil.example", "X-Twilio-Signature": forged}

    response = await signed.client.post("/twilio/voice", data=FORM, headers=headers)

    assert response.status_code == 403


async def test_the_query_string_is_signed_too(signed: Edge) -> None:
    path = "/twilio/voice?agent=sales"
    headers = sign(path, FORM)

    assert (await signed.client.post(path, data=FORM, headers=headers)).status_code == 200
    assert (await signed.client.post(path + "2", data=FORM, headers=headers)).status_code == 403


async def test_probes_need_no_signature(signed: Edge) -> None:
    assert (await signed.client.get("/healthz")).status_code == 200
    assert (await signed.client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
@pytest.mark.parametrize("call_sid", ["", "CA1", STREAM, CALL + "\n", "{calls}:new"])
async def test_a_call_sid_that_is_none_gets_400(edge: Edge, path: str, call_sid: str) -> None:
    assert (await edge.post(path, CallSid=call_sid)).status_code == 400
    assert await calls(edge) == 0


async def test_a_form_that_is_none_gets_400(edge: Edge) -> None:
    for content, kind in [
        (b"", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"\xff\xfe%%%", "application/x-www-form-urlencoded"),
        (b"--x", "multipart/form-data"),
        (b"--x", "multipart/form-data; boundary=x"),
    ]:
        response = await edge.client.post(
            "/twilio/voice", content=content, headers={"Content-Type": kind}
        )

        assert response.status_code == 400, kind


async def test_paths_and_methods_that_there_are_not(edge: Edge) -> None:
    assert (await edge.post("/twilio/other")).status_code == 404
    assert (await edge.post("/")).status_code == 404
    assert (await edge.client.get("/twilio/voice")).status_code == 405


# -- a call rings -------------------------------------------------------------


async def test_a_call_is_dispatched_and_its_phone_sent_to_the_socket(edge: Edge) -> None:
    say, connect, redirect = await edge.verbs("/twilio/voice")

    assert say == Say(Settings().notice)
    assert isinstance(connect, Connect)
    assert connect.stream.url == "ws://127.0.0.1:5000/twilio"
    assert connect.action == "/twilio/after"
    assert redirect == Redirect("/twilio/after")
    assert await calls(edge) == 1


async def test_the_socket_s_address_is_made_of_public_url(signed: Edge) -> None:
    headers = sign("/twilio/voice", FORM)
    response = await signed.client.post("/twilio/voice", data=FORM, headers=headers)

    (connect,) = (verb for verb in parse(response.content) if isinstance(verb, Connect))
    assert connect.stream.url == "wss://voice.example.com/twilio"


@pytest.mark.parametrize(
    ("host", "stream"),
    [
        ("localhost:5000", "ws://localhost:5000/twilio"),
        ("abc.ngrok.app", "wss://abc.ngrok.app/twilio"),
    ],
)
async def test_without_public_url_it_is_where_the_request_came_to(
    edge: Edge, host: str, stream: str
) -> None:
    response = await edge.client.post("/twilio/voice", data=FORM, headers={"Host": host})

    (connect,) = (v for v in parse(response.content, allow_ws=True) if isinstance(v, Connect))
    assert connect.stream.url == stream


async def test_no_notice_if_it_is_off(redis: str) -> None:
    async with an_edge(redis, NOTICE="off") as edge:
        first, *_ = await edge.verbs("/twilio/voice")

    assert isinstance(first, Connect)


async def test_the_worker_learns_who_calls_whom(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice?agent=sales", Direction="outbound-api")

    ringing = (await worker.claim()).ringing

    assert (ringing.call_sid, ringing.caller, ringing.called) == (CALL, FORM["From"], FORM["To"])
    assert (ringing.agent, ringing.direction, ringing.has_webhook) == ("sales", "outbound", True)
    assert 1 < ringing.notice_s < 6


async def test_a_retried_webhook_gets_the_same_document(edge: Edge) -> None:
    first = await edge.post("/twilio/voice")
    second = await edge.post("/twilio/voice")

    assert first.content == second.content
    assert await calls(edge) == 1


async def test_webhooks_at_the_same_moment_get_documents_that_work(edge: Edge) -> None:
    tokens = await asyncio.gather(*(edge.token() for _ in range(5)))

    taken = [await edge.face.desk.registry.take_token(CALL, token) for token in set(tokens)]

    assert all(taken)
    assert await calls(edge) == 1


async def test_a_webhook_retried_after_the_phone_came_gets_a_token_that_works(edge: Edge) -> None:
    registry = edge.face.desk.registry
    await registry.take_token(CALL, await edge.token())

    assert await registry.take_token(CALL, await edge.token())


async def test_tokens_are_different_and_long(edge: Edge) -> None:
    one = token_of(await edge.verbs("/twilio/voice"))
    other = token_of(await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2"))

    assert one != other
    assert len(one) >= 20


async def test_when_all_places_are_taken_the_line_is_busy(edge: Edge, worker: Worker) -> None:
    await worker.beat(places=1)
    await edge.verbs("/twilio/voice")

    verbs = await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")

    assert verbs == (Say(twiml.BUSY), Hangup())
    assert await calls(edge) == 1


async def test_the_account_s_sessions_bound_it_too(redis: str, worker: Worker) -> None:
    async with an_edge(redis, MAX_SESSIONS="1") as edge:
        await worker.beat(places=10)
        await edge.verbs("/twilio/voice")

        verbs = await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")

    assert verbs == (Say(twiml.BUSY), Hangup())


async def test_a_retried_webhook_of_a_call_that_has_its_place_is_not_busy(
    edge: Edge, worker: Worker
) -> None:
    await worker.beat(places=1)

    assert await edge.token() == await edge.token()


async def test_with_no_worker_alive_the_call_waits_for_one(edge: Edge) -> None:
    assert await edge.token()
    assert await calls(edge) == 1


# -- the stream has ended -----------------------------------------------------


async def test_after_a_call_that_is_over_twilio_hangs_up(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice")
    await worker.finish(await worker.claim())

    for _ in range(2):
        assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)


async def test_after_a_call_that_nobody_knows_twilio_hangs_up(edge: Edge) -> None:
    assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)


async def test_after_a_lost_socket_the_phone_is_asked_back_without_a_notice(
    edge: Edge, worker: Worker
) -> None:
    first = await edge.token()
    await edge.face.desk.registry.take_token(CALL, first)
    await worker.claim()

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")

    assert isinstance(verbs[0], Connect)
    assert token_of(verbs) != first
    assert await edge.face.desk.registry.take_token(CALL, token_of(verbs))


async def test_but_only_so_often(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()
    for _ in range(ATTEMPTS):
        assert await edge.token("/twilio/after")

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")

    assert verbs == (Say(twiml.APOLOGY), Hangup())
    assert await worker.noted() == [HungUp(CALL, "phone lost")]


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_after_a_hang_up_there_is_nothing_to_do_but_to_tell_the_owner(
    edge: Edge, worker: Worker, status: str
) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    assert await edge.verbs("/twilio/after", CallStatus=status) == ()
    assert await worker.noted() == [HungUp(CALL, "caller hung up")]


# -- status callbacks ---------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_terminal_status_ends_the_call(edge: Edge, worker: Worker, status: str) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    response = await edge.post("/twilio/status", CallStatus=status)

    assert (response.status_code, response.content) == (204, b"")
    assert await worker.noted() == [HungUp(CALL, "caller hung up")]


@pytest.mark.parametrize("status", ["initiated", "ringing", "in-progress", "", "new one"])
async def test_any_other_status_does_not(edge: Edge, worker: Worker, status: str) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    assert (await edge.post("/twilio/status", CallStatus=status)).status_code == 204
    await edge.post("/twilio/status", CallStatus="completed")
    assert len(await worker.noted()) == 1


async def test_a_status_of_a_call_that_nobody_knows_or_serves(edge: Edge) -> None:
    assert (await edge.post("/twilio/status", CallStatus="completed")).status_code == 204
    await edge.verbs("/twilio/voice")
    assert (await edge.post("/twilio/status", CallStatus="completed")).status_code == 204


# -- probes, and a Redis that is away -----------------------------------------


async def ready(edge: Edge) -> tuple[int, dict[str, Any]]:
    response = await edge.client.get("/readyz")
    return response.status_code, response.json()


async def test_ready_and_how_many_workers(edge: Edge, worker: Worker) -> None:
    assert await ready(edge) == (
        200,
        {"ready": True, "redis": True, "workers": 0, "draining": False},
    )
    await worker.beat(places=3)
    assert (await ready(edge))[1]["workers"] == 1


async def test_a_draining_edge_is_not_ready(edge: Edge) -> None:
    edge.face.is_draining = True

    status, state = await ready(edge)

    assert (status, state["draining"]) == (503, True)


async def test_without_redis_the_edge_is_alive_and_not_ready() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with an_edge(url, wait=False) as edge:
        assert (await edge.client.get("/healthz")).text == "ok"
        status, state = await ready(edge)

    assert (status, state["redis"]) == (503, False)


async def test_without_redis_a_caller_hears_an_apology() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with an_edge(url, wait=False) as edge:
        assert await edge.verbs("/twilio/voice") == (Say(twiml.APOLOGY), Hangup())
