"""One phone socket, against the stand-in carrier: the line when nobody serves, and the way out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from edge import call as phone_call
from edge import hold
from shared import keys
from shared.calls import State
from shared.lines import sound_of
from shared.messages import UP, Attach, Audio, Detached, Leaving, Mark, Move
from shared.record import Lost, Trouble
from sim.faults.sound import played
from sim.phone.call import Call
from sim.phone.caller import Caller, Say, Step, Wait
from sim.phone.record import CallResult
from sim.phone.wire import Renderer
from sim.voice import speak
from tests.edge.kit import (
    CALL,
    STREAM,
    Edge,
    Worker,
    a_worker,
    ask,
    eventually,
    listening,
    until,
)

PUBLIC = "http://voice.example.com"
"""Where all edges are, to Twilio."""

LINE = sound_of("hold")
WORDS = speak("Is anybody there?", "caller")
SENTENCE = speak("We have three cars on our lot.")


@pytest.fixture
async def edge(redis: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    """An edge that is quick to say its line, and to ask again."""
    monkeypatch.setattr(hold, "FIRST_AFTER_S", 0.1)
    monkeypatch.setattr(hold, "FIRST_AFTER_OWNER_S", 0.1)
    monkeypatch.setattr(hold, "OFFER_EVERY_S", 0.3)
    monkeypatch.setattr(phone_call, "LEAVE_EVERY_S", 0.5)
    async with listening(redis) as edge:
        yield edge


@pytest.fixture
async def worker(redis: str) -> AsyncIterator[Worker]:
    async with a_worker(redis) as worker:
        yield worker


@asynccontextmanager
async def on_the_phone(
    edge: Edge, *steps: Step, is_bin: bool = False, **options: Any
) -> AsyncIterator[Call]:
    """A call under way; it is over when the block has been left."""
    options["stream" if is_bin else "webhook"] = edge.stream if is_bin else edge.webhook
    phone = Call(caller=Caller(steps), verb_speed=float("inf"), seed=1, **options)
    calling = asyncio.create_task(phone.run())
    try:
        yield phone
        phone.hang_up()
        await calling
    finally:
        calling.cancel()


@asynccontextmanager
async def serving(worker: Worker) -> AsyncIterator[None]:
    """The worker lives for so long, and then is gone without a word."""
    try:
        async with worker.beating():
            yield
    finally:
        worker.registry.retire()
        await worker.bus.flush()


def sound(result: CallResult) -> bytes:
    return b"".join(played(stream) for stream in result.streams)


def hears(phone: Call) -> int:
    """How many bytes of sound the phone was sent."""
    return phone.playback.sent_bytes if phone.playback else 0


# -- nobody serves the call ---------------------------------------------------


async def test_a_call_that_nobody_serves_hears_a_line_that_is_logged(
    edge: Edge, worker: Worker
) -> None:
    async with on_the_phone(edge) as phone:
        await until(lambda: phone.heard_ms >= len(LINE) / 8)
        sent_up = await worker.heard(phone.call_sid)
        log = await worker.log(phone.call_sid)

    assert sound(phone.result).startswith(LINE)
    assert phone.result.rejections == []
    assert Trouble("edge", "no worker", fatal=False) in log
    assert not any(isinstance(message, Mark) for message in sent_up)


async def test_the_line_is_the_operator_s_own_if_there_is_one(
    redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "hold.ulaw"
    own.write_bytes(SENTENCE)
    monkeypatch.setattr(hold, "FIRST_AFTER_S", 0.1)
    async with listening(redis, HOLD_SOUND=str(own)) as edge, on_the_phone(edge) as phone:
        await until(lambda: phone.heard_ms >= len(SENTENCE) / 8)

    assert sound(phone.result).startswith(SENTENCE)


async def test_the_caller_is_not_talked_over_by_a_line(edge: Edge, worker: Worker) -> None:
    async with on_the_phone(edge, Say(WORDS), Wait(0.2), Say(WORDS)) as phone:
        await until(lambda: hears(phone))
        began_ms = phone.now_ms

    _, second = phone.result.spoken
    assert second.end_ms + hold.QUIET_S * 1000 < began_ms


async def test_the_caller_s_words_clear_a_line(edge: Edge, worker: Worker) -> None:
    async with on_the_phone(edge) as phone:
        await until(lambda: phone.heard_ms > 300)
        phone.caller.then(Say(WORDS))
        await until(lambda: phone.playback and phone.playback.clears)
        (clear,) = phone.playback.clears if phone.playback else []
        sent_up = await worker.heard(phone.call_sid)

    assert clear.discarded > 0
    (spoken,) = phone.result.spoken
    assert clear.ms - spoken.start_ms < 250
    assert not any(isinstance(message, Mark) for message in sent_up)


async def test_a_worker_s_first_sound_clears_a_line(edge: Edge, worker: Worker) -> None:
    async with on_the_phone(edge) as phone:
        await until(lambda: phone.heard_ms > 300)
        async with serving(worker):
            claim = await worker.claim()
            await worker.own(claim)
            await worker.send(claim, Audio(SENTENCE), Mark("1-1"))
            await worker.echoed(phone.call_sid, "1-1")
            sent_up = await worker.heard(phone.call_sid)

    (stream,) = phone.result.streams
    (clear,) = stream.playback.clears
    assert clear.discarded > 0
    heard = sound(phone.result)
    assert heard.endswith(SENTENCE)
    assert LINE not in heard
    assert [m.name for m in sent_up if isinstance(m, Mark)] == ["1-1"]


async def test_what_a_dead_worker_had_sent_is_heard_out_whatever_the_caller_says(
    edge: Edge, worker: Worker
) -> None:
    async with on_the_phone(edge) as phone:
        async with serving(worker):
            claim = await worker.claim()
            await worker.own(claim)
            await worker.send(claim, Audio(SENTENCE * 2), Mark("1-1"))
            await until(lambda: phone.heard_ms > 100)
        await until(lambda: not edge.fleet.serves(worker.bus.process))
        phone.caller.then(Say(WORDS))
        await until(lambda: phone.heard_ms > len(SENTENCE * 2) / 8 + 100, 10)
        clears = list(phone.playback.clears) if phone.playback else []

    assert clears == []
    assert sound(phone.result).startswith(SENTENCE * 2 + LINE[:800])


async def test_a_call_that_redis_has_forgotten_is_offered_again_and_finds_its_phone(
    redis: str, edge: Edge, worker: Worker
) -> None:
    async with on_the_phone(edge) as phone:
        stream = await worker.stream(phone.call_sid)
        with Redis.from_url(redis) as client:
            client.flushall()
            client.xgroup_create(keys.DISPATCH, keys.GROUP, "0", mkstream=True)
        await until(lambda: phone.now_ms > 500)
        async with serving(worker):
            await eventually(worker.registry.live)
            assert await worker.stream(phone.call_sid) == stream
            claim = await worker.claim()
            await worker.own(claim)
            await worker.send(claim, Audio(SENTENCE), Mark("1-1"))
            await worker.echoed(phone.call_sid, "1-1")

    ringing = claim.ringing
    assert (ringing.call_sid, ringing.caller) == (phone.call_sid, phone.from_)
    assert ringing.has_webhook
    assert sound(phone.result).endswith(SENTENCE)


async def test_an_owner_that_is_still_there_is_told_of_the_phone_again(
    redis: str, edge: Edge, worker: Worker
) -> None:
    """Its beat was late, and what it knew of the dispatch was lost."""
    async with on_the_phone(edge) as phone:
        async with serving(worker):
            claim = await worker.claim()
            await worker.own(claim)
        with Redis.from_url(redis) as client:
            client.hdel(keys.EPOCHS, phone.call_sid)
            client.xdel(keys.DISPATCH, claim.entry_id)
        worker.notes.clear()
        note = Attach(phone.call_sid, await worker.stream(phone.call_sid))
        await until(lambda: note in worker.notes)


# -- told to stop -------------------------------------------------------------


@pytest.fixture
async def other(redis: str) -> AsyncIterator[Edge]:
    async with listening(redis, "edge-other") as other:
        yield other


async def test_a_phone_moves_to_another_edge_when_its_owner_says_so(
    edge: Edge, other: Edge, worker: Worker
) -> None:
    async with on_the_phone(edge, public_url=PUBLIC) as phone, serving(worker):
        claim = await worker.claim()
        await worker.own(claim)
        first = await worker.stream(phone.call_sid)
        edge.fleet.drain(60)
        leaving = Leaving(phone.call_sid, first)
        await until(lambda: worker.notes.count(leaving) >= 2)  # an owner may not have read it
        phone.move(other.stream)  # as whoever spreads the calls does
        await worker.send(claim, Move())
        await until(lambda: other.face.calls)
        await worker.stream(phone.call_sid, after=first)
        call = await edge.call(phone.call_sid)
        log = await worker.log(phone.call_sid)
        (_, last), *_ = await ask(edge, "XREVRANGE", keys.up(0, first), "+", "-", "COUNT", 1)

    stopped, _ = phone.result.streams
    assert (stopped.ended, stopped.close_code) == ("server closed", 1000)
    assert (call.state, call.attempts) == (State.LIVE, 0)
    assert Lost(first, "moved") in log
    assert UP.unpack(last[1]) == Detached("moved")
    assert (edge.face.moved, other.face.moved) == (1, 0)


async def test_a_bin_s_phone_is_never_moved(edge: Edge, other: Edge, worker: Worker) -> None:
    async with (
        on_the_phone(edge, is_bin=True) as bare,
        on_the_phone(edge) as phone,
        serving(worker),
    ):
        for _ in range(2):
            await worker.own(await worker.claim())
        edge.fleet.drain(0)  # and all time is up
        await until(lambda: edge.face.moved)
        await until(lambda: edge.fleet.is_late(asyncio.get_running_loop().time()))
        await asyncio.sleep(3 * phone_call.LEAVE_EVERY_S)
        told = {note.call_sid for note in worker.notes if isinstance(note, Leaving)}

    assert bare.call_sid not in told
    (stream,) = bare.result.streams
    assert stream.ended == "caller hung up"
    assert phone.result.streams[0].close_code == 1000


async def test_a_phone_that_nobody_lets_go_is_moved_when_half_of_the_time_is_up(
    edge: Edge, other: Edge, worker: Worker
) -> None:
    async with on_the_phone(edge, public_url=PUBLIC) as phone, serving(worker):
        claim = await worker.claim()
        await worker.own(claim)
        first = await worker.stream(phone.call_sid)
        edge.fleet.drain(2.0)
        await until(lambda: Leaving(phone.call_sid, first) in worker.notes)
        phone.move(other.stream)
        await until(lambda: other.face.calls)

    assert phone.result.streams[0].close_code == 1000
    assert (edge.face.moved, (await edge.call(phone.call_sid)).attempts) == (1, 0)


async def test_with_no_other_edge_there_phones_stay(edge: Edge, worker: Worker) -> None:
    async with on_the_phone(edge) as phone, serving(worker):
        await worker.own(await worker.claim())
        edge.fleet.drain(0)
        await asyncio.sleep(3 * phone_call.LEAVE_EVERY_S)
        told = [note for note in worker.notes if isinstance(note, Leaving)]

    assert told == []
    (stream,) = phone.result.streams
    assert stream.ended == "caller hung up"


# -- who is not let in -----------------------------------------------------------------


async def knock(edge: Edge, phone: Call) -> tuple[int | None, list[str | bytes]]:
    """Claim to be the stream of this call. Returns how the socket was closed, and what it heard."""
    stream_sid = phone.result.streams[0].stream_sid
    heard: list[str | bytes] = []
    async with connect(edge.stream) as socket:
        await socket.send(Renderer("AC1", phone.call_sid, stream_sid).start({}))
        with suppress(ConnectionClosed):
            while True:
                heard.append(await socket.recv())
    return socket.close_code, heard


async def test_who_claims_to_be_a_stream_hears_none_of_it_and_takes_none_away(
    edge: Edge, other: Edge, worker: Worker
) -> None:
    async with serving(worker), on_the_phone(edge, is_bin=True) as phone:
        claim = await worker.claim()
        await worker.own(claim)
        await worker.send(claim, Audio(SENTENCE))
        answers = [await knock(each, phone) for each in (edge, other)]
        await worker.send(claim, Mark("1-1"))
        await worker.echoed(phone.call_sid, "1-1")

    assert answers == [(1008, []), (1008, [])]
    assert SENTENCE in sound(phone.result)
    assert [each.face.counts.sockets_doubled for each in (edge, other)] == [1, 1]
    (stream,) = phone.result.streams
    following = (phone.call_sid, stream.stream_sid)
    buses = [each.face.desk.bus for each in (edge, other)]
    await until(lambda: not any(bus.follows_down(*following) for bus in buses))


async def test_a_phone_whose_call_we_cannot_read_is_refused_and_not_listened_for(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    bus, following = edge.face.desk.bus, (CALL, STREAM)
    await ask(edge, "HSET", bus.call_key(CALL), "state", "of tomorrow")
    async with connect(edge.stream, proxy=None) as socket:
        await socket.send(Renderer("AC1", *following).start({}))
        with pytest.raises(ConnectionClosed):
            await socket.recv()

    assert socket.close_code == 1008
    assert not bus.follows_down(*following)
    (told,) = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    assert (told["message"], told["reason"][:14]) == ("call not admitted", "ValueError at ")
    assert "tomorrow" not in repr(told)
