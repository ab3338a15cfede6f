"""An edge is told to stop: its callers are moved to another, and notice next to nothing."""

import asyncio
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from shared.record import Attached, Lost
from shared.sound import RATE
from sim.faults.sound import heard_whole, played
from sim.faults.words import BYE, GREETING, HEARD_OUT, LONG, goodbye, say, turn
from sim.phone.call import Call
from sim.phone.caller import HangUp, Wait
from sim.phone.record import CallResult
from sim.redis import free_port
from sim.stack import Process, Stack
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.front import Front, front
from tests.e2e.kit import agent, call, closed, lines, log_of, until

ASK = "What cars do you have?"
NEXT = "Tell me the price."
PRICE = "It is not cheap."
THANKS = "Thank you that is all."

GONE_WITHIN_S = 8.0
"""A sentence of five seconds, the two in which Twilio may still ask, and a slow machine."""


def dial(stack: Stack, before: Front, *steps: object, **options: object) -> Call:
    return call(stack, *steps, webhook=before.webhook, **options)  # type: ignore[arg-type]


async def second_edge(stack: Stack) -> int:
    """Start another edge; returns its port."""
    port = free_port()
    stack.add_edge(port)
    return port


async def ready(before: Front, edges: int) -> None:
    await until(lambda: len(before.ready) == edges, 20)


def gaps_ms(result: CallResult) -> list[float]:
    """How long the caller was on no stream, each time."""
    return [later.start_ms - sooner.ended_ms for sooner, later in pairwise(result.streams)]


async def gone(process: Process, within_s: float) -> int:
    await until(lambda: process.status is not None, within_s)
    assert process.status is not None
    return process.status


async def test_callers_of_an_edge_that_is_told_to_stop_are_moved_when_nobody_speaks(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port) as stack:
        other = await second_edge(stack)
        async with (
            front(stack.port, other) as before,
            agent(port, turn(ASK, LONG), turn(NEXT, PRICE), goodbye(THANKS)) as server,
        ):
            await ready(before, 2)
            phone = dial(
                stack,
                before,
                *(HEARD_OUT, say(ASK), HEARD_OUT, say(NEXT), HEARD_OUT, say(THANKS), Wait(10)),
            )
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > len(speak(GREETING)) / 8 + 1500)
            told_at = time.monotonic()
            stack.edges[0].send(signal.SIGTERM)
            status = await gone(stack.edges[0], GONE_WITHIN_S)
            took_s = time.monotonic() - told_at
            result = await calling
            (session,) = server.sessions
            assert await closed(session) == 1000
        moved = [line["moved"] for line in lines(stack, "drained")]
        log = [entry for _, entry in log_of(stack, result.call_sid)]

    first, second = result.streams
    print(f"edge gone after {took_s:.1f} s, caller on no stream for {gaps_ms(result)} ms")
    assert (status, moved) == (0, [1])
    assert result.ended == "hangup verb"
    assert result.rejections == []
    assert (first.ended, first.close_code) == ("server closed", 1000)
    # The sentence was heard whole, once, and on the first stream.
    assert heard_whole(result, GREETING, LONG, PRICE, BYE)
    assert played(first).count(speak(LONG)) == 1
    assert speak(LONG)[:RATE] not in played(second)
    assert session.user_turns == [ASK, NEXT, THANKS]
    assert max(gaps_ms(result)) < 500
    assert [e.stream_sid for e in log if isinstance(e, Attached)] == [
        first.stream_sid,
        second.stream_sid,
    ]
    assert [e.cause for e in log if isinstance(e, Lost)] == ["moved"]


CALLERS = 12


@pytest.mark.alone
async def test_an_edge_full_of_callers_is_empty_in_seconds(port: int, tmp_path: Path) -> None:
    """They are in all moments: some listen, some speak, some wait."""
    turns = (turn(ASK, LONG), turn(NEXT, PRICE))
    with kit.stack(tmp_path, port) as stack:
        other = await second_edge(stack)
        async with front(stack.port, other) as before, agent(port, *turns) as server:
            await ready(before, 2)
            steps = (HEARD_OUT, say(ASK), HEARD_OUT, say(NEXT), HEARD_OUT, HangUp())
            calling = []
            for number in range(CALLERS):
                phone = dial(stack, before, *steps, from_=f"+155500000{number:02}")
                calling.append(asyncio.create_task(phone.run()))
                await asyncio.sleep(0.4)
            told_at = time.monotonic()
            stack.edges[0].send(signal.SIGTERM)
            status = await gone(stack.edges[0], 2 * GONE_WITHIN_S)
            took_s = time.monotonic() - told_at
            results = [await each for each in calling]
            for session in server.sessions:
                await closed(session)
        (drained,) = lines(stack, "drained")
        gaps = [gap for result in results for gap in gaps_ms(result)]

    print(f"{drained['moved']} callers moved, edge gone after {took_s:.1f} s")
    print(f"on no stream for {min(gaps):.0f} to {max(gaps):.0f} ms")
    assert status == 0
    assert (drained["moved"], drained["calls"]) == (len(gaps), 0)
    assert len(gaps) > CALLERS / 2  # the first have hung up by then
    assert max(gaps) < 500
    assert len(server.sessions) == CALLERS
    for result in results:
        assert result.ended == "caller hung up"
        assert result.rejections == []
        assert heard_whole(result, GREETING, LONG, PRICE)
