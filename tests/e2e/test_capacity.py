"""All places are taken: who came first has one, and the others hear so."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx

from edge import twiml
from shared import keys
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT
from sim.phone.caller import HangUp, Wait
from sim.phone.twiml import Connect, Say, parse
from sim.phone.webhook import voice_form
from sim.redis import free_port
from sim.stack import Stack
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, until


async def test_a_call_too_many(port: int, tmp_path: Path) -> None:
    with kit.stack(tmp_path, port, MAX_CALLS="1") as stack:
        async with agent(port) as server:
            phone = call(stack)
            first = asyncio.create_task(phone.run())
            await until(lambda: server.live)
            second = await call(stack, Wait(5), HangUp()).run()
            third = await call(stack, Wait(5), HangUp(), is_bin=True).run()
            phone.caller.then(HEARD_OUT, HangUp())
            result = await first
            await closed(server.sessions[0])
            await until(lambda: kit.live_calls(stack) == 0)
            await next_one(stack)

    assert second.said == [twiml.BUSY]
    assert (second.ended, second.streams) == ("hangup verb", [])
    # A Bin's call cannot be told; its next verb is.
    assert [stream.close_code for stream in third.streams] == [1008]
    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert heard_whole(result, GREETING)
    assert len(server.sessions) == 2


async def next_one(stack: Stack) -> None:
    """The place is free again."""
    result = await call(stack, HEARD_OUT, HangUp()).run()

    assert heard_whole(result, GREETING)


# -- many at once -------------------------------------------------------------

PLACES = 5
CALLS = 30


async def ring(client: httpx.AsyncClient, webhook: str, number: int, caller: str) -> str:
    """One webhook: which call got what."""
    form = voice_form("AC" + "0" * 32, f"CA{number:032}", caller, "+15559870000")
    answer = await client.post(webhook, data={**form, "CallStatus": "ringing"})
    assert answer.status_code == 200
    verbs = parse(answer.content, allow_ws=True)
    if any(isinstance(verb, Connect) for verb in verbs):
        return "let in"
    assert verbs[0] == Say(twiml.BUSY)
    return "busy"


async def ring_all(stack: Stack, other_port: int, callers: list[str]) -> list[list[str]]:
    """All at once, each once at each of two edges: what each call got."""
    edges = (stack.webhook, f"http://127.0.0.1:{other_port}/twilio/voice")
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        asked = [
            asyncio.gather(*(ring(client, edge, number, caller) for edge in edges))
            for number, caller in enumerate(callers)
        ]
        return list(await asyncio.gather(*asked))


def check_calls(stack: Stack, answers: list[list[str]], let_in: int) -> None:
    """A retried webhook is the same call, and has the same answer."""
    assert Counter(len(set(each)) for each in answers) == {1: len(answers)}
    assert Counter(each[0] for each in answers)["let in"] == let_in
    assert kit.live_calls(stack) == let_in
    with kit.redis_of(stack) as redis:
        assert redis.hlen(keys.EPOCHS) == redis.zcard(keys.INDEX) == let_in
        hashes = list(redis.scan_iter("{0}:call:*", count=1000))
        assert len(hashes) == let_in


async def test_of_thirty_at_once_exactly_five_get_the_five_places(
    port: int, tmp_path: Path
) -> None:
    callers = [f"+1555{number:07}" for number in range(CALLS)]
    with kit.stack(tmp_path, port, MAX_CALLS=str(PLACES)) as stack:
        other = free_port()
        stack.add_edge(other)
        await kit.until(lambda: _answers(other))
        async with agent(port) as server:
            answers = await ring_all(stack, other, callers)
            await until(lambda: server.live == PLACES)

            check_calls(stack, answers, PLACES)
            assert len(server.sessions) == PLACES


async def test_of_thirty_at_once_by_one_caller_three_get_in(port: int, tmp_path: Path) -> None:
    with kit.stack(tmp_path, port, MAX_CALLS_PER_CALLER="3") as stack:
        other = free_port()
        stack.add_edge(other)
        await kit.until(lambda: _answers(other))
        async with agent(port) as server:
            answers = await ring_all(stack, other, ["+15551230000"] * CALLS)
            await until(lambda: server.live == 3)

            check_calls(stack, answers, 3)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
