"""What can befall a stream: faults on either side, and what is left of them."""

import asyncio
import json
import time
from random import Random
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from sim.phone import stream
from sim.phone.call import Call
from sim.phone.caller import Caller, Drop, HangUp, Step, Wait
from sim.phone.playback import CAP_BYTES
from sim.phone.record import CallResult, Event, StreamRecord
from sim.phone.stream import Clock, MediaStream
from sim.phone.track import Impairments, Phase, Span, Stray
from sim.phone.wire import Renderer

LOUD = b"\x10" * 160


async def hear_out(line: Any) -> None:
    await line.read_to_the_end()


async def carry(house: Any, *steps: Step, **impairments: Any) -> CallResult:
    """A call from a bare Bin to the test's server, with faults."""
    if not house.behaviours:
        house.on_stream(hear_out)
    placed = Call(
        caller=Caller(steps or [Wait(0.1), HangUp()]),
        stream=house.stream,
        verb_speed=float("inf"),
        impairments=Impairments(**impairments),
    )
    return await placed.run()


@pytest.mark.parametrize(
    ("phase", "events"),
    [("connecting", []), ("connected", ["connected"]), ("started", ["connected", "start"])],
)
async def test_a_stream_is_lost_at_any_phase(house: Any, phase: Phase, events: list[str]) -> None:
    result = await carry(house, lose_at=phase)

    assert result.ended == "document ended"
    assert (result.streams[0].ended, result.streams[0].close_code) == ("lost", 1006)
    assert house.lines[0].events() == events


async def test_a_call_leaves_its_task_uncancelled(house: Any) -> None:
    """Else, with some versions of Python, a later timeout of that task would cancel it."""
    await carry(house, lose_after_s=0.1)
    await carry(house)

    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


async def test_a_stream_is_lost_in_mid_call_without_a_stop(house: Any) -> None:
    result = await carry(house, Wait(9.0), lose_after_s=0.1)

    assert result.streams[0].ended == "lost"
    assert set(house.lines[0].events()[2:]) == {"media"}


async def test_the_script_can_drop_the_stream(house: Any) -> None:
    assert (await carry(house, Drop())).streams[0].ended == "lost"


async def test_a_half_open_stream_is_silent_until_it_breaks(house: Any) -> None:
    async def close_at_once(line: Any) -> None:
        await line.read_until("media", 8)
        await line.socket.close()

    house.on_stream(close_at_once)

    result = await carry(house, Wait(9.0), half_open=Span(0.1, 0.3))

    assert result.streams[0].ended == "lost"
    assert result.streams[0].ended_ms >= 400
    assert 4 <= house.lines[0].events().count("media") <= 6


async def test_a_hang_up_may_leave_the_close_unanswered(house: Any) -> None:
    started = time.monotonic()

    result = await carry(house, HangUp(), linger_s=0.3)

    assert result.ended == "caller hung up"
    assert house.lines[0].events()[-1] == "stop"
    assert time.monotonic() - started >= 0.3


async def test_a_server_that_never_closes_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.phone.handshake.CLOSE_TIMEOUT_S", 0.2)

    async def ignore(socket: ServerConnection) -> None:
        async for message in socket:
            if json.loads(message)["event"] == "start":
                socket.transport.pause_reading()
                await asyncio.sleep(1.0)

    async with serve(ignore, "127.0.0.1", 0, close_timeout=0.1) as server:
        started = time.monotonic()
        result = await call_to(server, Wait(0.1), HangUp()).run()
        took = time.monotonic() - started
        server.close()

    assert result.ended == "caller hung up"
    assert 0.3 <= took < 1.0


def call_to(server: Any, *steps: Step) -> Call:
    port = server.sockets[0].getsockname()[1]
    url = f"ws://127.0.0.1:{port}/twilio"
    return Call(caller=Caller(steps), stream=url, verb_speed=float("inf"))


