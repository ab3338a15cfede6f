"""Phones and strangers that go without a word, at every state: nothing of them stays."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from itertools import pairwise

import pytest
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge import app, server
from edge import call as phone_call
from shared import keys, logs, rota
from shared.messages import Audio, Clear, Detached, Ended, Mark, Up
from shared.sound import SILENT_FRAME
from sim.phone.call import Call
from sim.phone.caller import Caller, Wait
from sim.phone.track import Impairments, Phase, Span
from sim.phone.wire import CONNECTED, Renderer
from tests.edge.doctor.kit import Certificates
from tests.edge.kit import STREAM, Edge, Worker, a_worker, eventually, listening, until

GONE_WITHIN_S = 5.0
"""What a call may leave behind after its end, it may leave for so long."""

REQUEST = b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n"


@pytest.fixture
async def edge(redis: str) -> AsyncIterator[Edge]:
    async with listening(redis) as edge:
        yield edge


@pytest.fixture
async def worker(redis: str) -> AsyncIterator[Worker]:
    async with a_worker(redis) as worker:
        yield worker


@pytest.fixture
async def bystander(edge: Edge, worker: Worker) -> AsyncIterator[Call]:
    """A call that has nothing to do with all this, and must not notice."""
    phone = Call(caller=Caller(), webhook=edge.webhook, verb_speed=float("inf"), seed=2)
    calling = asyncio.create_task(phone.run())
    claim = await worker.claim()
    await worker.own(claim)
    yield phone
    await worker.send(claim, Audio(SILENT_FRAME * 5), Mark("still-here"))
    await worker.echoed(phone.call_sid, "still-here")
    phone.hang_up()
    await calling
    (stream,) = phone.result.streams
    assert stream.ended == "caller hung up"
    frames = [m for m in await worker.heard(phone.call_sid) if isinstance(m, Audio)]
    stamps = [frame.timestamp for frame in frames]
    assert max(b - a for a, b in pairwise(stamps)) < 30
    assert phone.result.rejections == []


def sockets(edge: Edge) -> int:
    assert edge.server
    return len(edge.server.server_state.connections)


def tasks_of(call_sid: str) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if call_sid in task.get_name()]


async def check_gone(redis: str, edge: Edge, worker: Worker, call_sid: str) -> None:
    """No socket, no task and no reader of the call is left, and no key that stays for ever."""
    await until(lambda: edge.face.calls == 1, GONE_WITHIN_S)  # the bystander
    await until(lambda: sockets(edge) <= 2, GONE_WITHIN_S)  # his two
    assert tasks_of(call_sid) == []
    call = await worker.registry.call(call_sid)
    for stream in call.streams if call else ():
        edge.face.desk.bus.follow_down(call_sid, stream, print)  # raises if somebody does
        edge.face.desk.bus.unfollow_down(call_sid, stream)
    await edge.face.desk.bus.flush()
    with Redis.from_url(redis) as client:
        names = [name for name in client.scan_iter("{0}:*") if not keys.is_of_process(name)]
        assert [name for name in names if client.ttl(name) <= 0] == []


async def lose(edge: Edge, impairments: Impairments) -> Call:
    """A call whose phone is lost, and that nobody brings back."""
    phone = Call(
        caller=Caller([Wait(9)]), stream=edge.stream, seed=1, impairments=impairments, verb_speed=99
    )
    async with asyncio.timeout(20):
        await phone.run()
    return phone


# -- a phone is lost ----------------------------------------------------------


@pytest.mark.parametrize("phase", ["connecting", "connected", "started"])
async def test_a_phone_lost_while_it_introduces_itself(
    redis: str, edge: Edge, worker: Worker, bystander: Call, phase: Phase
) -> None:
    phone = await lose(edge, Impairments(lose_at=phase))

    await check_gone(redis, edge, worker, phone.call_sid)


@pytest.mark.parametrize("after_s", [0.1, 0.4])
async def test_a_phone_lost_while_it_is_spoken_to(
    redis: str, edge: Edge, worker: Worker, bystander: Call, after_s: float
) -> None:
    losing = asyncio.create_task(lose(edge, Impairments(lose_after_s=after_s)))
    claim = await worker.claim()
    await worker.own(claim)
    for number in range(40):
        await worker.send(claim, Audio(SILENT_FRAME * 20), Mark(f"1-{number}"))
        await asyncio.sleep(0.02)
    phone = await losing

    await check_gone(redis, edge, worker, phone.call_sid)
    assert isinstance((await worker.heard(phone.call_sid))[-1], Detached)


def say_stop(phone: Renderer, said: ClientProtocol) -> None:
    said.send_text(phone.stop().encode())


def say_close(phone: Renderer, said: ClientProtocol) -> None:
    said.send_text(phone.media(100, SILENT_FRAME).encode())
    said.send_close(4000)


def say_both(phone: Renderer, said: ClientProtocol) -> None:
    say_stop(phone, said)
    said.send_close(1000)


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (say_stop, Ended("caller hung up")),
        (say_close, Detached("socket closed 4000")),
        (say_both, Ended("caller hung up")),
    ],
)
async def test_the_last_words_of_phones_that_are_gone_at_the_same_moment(
    edge: Edge,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    say: Callable[[Renderer, ClientProtocol], None],
    heard: Up,
) -> None:
    """They are heard, however many sockets break in the same turn of the loop."""
    monkeypatch.setattr(rota, "TURN_S", 0.0)
    numbers = range(20)
    phones = [Renderer("AC" + "0" * 32, f"CA{each:032x}", f"MZ{each:032x}") for each in numbers]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker.beating(places=len(phones)))
        sockets = []
        for phone in phones:
            socket = await stack.enter_async_context(connect(edge.stream, proxy=None))
            await socket.send(CONNECTED)
            await socket.send(phone.start({}))
            sockets.append(socket)
        for number in numbers:
            await worker.stream(f"CA{number:032x}")
        for phone, socket in zip(phones, sockets, strict=True):
            say(phone, socket.protocol)
            socket.transport.write(b"".join(socket.protocol.data_to_send()))
            socket.transport.close()
        await until(lambda: edge.face.calls == 0)
        await edge.face.desk.bus.flush()

        last = [(await worker.heard(f"CA{number:032x}"))[-1] for number in numbers]
    assert last == [heard] * len(phones)


async def test_a_phone_that_falls_silent_with_its_socket_open(
    redis: str, edge: Edge, worker: Worker, bystander: Call
) -> None:
    losing = asyncio.create_task(lose(edge, Impairments(half_open=Span(0.2, 30))))
    await until(lambda: edge.face.calls == 2)
    await until(lambda: edge.face.calls == 1, 3 + GONE_WITHIN_S)
    losing.cancel()
    with suppress(asyncio.CancelledError):
        await losing
    claim = await worker.claim()

    await check_gone(redis, edge, worker, claim.ringing.call_sid)
    last = (await worker.heard(claim.ringing.call_sid))[-1]
    assert last == Detached("no frames")


class Deaf:
    """A phone that sends, and reads nothing at all."""

    def __init__(self, call_sid: str) -> None:
        self._renderer = Renderer("AC" + "0" * 32, call_sid, STREAM)
        self._ms = 0

    async def talk(self, socket: ClientConnection) -> None:
        socket.transport.pause_reading()
        await socket.send(CONNECTED)
        await socket.send(self._renderer.start({}))
        with suppress(ConnectionClosed):
            while True:
                await socket.send(self._renderer.media(self._ms, SILENT_FRAME))
                self._ms += 20
                await asyncio.sleep(0.02)


async def deafly(
    edge: Edge, worker: Worker, then: Callable[[], Awaitable[None]], call_sid: str
) -> None:
    """What happens to a phone that reads nothing."""
    async with connect(edge.stream, compression=None, proxy=None, ping_interval=None) as socket:
        talking = asyncio.create_task(Deaf(call_sid).talk(socket))
        await then()
        await until(lambda: edge.face.calls == 1, GONE_WITHIN_S)
        await until(lambda: sockets(edge) <= 2, GONE_WITHIN_S)
        talking.cancel()
        socket.transport.abort()


async def test_a_phone_that_reads_nothing_while_it_is_spoken_to(
    redis: str, edge: Edge, worker: Worker, bystander: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network's buffers fill, then ours, then it is enough."""
    monkeypatch.setattr(phone_call, "BACKLOG", 300)
    call_sid = "CA" + "d" * 32

    async def flood() -> None:
        claim = await worker.claim()
        await worker.own(claim)
        await until(lambda: edge.face.calls == 2)
        for _ in range(60):
            await worker.send(claim, *(Audio(SILENT_FRAME * 100) for _ in range(30)))
            if edge.face.calls == 1:
                return
            await asyncio.sleep(0.02)

    await deafly(edge, worker, flood, call_sid)

    await check_gone(redis, edge, worker, call_sid)
    assert (await worker.heard(call_sid))[-1] == Detached("phone too slow")
    (ended,) = edge.face.phones.ended.collect()
    assert {each.labels["cause"]: each.value for each in ended.samples}["phone too slow"] == 1


