"""A worker is killed: what it was doing is not done twice, and all else works as before."""

from sim.agent import ScriptedCall
from sim.faults.rows.killed import KILLED, TALK, Killing, stay
from sim.faults.scenario import scenario
from sim.faults.sound import (
    heard_whole,
)
from sim.faults.stage import Stage, until, wall_ms
from sim.faults.words import ASK, BYE, GREETING, HEARD_OUT, MORE, say, turn
from sim.phone.caller import HangUp, Press, Wait

DIGITS = "815162342"

DESK = "+15550001111"

TOOL = """
import asyncio
from pathlib import Path

from worker.tools import CallInfo, tool

@tool
async def book(info: CallInfo) -> str:
    '''Book a table.'''
    with Path({path!r}).open("a") as file:
        file.write(info.idempotency_key + chr(10))
    await asyncio.sleep(60)
    return "booked"
"""

BOOKING = (turn(ASK, call=(ScriptedCall("book", then=(MORE,)),)),)


@scenario(1, "kill -9 worker while a tool runs", f"{KILLED}; the tool ran once")
async def worker_killed_in_a_tool(stage: Stage) -> None:
    ran, module = stage.folder / "ran", stage.folder / "tools.py"
    module.write_text(TOOL.format(path=str(ran)))
    bridge = {"tools": ["end_call", "book"]}
    async with stage.house(BOOKING, workers=2, bridge=bridge, TOOLS=str(module)) as house:
        talk = house.call(HEARD_OUT, say(ASK))
        await until(ran.exists)
        killing = Killing(stage, house, talk)
        await killing.strike()
        await killing.check_owned()
        killing.check_gap(await killing.check_heard_again())
        result = await stay(stage, talk)
        await house.is_empty()
        finding = stage.finding
        finding.figure("tools run", len(ran.read_text().splitlines()), most=1)
        finding.expect(
            "function_calls" in str(talk.sessions[1].settings), "the agent is told of it"
        )
        finding.expect(heard_whole(result, GREETING, MORE), "the agent goes on")


TRANSFER = (turn(ASK, call=(ScriptedCall("transfer_call", '{"target":"desk"}', (BYE,)),)),)


@scenario(
    1, "kill -9 worker, then the agent transfers the call", "as on any other call", in_gate=False
)
async def worker_killed_then_transfer(stage: Stage) -> None:
    bridge = {"tools": ["transfer_call"], "transfers": {"desk": DESK}}
    async with stage.house(TRANSFER, workers=2, bridge=bridge) as house:
        talk = house.call(HEARD_OUT)
        await talk.has_heard(GREETING)
        talk.owner().kill()
        await talk.configured(2)
        talk.then(say(ASK), Wait(15), HangUp())
        result = await talk.result()
        finding = stage.finding
        finding.figure("calls dialled", len(result.dialled))
        finding.same("whom the carrier dialled", result.dialled, [DESK])
        finding.expect(heard_whole(result, GREETING, BYE), "what the agent says first is heard")
        await house.is_empty()


@scenario(
    1,
    "kill -9 worker, then the caller hangs up, or presses keys",
    "as on any other call",
    in_gate=False,
)
async def worker_killed_then_hang_up_and_digits(stage: Stage) -> None:
    async with stage.house(TALK, workers=2, MAX_CALLS="2") as house:
        talks = [house.call(HEARD_OUT), house.call(HEARD_OUT)]
        for talk in talks:
            await talk.has_heard(GREETING)
        for worker in {talk.owner() for talk in talks}:
            worker.kill()
        await house.add_worker()
        for talk in talks:
            await talk.configured(2)
        hangs_up, presses = talks
        since = wall_ms()
        await hangs_up.stop()
        await until(lambda: hangs_up.sessions[1].close_code is not None)
        stage.finding.figure("agent closed after hang-up ms", wall_ms() - since, most=500)
        presses.then(Press(f"{DIGITS}#"), HEARD_OUT, HangUp())
        result = await presses.result()
        await house.is_empty()
        turns = presses.sessions[1].user_turns
        stage.finding.expect(any(DIGITS in text for text in turns), "the agent is told the keys")
        stage.finding.same("the end", result.ended, "caller hung up")