async def test_a_server_that_dies_is_a_lost_stream() -> None:
    async def die(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    async with serve(die, "127.0.0.1", 0) as server:
        result = await call_to(server, Wait(9.0)).run()

    assert result.ended == "document ended"
    assert (result.streams[0].ended, result.streams[0].close_code) == ("lost", 1006)


async def test_a_redirected_handshake_is_a_failed_one() -> None:
    async def never(_socket: ServerConnection) -> None:
        raise AssertionError

    def elsewhere(connection: ServerConnection, _request: Any) -> Any:
        answer = connection.respond(307, "")
        answer.headers["Location"] = "/twilio/"
        return answer

    async with serve(never, "127.0.0.1", 0, process_request=elsewhere) as server:
        result = await call_to(server).run()

    assert [(r.code, r.why) for r in result.rejections] == [(31920, "HTTP 307")]


async def test_not_even_http_is_a_failed_handshake() -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        result = await call_to(server).run()

    assert [rejection.code for rejection in result.rejections] == [31920]


async def test_a_silent_server_times_the_handshake_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.phone.handshake.OPEN_TIMEOUT_S", 0.1)

    async def sleep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(sleep, "127.0.0.1", 0)
    async with server:
        result = await call_to(server).run()
        await asyncio.sleep(0.3)

    assert [rejection.code for rejection in result.rejections] == [31901]


async def test_each_kind_of_rubbish_is_rejected_once_and_the_call_goes_on(house: Any) -> None:
    async def babble(line: Any) -> None:
        await line.read_until("start")
        for frame in ("no", "{}", '{"event":"connected"}'):
            await line.socket.send_text(frame)
        await line.socket.send_bytes(b"1")
        await line.socket.send_bytes(b"2")
        await line.say(LOUD)
        await line.read_to_the_end()

    house.on_stream(babble)

    result = await carry(house)

    assert result.ended == "caller hung up"
    assert [(r.code, r.why) for r in result.rejections] == [
        (31951, "not JSON"),
        (31950, "binary frame"),
    ]
    assert result.agent_track().count(b"\x10") == 160


async def test_more_than_ten_minutes_are_discarded_and_told_once(house: Any) -> None:
    async def pour(line: Any) -> None:
        await line.read_until("start")
        await line.say(b"\xff" * CAP_BYTES)
        await line.say(LOUD * 100)
        await line.say(LOUD * 100)
        await line.send("mark", mark={"name": "end"})
        await line.send("clear")
        await line.read_until("mark")
        await line.socket.close()

    house.on_stream(pour)

    result = await carry(house, Wait(20.0))

    assert [rejection.code for rejection in result.rejections] == [31931]


async def test_stray_frames_go_out_as_they_are(house: Any) -> None:
    got: list[Any] = []

    async def keep(line: Any) -> None:
        while True:
            message = await line.socket.receive()
            got.append(message.get("text") or message.get("bytes"))
            if message["type"] == "websocket.disconnect":
                return

    house.on_stream(keep)

    await carry(house, strays=(Stray(0.1, b"\x00"), Stray(0.05, "{")))

    assert [frame for frame in got if frame in ("{", b"\x00")] == ["{", b"\x00"]


async def test_a_duplicate_claims_the_same_stream(house: Any) -> None:
    async def refuse_a_second(line: Any) -> None:
        await line.read_until("start")
        if len(house.lines) > 1:
            await line.socket.close(1008)
        await line.read_to_the_end()

    house.on_stream(refuse_a_second)
    events: list[Event] = []
    placed = Call(
        caller=Caller([Wait(0.3), HangUp()]),
        stream=house.stream,
        verb_speed=float("inf"),
        impairments=Impairments(duplicate_at_s=0.05),
        on_event=events.append,
    )

    result = await placed.run()

    assert len(result.streams) == 1
    assert {line.stream_sid for line in house.lines} == {result.streams[0].stream_sid}
    assert [event.detail for event in events if event.kind == "duplicate closed"] == ["1008"]


async def test_a_duplicate_may_be_refused_at_the_door() -> None:
    async def listen(socket: ServerConnection) -> None:
        await socket.wait_closed()

    seen: list[None] = []

    def only_once(connection: ServerConnection, _request: Any) -> Any:
        seen.append(None)
        return connection.respond(409, "") if len(seen) > 1 else None

    events: list[Event] = []
    async with serve(listen, "127.0.0.1", 0, process_request=only_once) as server:
        placed = call_to(server, Wait(0.2), HangUp())
        placed.impairments = Impairments(duplicate_at_s=0.05)
        placed.on_event = events.append
        await placed.run()

    refused = [event.detail for event in events if event.kind == "duplicate refused"]
    assert refused == ["31920: HTTP 409"]


@pytest.mark.parametrize("how", ["missing", "wrong", "https"])
async def test_a_forged_stream_signature_does_not_validate(house: Any, how: str) -> None:
    await carry(house, stream_signature=how)

    assert house.signed == [False]


async def test_a_forged_webhook_signature_does_not_validate(house: Any) -> None:
    house.documents["/voice"] = ["<Response/>"]

    await Call(
        caller=Caller(),
        webhook=house.origin + "/voice",
        impairments=Impairments(webhook_signature="missing"),
    ).run()

    assert house.signed == [False]
    assert "x-twilio-signature" not in house.headers[0]


async def test_a_forged_token_replaces_the_right_one(house: Any) -> None:
    await carry(house, parameters=(("token", "forged"),))

    assert house.lines[0].got[1]["start"]["customParameters"] == {"token": "forged"}


async def test_a_slow_reader_hears_late(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.phone.handshake.CLOSE_TIMEOUT_S", 0.1)

    async def talk(line: Any) -> None:
        await line.read_until("start")
        for _ in range(20):
            await line.say(LOUD)
        await line.read_to_the_end()

    house.on_stream(talk)

    result = await carry(house, Wait(0.3), HangUp(), read_delay_s=0.05)

    received = [message for message in result.streams[0].messages if not message.sent]
    assert 3 <= len(received) <= 8


class Stuck:
    """A socket whose peer reads nothing and says nothing."""

    close_code = 1006

    async def send(self, _frame: str | bytes) -> None:
        await asyncio.Event().wait()

    async def recv(self) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        pass


async def test_a_server_that_does_not_read_loses_frames_not_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "MAX_OUTBOX", 5)
    monkeypatch.setattr("sim.phone.handshake.CLOSE_TIMEOUT_S", 0.05)
    socket = cast(ClientConnection, Stuck())
    caller, record = Caller([Wait(0.3), HangUp()]), StreamRecord("MZ", "wss://h/x", 0.0)

    async def no_twin() -> ClientConnection:
        raise AssertionError

    carried = MediaStream(
        socket=socket,
        open_twin=no_twin,
        renderer=Renderer("AC", "CA", "MZ"),
        parameters={},
        record=record,
        caller=caller,
        clock=Clock(),
        hung_up=asyncio.Event(),
        impairments=Impairments(),
        random=Random(1),
        observe=lambda _kind, _detail: None,
    )

    assert await carried.run() == "caller hung up"
    assert [rejection.code for rejection in record.rejections] == [31930]
    assert len(caller.track) >= 160 * 15
