"""The agent gives the caller to somebody else, and takes him back if nobody answers."""

import asyncio
from pathlib import Path

from shared.record import DialFailed, Over, Taken, Transferring
from sim.agent import ScriptedCall, SessionRecord, Turn
from sim.faults.sound import heard_whole
from sim.faults.words import BYE, GREETING, HEARD_OUT, goodbye, say, turn
from sim.phone.call import Call
from sim.phone.caller import Wait
from sim.phone.record import CallResult
from sim.stack import Stack
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, live_calls, log_of, logs, until

TARGET = "+15557654321"
ASK = "Can I talk to somebody?"
CONNECTING = "I will put you through to our sales department."
BACK = "I am sorry, nobody is there."
AGAIN = "Please try once more."
THANKS = "Thank you that is all."

AGENT = kit.AGENT.replace(
    "tools: [end_call]", f"tools: [end_call, transfer_call]\n  transfers: {{sales: '{TARGET}'}}"
)


def a_stack(folder: Path, port: int) -> Stack:
    stack = kit.stack(folder, port)
    (folder / "agents" / "default.yaml").write_text(AGENT)
    return stack


def transfer(caller: str) -> Turn:
    """A turn in which the agent transfers the call."""
    arguments = '{"target": "sales"}'
    calls = (ScriptedCall("transfer_call", arguments, (CONNECTING,), defer_until_eot=True),)
    return turn(caller, call=calls)


async def has_heard(phone: Call, *texts: str) -> None:
    """Wait until the caller has heard so much."""
    heard_ms = sum(len(speak(text)) for text in texts) / 8
    await until(lambda: phone.heard_ms >= heard_ms, 20)


def check_log(stack: Stack, result: CallResult, *failed: str) -> None:
    entries = [entry for _, entry in log_of(stack, result.call_sid)]
    asked = [e.target for e in entries if isinstance(e, Transferring)]
    assert asked == [TARGET] * len(result.dialled)
    assert [e.status for e in entries if isinstance(e, DialFailed)] == list(failed)
    assert isinstance(entries[-1], Over)


async def test_the_caller_is_put_through_when_the_agent_has_said_so(
    port: int, tmp_path: Path
) -> None:
    with a_stack(tmp_path, port) as stack:
        async with agent(port, transfer(ASK)) as server:
            result = await call(stack, HEARD_OUT, say(ASK), Wait(15)).run()
            assert await closed(server.sessions[0]) == 1000
            await until(lambda: live_calls(stack) == 0)
        check_log(stack, result)
        told = logs(stack)

    assert heard_whole(result, GREETING, CONNECTING)
    assert result.dialled == [TARGET]
    assert result.ended == "hangup verb"
    assert result.rejections == []
    assert [stream.close_code for stream in result.streams] == [1000]
    assert len(server.sessions) == 1
    assert TARGET not in told


async def test_when_nobody_answers_the_caller_is_back_with_the_agent_who_knows_why(
    port: int, tmp_path: Path
) -> None:
    turns = (transfer(ASK), turn("", BACK), transfer(AGAIN), turn("", BACK), goodbye(THANKS))
    with a_stack(tmp_path, port) as stack:
        async with agent(port, *turns) as server:
            phone = call(stack, HEARD_OUT, say(ASK), dial_outcomes=("no-answer", "busy"))
            calling = asyncio.create_task(phone.run())
            await has_heard(phone, GREETING, CONNECTING, BACK)
            phone.caller.then(say(AGAIN))
            await has_heard(phone, GREETING, CONNECTING, BACK, CONNECTING, BACK)
            phone.caller.then(say(THANKS), Wait(15))
            result = await calling
            await until(lambda: live_calls(stack) == 0)
            first, second, third = server.sessions
            assert [await closed(each) for each in (first, second, third)] == [1000] * 3
        check_log(stack, result, "no-answer", "busy")

    assert result.dialled == [TARGET, TARGET]
    assert result.ended == "hangup verb"
    assert result.rejections == []
    assert heard_whole(result, GREETING, CONNECTING, BACK, CONNECTING, BACK, BYE)
    assert len(result.streams) == 3
    assert first.user_turns == [ASK]
    assert "no-answer" in second.user_turns[0]
    assert second.user_turns[1:] == [AGAIN]
    assert "busy" in third.user_turns[0]
    assert third.user_turns[1:] == [THANKS]
    assert told_before(third) == [GREETING, ASK, CONNECTING, second.user_turns[0], BACK, AGAIN]


def told_before(session: SessionRecord) -> list[str]:
    """What the agent was told of the call so far, up to the second transfer."""
    assert session.settings is not None
    messages = session.settings["agent"]["context"]["messages"]
    return [each["content"] for each in messages if "content" in each][:6]


TOOLS = '''
import asyncio
from pathlib import Path

from worker.tools import tool

@tool(deadline_s=30)
async def book() -> str:
    """Book a table."""
    Path({path!r}).write_text("begun")
    await asyncio.sleep(9)
    Path({path!r}).write_text("done")
    return "booked"
'''


async def test_a_caller_is_back_at_once_though_a_function_of_before_still_runs(
    port: int, tmp_path: Path
) -> None:
    booking, module = tmp_path / "booking", tmp_path / "tools.py"
    module.write_text(TOOLS.format(path=str(booking)))
    calls = (ScriptedCall("book"), ScriptedCall("transfer_call", '{"target": "sales"}'))
    turns = (turn(ASK, CONNECTING, call=calls), turn("", BACK), goodbye(THANKS))
    stack = kit.stack(tmp_path, port, TOOLS=str(module))
    agents = tmp_path / "agents" / "default.yaml"
    agents.write_text(AGENT.replace("[end_call, transfer_call]", "[end_call, transfer_call, book]"))
    with stack:
        async with agent(port, *turns):
            phone = call(stack, HEARD_OUT, say(ASK), dial_outcomes=("busy",))
            calling = asyncio.create_task(phone.run())
            await has_heard(phone, GREETING, CONNECTING, BACK)
            assert booking.read_text() == "begun"
            await until(lambda: booking.read_text() == "done")
            await asyncio.sleep(1.0)  # its worker renews its leases, and has one for the call
            phone.caller.then(say(THANKS), Wait(15))
            result = await calling
            await until(lambda: live_calls(stack) == 0)
        check_log(stack, result, "busy")
        log = log_of(stack, result.call_sid)
        told = logs(stack)

    assert heard_whole(result, GREETING, CONNECTING, BACK, BYE)
    (failed_ms,) = (at for at, entry in log if isinstance(entry, DialFailed))
    _, taken_ms = (at for at, entry in log if isinstance(entry, Taken))
    assert taken_ms - failed_ms < 1000
    assert "call reinstated" not in told
    assert "lease lost" not in told
