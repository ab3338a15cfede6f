"""Edge and worker of different versions on one bus, as there are while a new one is deployed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack

from shared import keys
from shared.record import Attached, Taken
from sim.faults.checks import check_carrier
from sim.faults.finding import Finding
from sim.faults.scenario import scenario
from sim.faults.sound import heard_whole
from sim.faults.stage import House, Stage, Talk, until
from sim.faults.versions import EXTRA, UNKNOWN, Rewrite, next_version, previous_version, rewriting
from sim.faults.words import (
    ASK,
    BYE,
    GREETING,
    HEARD_OUT,
    LONG,
    NEXT,
    PRICE,
    THANKS,
    goodbye,
    say,
    turn,
)
from sim.phone.caller import HangUp, Interrupt, Wait
from sim.voice import speak

TURNS = (turn(ASK, LONG), turn(NEXT, PRICE), goodbye(THANKS))

BEGINNING = (HEARD_OUT, say(ASK), Interrupt(speak(NEXT, "caller"), 1.0, NEXT))
REST = (HEARD_OUT, say(THANKS), Wait(12), HangUp())

WORKS = "works: greeting, barge-in, answers, take-over, goodbye"


@scenario(12, "an edge of the next version, a worker of this one", WORKS)
async def edge_of_next_version(stage: Stage) -> None:
    await _strange_edge(stage, next_version)


@scenario(12, "an edge of the previous version, a worker of this one", WORKS, in_gate=False)
async def edge_of_previous_version(stage: Stage) -> None:
    await _strange_edge(stage, previous_version)


@scenario(12, "a worker of the next version, an edge of this one", WORKS)
async def worker_of_next_version(stage: Stage) -> None:
    await _strange_worker(stage, next_version)


@scenario(12, "a worker of the previous version, an edge of this one", WORKS, in_gate=False)
async def worker_of_previous_version(stage: Stage) -> None:
    await _strange_worker(stage, previous_version)


async def _strange_edge(stage: Stage, rewrite: Rewrite) -> None:
    async with (
        stage.house(TURNS) as house,
        rewriting(house.stack.redis.port, rewrite) as (url, counts),
    ):
        webhook = f"{await house.add_edge(REDIS_URL=url, NOTICE='off')}/twilio/voice"
        await _talk(stage, house, house.call(*BEGINNING, webhook=webhook), kills=False)
        _count(stage.finding, counts)


async def _strange_worker(stage: Stage, rewrite: Rewrite) -> None:
    """In the middle of the call it dies, and a worker of this version goes on with what it left."""
    async with (
        stage.house(TURNS, workers=0) as house,
        rewriting(house.stack.redis.port, rewrite) as (url, counts),
    ):
        await house.add_worker(REDIS_URL=url)
        await _talk(stage, house, house.call(*BEGINNING), kills=True)
        _count(stage.finding, counts)


def _count(finding: Finding, counts: dict[str, int]) -> None:
    finding.figure("messages rewritten", counts["changed"] + counts["unknown"])
    finding.expect(counts["changed"], "another version writes otherwise")


async def _talk(stage: Stage, house: House, talk: Talk, *, kills: bool) -> None:
    """A call with all that happens in one, and messages of unknown kinds in between."""
    async with _unknown_kinds(stage.finding, house, talk):
        await until(lambda: heard_whole(talk.phone.result, GREETING, PRICE))
        if kills:
            house.stack.workers[0].kill()
            house.stack.add_worker()
            await talk.owned(2)
        talk.then(*REST)
        result = await talk.result()
    finding = stage.finding
    finding.same("the phone's sockets", len(result.streams), 1)
    finding.same("the end", result.ended, "hangup verb")
    finding.expect(heard_whole(result, GREETING, PRICE, BYE), "all sentences are heard")
    finding.expect(result.streams[0].playback.discarded_bytes, "the barge-in cut the sound")
    turns = [text for session in talk.sessions for text in session.user_turns]
    finding.same("turns", turns, [ASK, NEXT, THANKS])
    finding.expect("bad message" not in house.logs, "nothing is taken for rubbish")
    check_carrier(finding, result)
    await house.is_empty()


@asynccontextmanager
async def _unknown_kinds(finding: Finding, house: House, talk: Talk) -> AsyncIterator[None]:
    """Kinds that nobody knows, on every stream that takes an entry without a number of its own."""
    await talk.configured()
    await until(lambda: talk.entries(Attached) and talk.phone.now_ms > 500)
    stream_sid = talk.phone.result.streams[0].stream_sid
    worker, edge = talk.entries(Taken)[0][1].worker, talk.entries(Attached)[0][1].edge
    unknown = {"": msgpack.packb([UNKNOWN, *EXTRA])}
    with house.redis as redis:
        up = keys.up(0, stream_sid)
        newest = redis.xrevrange(up, count=1)[0][0].decode().partition("-")[0]
        redis.xadd(up, unknown, id=f"{newest}-*")
        for name in (keys.log(0, talk.sid), keys.inbox(0, worker), keys.inbox(0, edge)):
            redis.xadd(name, unknown)
    yield
    finding.expect(talk.is_over, "the call comes to its end")
