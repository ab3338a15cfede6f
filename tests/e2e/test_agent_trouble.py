"""The agent service refuses, fails or goes away: the caller is told, and the call ends politely."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from sim.agent import Fail, Faults, ScriptedCall, SessionRecord, Timing
from sim.agent.faults import Drop, End
from sim.faults.sound import heard_whole, played
from sim.faults.words import GREETING, HEARD_OUT, say, turn
from sim.phone.call import Call
from sim.phone.caller import HangUp, Interrupt, Step, Wait
from sim.phone.record import CallResult
from sim.stack import Stack
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.kit import APOLOGY, HOLD, KEY, agent, call, lines, live_calls, logs, until

ASK = "What cars do you have?"
CARS = "We have three cars on the lot."

BIN = """<Response>
  <Connect><Stream url="{url}"/></Connect>
  <Say>The bin goes on.</Say>
</Response>"""


def both_ways(house: Stack) -> tuple[Call, Call]:
    """A call through the webhook, and one from a Bin that goes on after its stream."""
    return (
        call(house, Wait(15), HangUp()),
        call(house, Wait(15), HangUp(), is_bin=True, bin=BIN.format(url=house.stream)),
    )


def check_apology(result: CallResult) -> None:
    assert APOLOGY in played(result.streams[0])
    assert result.rejections == []
    assert result.streams[0].close_code == 1000
    assert len(result.streams) == 1


def check_ways(by_webhook: CallResult, by_bin: CallResult) -> None:
    for result in (by_webhook, by_bin):
        check_apology(result)
    assert by_webhook.ended == "hangup verb"
    assert by_bin.ended == "document ended"
    assert by_bin.said == ["The bin goes on."]


async def check_refusal(house: Stack, port: int) -> None:
    """It does not want the key."""
    async with agent(port, faults=Faults(reject=401)) as server:
        results = await asyncio.gather(*(each.run() for each in both_ways(house)))

    check_ways(*results)
    assert server.sessions == []
    for result in results:
        (line,) = lines(house, "agent refused", result.call_sid)
        assert line["reason"] == "http 401"
        assert line["hint"] == "check DEEPGRAM_API_KEY"
    assert KEY not in logs(house)
    await until(lambda: live_calls(house) == 0)


async def check_mute(stack: Stack) -> None:
    """It takes the connection, and that is all: the caller is told so after ten seconds."""
    result = await call(stack, Wait(20), HangUp()).run()

    assert played(result.streams[0]) == HOLD + HOLD + APOLOGY
    assert result.ended == "hangup verb"


async def test_an_agent_service_that_does_not_take_us(
    house: Stack, port: int, tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        kit.stack(tmp_path, mute.getsockname()[1]) as stack,
    ):
        await asyncio.gather(check_refusal(house, port), check_mute(stack))


async def test_no_agent_service_at_all_and_a_caller_who_does_not_wait(house: Stack) -> None:
    result = await call(house, Interrupt(b"", 0.5), HangUp()).run()

    assert result.ended == "caller hung up"
    assert HOLD.startswith(played(result.streams[0])[:4000])
    refusals = lines(house, "agent refused", result.call_sid)
    assert all(line["reason"].startswith("connect ") for line in refusals)
    await until(lambda: live_calls(house) == 0)


def check_mid_call(result: CallResult, *said: str) -> None:
    # What had reached the phone is played, then the apology.
    check_apology(result)
    assert heard_whole(result, *said)
    assert result.ended == "hangup verb"


async def test_an_agent_that_fails_for_good_in_mid_call(house: Stack, port: int) -> None:
    async with agent(port, turn(ASK, CARS)) as server:

        async def struck(end: End, after_ms: float, *steps: Step) -> asyncio.Task[CallResult]:
            phone = call(house, *steps, Wait(20), HangUp())
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > after_ms)
            server.strike(end)
            await until(lambda: not server.live)
            return calling

        greeting_ms = len(speak(GREETING)) / 8
        final = Fail("INVALID_SETTINGS")
        in_mid_answer = await struck(final, greeting_ms + 500, HEARD_OUT, say(ASK))
        in_the_greeting = await struck(final, 300)
        check_mid_call(await in_mid_answer, GREETING, CARS)
        check_mid_call(await in_the_greeting, GREETING)

    assert server.sessions[0].user_turns == [ASK]
    await until(lambda: live_calls(house) == 0)


async def test_a_function_that_deepgram_was_calling_is_not_asked_for_again(
    port: int, tmp_path: Path
) -> None:
    hosted = "functions: [{name: book, endpoint: {url: 'https://a.example'}}]"
    booked = ScriptedCall("book", then=("Booked.",), thought_signature="c2ln")
    stack = kit.stack(tmp_path, port)
    file = tmp_path / "agents" / "default.yaml"
    file.write_text(kit.AGENT.replace("    prompt:", f"    {hosted}\n    prompt:"))
    with stack:
        async with agent(port, turn(ASK, call=(booked,)), timing=Timing(server_call_s=3)) as server:
            phone = call(stack, HEARD_OUT, say(ASK), Wait(5), HangUp())
            calling = asyncio.create_task(phone.run())
            await until(lambda: server.sessions and requests(server.sessions[0]), 20)
            server.strike(Drop())
            await until(lambda: len(server.sessions) == 2)
            await calling

    assert requests(server.sessions[1]) == []
    *_, asked = (server.sessions[1].settings or {})["agent"]["context"]["messages"]
    (function,) = asked["function_calls"]
    assert (function["name"], function["client_side"]) == ("book", False)
    assert "do not repeat" in function["response"]
    assert function["thought_signature"] == "c2ln"
    assert ASK not in [each.get("content") for each in server.sessions[1].received]


def requests(session: SessionRecord) -> list[dict[str, Any]]:
    return [each for each in session.sent if each["type"] == "FunctionCallRequest"]
