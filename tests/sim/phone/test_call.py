"""Whole calls over loopback, against a server that does as the test says."""

import asyncio
import json
import math
from typing import Any

import pytest

from sim.phone.call import Call
from sim.phone.caller import Caller, Drop, HangUp, Interrupt, Listen, Press, Say, Step, Wait
from sim.phone.record import CallResult, Event, Followed
from sim.phone.track import Impairments

LOUD = b"\x10" * 160
WORDS = LOUD * 5
"""100 ms."""

CONNECT = (
    '<Connect{}><Stream url="{{stream}}"><Parameter name="token" value="t1"/></Stream></Connect>'
)
SPEECH = "EBAQEBAQ"
"""How LOUD looks in base64."""

LISTEN = Listen(quiet_s=0.1, timeout_s=3.0)


def response(*verbs: str) -> str:
    return f"<Response>{''.join(verbs)}</Response>"


def call(house: Any, *steps: Step, **options: Any) -> Call:
    options = {"verb_speed": math.inf, "seed": 1} | options
    if "stream" not in options:
        options.setdefault("webhook", house.origin + "/voice")
    return Call(caller=Caller(steps), **options)


def sent(result: CallResult, stream: int = 0) -> list[dict[str, Any]]:
    """The JSON messages that the carrier sent on a stream."""
    return [json.loads(m.frame) for m in result.streams[stream].messages if m.sent]


async def greet_and_close(line: Any) -> None:
    await line.read_until("start")
    await line.say(WORDS)
    await line.send("mark", mark={"name": "greeted"})
    await line.read_until("mark")
    await line.socket.close()


async def hear_out(line: Any) -> None:
    await line.read_to_the_end()


async def test_a_call_from_the_webhook_to_the_action(house: Any) -> None:
    house.documents["/voice"] = [response("<Say>Hello.</Say>", CONNECT.format(' action="/after"'))]
    house.documents["/after"] = [response("<Hangup/>")]
    house.on_stream(greet_and_close)

    result = await call(house).run()

    assert result.ended == "hangup verb"
    assert result.said == ["Hello."]
    assert result.followed == [
        Followed("POST", house.origin + "/voice", 200),
        Followed("Say", "Hello."),
        Followed("WebSocket", house.stream, 101),
        Followed("POST", house.origin + "/after", 200),
    ]
    assert [form["CallStatus"] for _, form in house.requests] == ["ringing", "in-progress"]
    assert house.signed == [True, True, True]
    assert (result.streams[0].ended, result.streams[0].close_code) == ("server closed", 1000)
    assert result.rejections == []


async def test_the_headers_are_those_of_real_requests(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(greet_and_close)

    await call(house).run()

    webhook, upgrade = house.headers
    assert webhook["user-agent"] == "TwilioProxy/1.1"
    assert webhook["content-type"] == "application/x-www-form-urlencoded; charset=UTF-8"
    assert len(webhook["i-twilio-idempotency-token"]) == 36
    assert set(upgrade) == {
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "user-agent",
        "x-twilio-signature",
    }
    assert upgrade["user-agent"] == "Twilio.TmeWs/1.0"


async def test_the_stream_speaks_as_real_ones_do(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(hear_out)

    result = await call(house, Press("5"), HangUp()).run()

    messages = sent(result)
    assert house.lines[0].got == messages
    assert [m["event"] for m in messages[:2]] == ["connected", "start"]
    assert messages[1]["start"]["customParameters"] == {"token": "t1"}
    assert [m["sequenceNumber"] for m in messages[1:]] == [str(n) for n in range(1, len(messages))]
    media = [m["media"] for m in messages if m["event"] == "media"]
    assert [m["chunk"] for m in media] == [str(n + 1) for n in range(len(media))]
    assert 50 <= int(media[0]["timestamp"]) <= 175
    assert [m["dtmf"]["digit"] for m in messages if m["event"] == "dtmf"] == ["5"]
    assert messages[-1]["event"] == "stop"
    assert result.streams[0].lateness.mean_ms < 20


async def test_without_an_action_the_next_verb_follows(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(""), "<Say>Sorry.</Say>")]
    house.on_stream(greet_and_close)

    result = await call(house).run()

    assert result.ended == "document ended"
    assert result.said == ["Sorry."]


async def test_a_caller_who_hangs_up_ends_the_call_there(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(' action="/after"'), "<Say>No.</Say>")]
    house.documents["/status"] = [response()]
    house.on_stream(hear_out)

    result = await call(house, Wait(0.05), HangUp(), status_url=house.origin + "/status").run()

    assert result.ended == "caller hung up"
    assert house.lines[0].events()[-1] == "stop"
    assert [path for path, _ in house.requests] == ["/voice", "/status"]
    status = house.requests[1][1]
    assert (status["CallStatus"], status["SequenceNumber"]) == ("completed", "0")
    assert all(house.signed)


