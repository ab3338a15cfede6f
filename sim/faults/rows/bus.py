"""Redis goes away for a while, or stands still: calls stay, and nobody takes others' calls."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

from shared import keys
from shared.record import Taken
from sim.faults.checks import check_carrier
from sim.faults.echo import doubled, first_trip_after, lost
from sim.faults.finding import Finding
from sim.faults.scenario import scenario
from sim.faults.stage import House, Stage, Talk, until
from sim.load.meters import rss_kb
from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from sim.redis_sentinels import RedisSentinels

CALLS = 4
BACK_WITHIN_S = 2.0
GROWN_BY_MB = 16.0
SETTLED_S = 1.0
LOOK_S = 0.1

FAILED_OVER_WITHIN_S = 10.0
"""The deadline of a call without Redis lies above."""

LANES = 4

Server = TypeVar("Server")

Harm = Callable[[RedisServer], Awaitable[None]]


@scenario(
    6,
    "Redis is killed and back after 5 s (AOF)",
    "calls stay; sound both ways ≤ 2 s after it is back; memory bounded; no take-over",
    is_alone=True,
    in_gate=False,
)
async def redis_restarts(stage: Stage) -> None:
    async def harm(redis: RedisServer) -> None:
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(5.0)
        await asyncio.to_thread(redis.start)

    await _live_through(stage, harm)


@scenario(
    7,
    "Redis SIGSTOP for 3 s",
    "no take-over storm; calls stay; sound both ways ≤ 2 s after it goes on",
)
async def redis_stands_still(stage: Stage) -> None:
    async def harm(redis: RedisServer) -> None:
        redis.pause()
        await asyncio.sleep(3.0)
        redis.resume()

    await _live_through(stage, harm)


@asynccontextmanager
async def _beside(server: AbstractContextManager[Server]) -> AsyncIterator[Server]:
    """A server started and stopped beside the loop, on which agents of other houses must answer."""
    started = await asyncio.to_thread(server.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def _live_through(stage: Stage, harm: Harm) -> None:
    async with (
        _beside(RedisServer(appendonly=True)) as redis,
        stage.house(workers=2, redis=redis) as house,
    ):
        talks = [house.echo(25) for _ in range(CALLS)]
        for talk in talks:
            await talk.configured()
        await until(lambda: all(talk.phone.now_ms > 1500 for talk in talks))
        memory = _Memory(house)
        await _watched(harm(redis), memory)
        since, back_ms = time.monotonic(), {t.sid: t.phone.now_ms for t in talks}
        await until(
            lambda: all(_is_back(talk, back_ms[talk.sid]) for talk in talks), every_s=LOOK_S
        )
        await asyncio.sleep(SETTLED_S + max(0.0, since + 3.5 - time.monotonic()))
        memory.look()
        taken = [len(talk.entries(Taken)) for talk in talks]
        results = [await talk.stop() for talk in talks]
        await house.is_empty()
        finding = stage.finding
        for talk, result in zip(talks, results, strict=True):
            _check(finding, talk, back_ms[talk.sid])
            check_carrier(finding, result)
        finding.same("owners of each call", taken, [1] * CALLS)
        finding.figure("memory grew MB", memory.grown_mb, most=GROWN_BY_MB)


@scenario(
    6,
    "Sentinel: the master is killed",
    "calls stay; no frame doubled; what is lost is told",
    in_gate=False,
)
async def sentinels_fail_over(stage: Stage) -> None:
    async with _beside(RedisSentinels()) as redis:
        await _fail_over(stage, redis.url, lambda _: redis.master.kill())


@scenario(
    6,
    "Cluster: a master is killed",
    "calls stay; no frame doubled; what is lost is told",
    in_gate=False,
)
async def cluster_fails_over(stage: Stage) -> None:
    async with _beside(RedisCluster()) as redis:
        await _fail_over(stage, redis.url, lambda lane: redis.master_of(f"{{{lane}}}").kill())


async def _fail_over(stage: Stage, url: str, kill: Callable[[int], None]) -> None:
    """`kill` ends the master of a lane; on it lies a call."""
    nowhere = RedisServer()  # never started: REDIS_URL leads elsewhere
    async with stage.house(workers=2, redis=nowhere, REDIS_URL=url, LANES=str(LANES)) as house:
        talks = [house.echo(40) for _ in range(CALLS)]
        await until(lambda: all(_is_back(talk, 0.0) for talk in talks), every_s=LOOK_S)
        await asyncio.sleep(SETTLED_S)
        await asyncio.to_thread(kill, keys.lane_of(talks[0].sid, LANES))
        killed_ms = {talk.sid: talk.phone.now_ms for talk in talks}
        await asyncio.sleep(SETTLED_S)  # lanes on other masters go on all the while
        since = {talk.sid: talk.phone.now_ms for talk in talks}
        await _all_back(talks, since)
        await asyncio.sleep(2 * SETTLED_S)
        results = [await talk.stop() for talk in talks]
        await until(lambda: house.agent.live == 0)
        for talk, result in zip(talks, results, strict=True):
            _check(stage.finding, talk, killed_ms[talk.sid], FAILED_OVER_WITHIN_S)
            check_carrier(stage.finding, result)
        stage.finding.expect("call taken over" not in house.logs, "no call changes its owner")


async def _all_back(talks: list[Talk], since_ms: dict[str, float]) -> None:
    await until(lambda: all(_is_back(t, since_ms[t.sid]) for t in talks), every_s=LOOK_S)


def _is_back(talk: Talk, since_ms: float) -> bool:
    streams = talk.phone.result.streams
    return bool(streams) and first_trip_after(streams[0], since_ms) is not None


def _check(finding: Finding, talk: Talk, back_ms: float, within_s: float = BACK_WITHIN_S) -> None:
    """The call stayed, and its frames go all the way again since some time after `back_ms`."""
    result = talk.phone.result
    finding.same("the phone's sockets", len(result.streams), 1)
    finding.same("the end", result.ended, "caller hung up")
    finding.same("agent sessions", len(talk.sessions), 1)
    stream = result.streams[0]
    again = first_trip_after(stream, back_ms) or float("inf")
    finding.figure("round trip again after s", (again - back_ms) / 1000, most=within_s)
    finding.figure("frames lost a call", lost(stream, again))
    finding.figure("frames doubled a call", doubled(stream), most=0)


async def _watched(harm: Awaitable[None], memory: "_Memory") -> None:
    """Do the harm, and look at the memory all the while."""
    doing = asyncio.ensure_future(harm)
    while not doing.done():
        memory.look()
        await asyncio.wait({doing}, timeout=0.2)
    await doing


class _Memory:
    """What edge and workers grow by, all together, at the most."""

    def __init__(self, house: House) -> None:
        self._pids = [p.pid for p in (*house.stack.edges, *house.stack.workers)]
        self._base = self._most = self._kb()

    def _kb(self) -> int:
        return sum(map(rss_kb, self._pids))

    def look(self) -> None:
        self._most = max(self._most, self._kb())

    @property
    def grown_mb(self) -> float:
        return (self._most - self._base) / 1024