async def test_the_task_of_a_phone_is_not_left_cancelled(
    edge: Edge, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else, with some versions of Python, the timeout of a slow close cancels it in earnest."""
    left, run = list[int](), phone_call.PhoneCall.run

    async def watched(phone: phone_call.PhoneCall) -> str:
        cause = await run(phone)
        task = asyncio.current_task()
        assert task
        left.append(task.cancelling())
        return cause

    monkeypatch.setattr(phone_call.PhoneCall, "run", watched)
    for impairments in (Impairments(lose_after_s=0.1), Impairments(half_open=Span(0.1, 9))):
        await lose(edge, impairments)
    await until(lambda: len(left) == 2)

    assert left == [0, 0]


async def test_a_phone_that_does_not_answer_our_close(
    redis: str, edge: Edge, worker: Worker, bystander: Call
) -> None:
    call_sid = "CA" + "e" * 32

    async def end() -> None:
        claim = await worker.claim()
        await worker.own(claim)
        await worker.send(claim, Clear(), Ended("agent ended the call"))

    await deafly(edge, worker, end, call_sid)

    await check_gone(redis, edge, worker, call_sid)


# -- strangers ----------------------------------------------------------------


async def dial(edge: Edge, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(said)
    return reader, writer


@pytest.mark.parametrize(
    "said",
    [b"", b"GET", REQUEST, REQUEST + b"X: ", b"\x16\x03\x01"],
    ids=["nothing", "a word", "no end", "half a header", "another protocol"],
)
async def test_who_does_not_come_to_the_point_is_cut_off(
    redis: str, edge: Edge, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.3)
    dialled = [await dial(edge, said) for _ in range(20)]

    await until(lambda: sockets(edge) == 0)
    for reader, writer in dialled:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"], ids=["nothing", "half a hello"])
async def test_a_tls_handshake_must_come_to_the_point_too(
    redis: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.3)
    tls = {"TLS_CERT": certificates.pem("good"), "TLS_KEY": certificates.key("good")}
    async with listening(redis, **tls) as edge:
        reader, writer = await dial(edge, said)
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 3)
        writer.close()


async def test_a_second_request_must_come_to_the_point_too(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.3)
    reader, writer = await dial(edge, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"ok")
    await asyncio.sleep(0.5)
    assert sockets(edge) == 1  # between requests there is time
    writer.write(b"GET /healthz HTTP/1.1\r\n")

    await until(lambda: sockets(edge) == 0)
    writer.close()


async def test_a_head_without_end_is_cut_off(edge: Edge) -> None:
    _, writer = await dial(edge, REQUEST)
    with suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"X: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    await until(lambda: sockets(edge) == 0, 1.0)  # and not by its time
    writer.close()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"4711\r\n\r\n", "Invalid HTTP request received."),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            "Unsupported upgrade request.",
        ),
    ],
    ids=["no HTTP", "an upgrade"],
)
async def test_what_is_no_request_of_ours_fills_no_log(
    edge: Edge,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    said: bytes,
    told: str,
) -> None:
    monkeypatch.setattr(logs, "SELDOM_S", 0.2)
    caplog.set_level(logging.WARNING, "uvicorn.error")
    await asyncio.sleep(0.2)
    for _ in range(20):
        reader, writer = await dial(edge, said)
        assert b"HTTP/1.1 40" in await reader.readline()
        writer.close()

    lines = [vars(each) for each in caplog.records if each.message == told]
    assert 1 <= len(lines) < 20
    assert all(each["times"] for each in lines)


async def test_a_body_that_does_not_come_is_not_waited_for(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "BODY_WITHIN_S", 0.3)
    reader, writer = await dial(edge, REQUEST + b"\r\nCallSid=CA")

    assert b"408" in await asyncio.wait_for(reader.readline(), 3)
    writer.close()
    await until(lambda: sockets(edge) == 0)


async def test_a_body_whose_sender_goes_leaves_nothing(edge: Edge) -> None:
    for _ in range(20):
        _, writer = await dial(edge, REQUEST + b"\r\nCallSid=CA")
        writer.transport.abort()

    await until(lambda: sockets(edge) == 0)
    assert edge.server
    await until(lambda: not edge.server or not edge.server.server_state.tasks)


async def test_only_so_many_sockets_may_wait_and_calls_are_none_of_them(
    edge: Edge, worker: Worker, bystander: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_WAITING", 2)
    monkeypatch.setattr(phone_call, "START_WITHIN_S", 0.5)
    await worker.stream(bystander.call_sid)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(connect(edge.stream, proxy=None))
        with pytest.raises(InvalidStatus, match="403"):
            await connect(edge.stream, proxy=None)
        await until(lambda: edge.face.calls == 1)  # the bystander

    async with connect(edge.stream, proxy=None):
        assert edge.face.calls == 2
    counts = edge.face.counts
    await until(lambda: counts.sockets_unstarted == 3)
    assert (counts.sockets_too_many, counts.refused) == (1, 4)


async def crowd(edge: Edge, number: int) -> None:
    """Somebody who is nobody: a socket that comes and goes, or asks for what it may not have."""
    url = edge.stream
    if number % 2:
        with suppress(ConnectionClosed):
            async with connect(url, compression=None, proxy=None, ping_interval=None) as socket:
                phone = Renderer("AC" + "0" * 32, f"CA{number:032x}", f"MZ{number:032x}")
                await socket.send(phone.start({"token": "guessed"}))
                await socket.recv()  # all places are taken
                raise AssertionError("let in")
    else:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"x" * 5000)
        writer.transport.abort()


async def test_a_crowd_at_the_door_leaves_a_live_call_untouched(
    redis: str, edge: Edge, worker: Worker, bystander: Call
) -> None:
    before = await worker.registry.live()

    async with worker.beating(places=1):  # which the bystander has
        for wave in range(5):
            await asyncio.gather(*(crowd(edge, wave * 40 + each) for each in range(40)))

    await check_gone(redis, edge, worker, "CA" + "0" * 32)
    assert await worker.registry.live() == before == 1


async def test_messages_that_cannot_be_read_are_counted_and_fill_no_log(
    edge: Edge, worker: Worker, bystander: Call, caplog: pytest.LogCaptureFixture
) -> None:
    counts = edge.face.counts
    async with connect(edge.stream, compression=None, proxy=None) as socket:
        for _ in range(100):
            await socket.send("no JSON")
            await socket.send('{"event":"connected"}')
        await until(lambda: counts.messages_malformed == 100)

    assert 1 <= caplog.messages.count("bad message") < 10


async def test_a_live_socket_is_not_cut_off_for_the_head_it_had(
    edge: Edge, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.2)
    phone = Call(caller=Caller(), stream=edge.stream, verb_speed=float("inf"))
    calling = asyncio.create_task(phone.run())
    await until(lambda: phone.now_ms > 800)
    assert await eventually(worker.registry.live)
    phone.hang_up()
    await calling

    assert [stream.ended for stream in phone.result.streams] == ["caller hung up"]