async def test_every_progress_event_is_told_if_wanted(house: Any) -> None:
    house.documents["/voice"] = [response("<Say>Bye.</Say>")]
    house.documents["/status"] = [response()]
    events = ("initiated", "ringing", "answered", "completed")

    await call(house, status_url=house.origin + "/status", status_events=events).run()

    told = [form for path, form in house.requests if path == "/status"]
    assert {form["SequenceNumber"]: form["CallStatus"] for form in told} == {
        "0": "initiated",
        "1": "ringing",
        "2": "in-progress",
        "3": "completed",
    }


async def test_a_conversation_leaves_the_ground_truth(house: Any) -> None:
    async def answer(line: Any) -> None:
        await line.read_until("start")
        await line.say(WORDS)
        await line.read_until("media", 30)
        await line.say(WORDS * 2)
        await line.read_to_the_end()

    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(answer)

    result = await call(house, LISTEN, Say(WORDS, "hi"), LISTEN, HangUp()).run()

    left, right = result.caller_track(), result.agent_track()
    assert len(left) == len(right)
    begun = int(result.spoken[0].start_ms * 8)
    assert left[begun : begun + 800] == WORDS
    assert left.count(b"\x10") == 800
    assert right.count(b"\x10") == 2400
    assert result.unanswered() == []
    assert result.spoken == result.streams[0].spoken


async def test_a_barge_in_cuts_what_was_heard(house: Any) -> None:
    async def clear_when_interrupted(line: Any) -> None:
        await line.read_until("start")
        await line.say(LOUD * 100)
        await line.send("mark", mark={"name": "end"})
        while SPEECH not in (await line.read()).get("media", {}).get("payload", ""):
            pass
        await line.send("clear")
        await line.read_to_the_end()

    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(clear_when_interrupted)

    result = await call(house, Interrupt(WORDS, 0.2), HangUp()).run()

    playback = result.streams[0].playback
    heard = result.agent_track().count(b"\x10")
    assert [(echo.name, echo.genuine) for echo in playback.echoes] == [("end", False)]
    assert heard == playback.played_bytes == 16_000 - playback.clears[0].discarded
    assert 200 <= heard / 8 <= 400


async def test_redirects_are_followed(house: Any) -> None:
    house.documents["/voice"] = [response("<Redirect>next</Redirect>", "<Say>Never.</Say>")]
    house.documents["/next"] = [response('<Redirect method="GET">/last?a=b</Redirect>')]
    house.documents["/last"] = [response("<Say>Here.</Say>")]

    result = await call(house).run()

    assert result.said == ["Here."]
    assert [path for path, _ in house.requests] == ["/voice", "/next", "/last"]


async def test_ten_redirects_are_enough(house: Any) -> None:
    house.documents["/voice"] = [response("<Redirect>/voice</Redirect>")]

    result = await call(house).run()

    assert result.ended == "error 11215: more than 10 redirects"
    assert len(house.requests) == 11


async def test_a_bin_streams_under_the_public_name(house: Any) -> None:
    house.on_stream(greet_and_close)

    result = await call(house, stream=house.stream, public_url="https://voice.example.com").run()

    assert result.ended == "document ended"
    assert result.said == ["This call may be monitored or recorded."]
    assert result.streams[0].url == "wss://voice.example.com/twilio"
    assert house.signed == [True]
    assert house.headers[0]["host"] == "voice.example.com"


async def test_a_bin_may_be_given(house: Any) -> None:
    house.on_stream(greet_and_close)
    document = response(CONNECT.format("").format(stream=house.stream), "<Say>Bye.</Say>")

    result = await call(house, stream=house.stream, bin=document).run()

    assert result.said == ["Bye."]


async def test_a_public_webhook_is_signed_for_its_public_name(house: Any) -> None:
    stream = '<Connect action="/after"><Stream url="wss://voice.example.com/twilio"/></Connect>'
    house.documents["/voice"] = [response(stream)]
    house.documents["/after"] = [response("<Hangup/>")]
    house.on_stream(greet_and_close)

    result = await call(house, public_url="https://voice.example.com").run()

    assert result.ended == "hangup verb"
    assert house.signed == [True, True, True]
    assert {headers["host"] for headers in house.headers} == {"voice.example.com"}


async def test_a_public_server_may_not_stream_unencrypted(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(""))]

    result = await call(house, public_url="https://voice.example.com").run()

    assert result.ended == "error 31922: a stream's url must be wss, not ws"


async def test_a_dropped_stream_is_attached_again(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(' action="/after"'))]
    house.documents["/after"] = [response(CONNECT.format(""))]
    house.on_stream(hear_out)
    house.on_stream(greet_and_close)
    placed = call(house, Wait(30.0))

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(placed.run())
        await asyncio.sleep(0.2)
        placed.drop()
    result = running.result()

    assert [stream.ended for stream in result.streams] == ["lost", "server closed"]
    first, second = (sent(result, n)[1]["start"] for n in (0, 1))
    assert first["callSid"] == second["callSid"]
    assert first["streamSid"] != second["streamSid"]
    assert "stop" not in house.lines[0].events()
    assert result.streams[1].start_ms >= result.streams[0].ended_ms
    assert len(result.caller_track()) == len(result.agent_track())
    assert result.agent_track().count(b"\x10") == 800


async def test_a_call_may_move_to_another_server_behind_the_same_name(house: Any) -> None:
    house.documents["/after"] = [response("<Say>Still here.</Say>")]
    house.on_stream(hear_out)
    away = '<Connect action="https://voice.example.com/after"><Stream url="{}"/></Connect>'
    document = response(away.format("wss://voice.example.com/twilio"))
    url = house.stream.replace("127.0.0.1", "localhost")
    placed = call(house, stream=url, bin=document, public_url="https://voice.example.com")

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(placed.run())
        await asyncio.sleep(0.1)
        placed.move(house.origin)
        placed.drop()

    assert running.result().said == ["Still here."]
    assert house.signed == [True, True]


async def test_a_call_can_be_watched_and_ended_from_outside(house: Any) -> None:
    async def talk(line: Any) -> None:
        await line.read_until("start")
        await line.say(LOUD * 500)
        await line.read_to_the_end()

    events: list[Event] = []
    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(talk)
    placed = call(house, on_event=events.append)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(placed.run())
        await asyncio.sleep(0.3)
        assert placed.playback is not None
        assert placed.playback.speaking_since(placed.now_ms) is not None
        assert 40 < placed.heard_ms < 320
        placed.hang_up()

    assert running.result().ended == "caller hung up"
    assert placed.playback is None
    kinds = [event.kind for event in events]
    assert kinds.index("agent speaks") < kinds.index("hang up") < kinds.index("ended")
    assert events[0].ms is None
    assert events[-1].ms is not None


@pytest.mark.parametrize("verb", ["<Say>Please hold.</Say>", '<Pause length="9"/>'])
async def test_a_caller_can_hang_up_during_a_verb(house: Any, verb: str) -> None:
    house.documents["/voice"] = [response(verb, "<Redirect>/never</Redirect>")]
    placed = call(house, verb_speed=0.1)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(placed.run())
        await asyncio.sleep(0.1)
        placed.hang_up()

    assert running.result().ended == "caller hung up"
    assert running.result().said == []


async def test_a_caller_who_hung_up_during_a_request_hears_no_answer(house: Any) -> None:
    house.documents["/voice"], house.delay_s = [response("<Say>Hello?</Say>")], 0.2
    placed = call(house)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(placed.run())
        await asyncio.sleep(0.1)
        placed.hang_up()

    assert (running.result().ended, running.result().said) == ("caller hung up", [])


async def test_a_caller_may_give_up_between_two_streams(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(' action="/after"'))]
    house.documents["/after"] = [response(CONNECT.format(""))]
    house.on_stream(hear_out)
    house.delay_s = 0.2

    result = await call(house, Drop(), Wait(0.1), HangUp()).run()

    assert result.ended == "caller hung up"
    assert [stream.ended for stream in result.streams] == ["lost", "caller hung up"]
    assert house.lines[1].events() == ["connected", "start", "stop"]


async def test_a_server_that_is_too_slow_ends_the_call(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.phone.webhook.TIMEOUT_S", 0.1)
    house.delay_s = 0.3

    assert (await call(house).run()).ended.startswith("error 11200: POST")


async def test_say_takes_its_time(house: Any) -> None:
    house.documents["/voice"] = [response("<Say>12345</Say>")]
    started = asyncio.get_running_loop().time()

    await call(house, verb_speed=3.0).run()

    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_a_failed_dial_comes_back_by_its_action(house: Any) -> None:
    dial = '<Dial action="/dialled"><Number>+1555</Number></Dial>'
    house.documents["/voice"] = [response(dial)]
    house.documents["/dialled"] = [response(dial), response("<Hangup/>")]

    result = await call(house, dial_outcomes=("busy", "no-answer")).run()

    assert result.dialled == ["+1555", "+1555"]
    outcomes = [form.get("DialCallStatus") for _, form in house.requests]
    assert outcomes == [None, "busy", "no-answer"]


async def test_a_dial_without_an_action_goes_on(house: Any) -> None:
    house.documents["/voice"] = [response("<Dial>+1555</Dial>", "<Play>/x.wav</Play>")]

    assert (await call(house).run()).ended == "document ended"


async def test_a_rejected_call_was_never_answered(house: Any) -> None:
    house.documents["/voice"] = [response("<Reject/>")]
    house.documents["/status"] = [response()]

    result = await call(house, status_url=house.origin + "/status").run()

    assert result.ended == "rejected"
    assert house.requests[-1][1]["CallStatus"] == "busy"


@pytest.mark.parametrize(
    ("document", "content_type", "why"),
    [
        ("", "text/xml", "error 12100"),
        ("<Response><Gather/></Response>", "text/xml", "error 12200"),
        ("<Response/>", "application/json", "error 12300"),
        ("<Response/>", "", "error 12300"),
    ],
)
async def test_a_bad_document_ends_the_call(
    house: Any, document: str, content_type: str, why: str
) -> None:
    house.documents["/voice"], house.content_type = [document], content_type

    assert (await call(house).run()).ended.startswith(why)


async def test_a_missing_document_ends_the_call(house: Any) -> None:
    assert (await call(house).run()).ended.startswith("error 11200: HTTP 404")


async def test_a_slow_server_is_waited_for(house: Any) -> None:
    house.documents["/voice"], house.delay_s = [response("<Say>At last.</Say>")], 0.3

    assert (await call(house).run()).said == ["At last."]


async def test_a_refused_socket_goes_on_with_the_document(house: Any) -> None:
    stream = '<Stream url="ws://{}/nowhere" statusCallback="{}/stream"/>'
    house.documents["/voice"] = [
        response(
            f"<Connect>{stream.format(house.origin[7:], house.origin)}</Connect>",
            "<Say>Sorry.</Say>",
        )
    ]
    house.documents["/stream"] = [response()]

    result = await call(house).run()

    assert result.said == ["Sorry."]
    assert [(r.code, r.why) for r in result.rejections] == [(31920, "HTTP 403")]
    assert house.requests[-1][1]["StreamEvent"] == "stream-error"
    assert house.requests[-1][1]["StreamError"] == "31920: HTTP 403"


async def test_a_stream_tells_of_its_start_and_stop(house: Any) -> None:
    stream = f'<Stream url="{house.stream}" name="a" statusCallback="{house.origin}/s"/>'
    house.documents["/voice"] = [response(f"<Connect>{stream}</Connect>")]
    house.on_stream(greet_and_close)
    events: list[Event] = []

    result = await call(house, on_event=events.append).run()

    told = [form for path, form in house.requests if path == "/s"]
    assert [form["StreamEvent"] for form in told] == ["stream-started", "stream-stopped"]
    assert {form["StreamName"] for form in told} == {"a"}
    assert {form["StreamSid"] for form in told} == {result.streams[0].stream_sid}
    refused = [event.detail for event in events if event.kind == "callback failed"]
    assert refused == [f"15003: HTTP 404 from {house.origin}/s"] * 2


@pytest.mark.parametrize(
    ("code", "error"),
    [(1011, "31921: close code 1011"), (1008, "31921: close code 1008"), (None, "31903: ")],
)
async def test_a_stream_that_ends_badly_is_told_as_an_error(
    house: Any, code: int | None, error: str
) -> None:
    stream = f'<Stream url="{house.stream}" statusCallback="{house.origin}/s"/>'
    house.documents["/voice"] = [response(f"<Connect>{stream}</Connect>", "<Say>Sorry.</Say>")]

    async def end(line: Any) -> None:
        await line.read_until("start")
        if code:
            await line.socket.close(code)
        await line.read_to_the_end()

    house.on_stream(end)

    result = await call(house, impairments=Impairments(lose_after_s=0.5)).run()

    started, ended = [form for path, form in house.requests if path == "/s"]
    assert (started["StreamEvent"], ended["StreamEvent"]) == ("stream-started", "stream-error")
    assert ended["StreamError"].startswith(error)
    assert [each.code for each in result.rejections] == ([31921] if code else [])
    assert result.said == ["Sorry."]


async def test_a_callback_to_nowhere_harms_nobody(house: Any) -> None:
    house.documents["/voice"] = [response("<Hangup/>")]

    result = await call(house, status_url="http://127.0.0.1:1/").run()

    assert result.ended == "hangup verb"


async def test_nobody_at_the_streams_address_is_a_refused_connection(house: Any) -> None:
    result = await call(house, stream="ws://127.0.0.1:1/twilio").run()

    assert [rejection.code for rejection in result.rejections] == [31902]


def test_a_call_needs_somewhere_to_go() -> None:
    with pytest.raises(ValueError, match="webhook or a stream"):
        Call(caller=Caller())


async def test_a_cancelled_call_leaves_nothing_open(house: Any) -> None:
    house.documents["/voice"] = [response(CONNECT.format(""))]
    house.on_stream(hear_out)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await call(house, Wait(30.0)).run()

    assert house.lines[0].got
    assert [task.get_name() for task in asyncio.all_tasks() if ":MZ" in task.get_name()] == []
