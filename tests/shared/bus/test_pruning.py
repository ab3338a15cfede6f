"""Recordings go before a Redis is full: the oldest first, and none of a live call."""

import asyncio
from collections.abc import Iterator

import pytest

from shared import keys
from shared.bus import Archive, Bus, Refused, Registry
from shared.bus import pruning as pruning_module
from shared.bus.pruning import prune
from shared.calls import Ringing
from shared.messages import Audio
from shared.record import Over
from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from tests.shared.bus.help import opened, peeking, tell, until

FRAMES = 60
SIZE = 4000


@pytest.fixture
def small() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def record(bus: Bus, call_sid: str, *, ends: bool = True) -> None:
    """A call of a quarter of a megabyte."""
    registry, stream_sid = Registry(bus), f"MZ{call_sid}"
    await registry.dispatch(Ringing(call_sid, "", ""), max_sessions=99, recording_ttl_s=60)
    await registry.renew([], places=99, draining=False)
    claim = await registry.claim()
    assert claim
    registry.door.attach(call_sid, stream_sid)
    up = bus.up(call_sid, stream_sid)
    for number in range(1, FRAMES):
        up.send(f"{number}-0", Audio(bytes(SIZE), number))
    if ends:
        bus.journal(call_sid, claim.epoch).write(Over("bye"))
        registry.close(claim, "bye")
        registry.finish(claim, [stream_sid], keep_for_s=600)
    await bus.flush()
    await asyncio.sleep(0.002)  # the index is by milliseconds


def limit(server: RedisServer, calls: float) -> None:
    """Let Redis be full with so many more calls, from its point of view (75 %)."""
    with peeking(server.url) as peek:
        used = int(peek("INFO", "memory")["used_memory"])
        peek("CONFIG", "SET", "maxmemory", int((used + calls * FRAMES * SIZE) / 0.75))


async def listed(bus: Bus) -> list[str]:
    return [call_sid for call_sid, _ in await Archive(bus).index()]


async def test_the_oldest_recordings_go_until_there_is_room(
    small: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(small.url) as bus:
        for number in range(6):
            await record(bus, f"CA{number}")
        limit(small, -2.5)

        assert await prune(bus) == 3
        assert await listed(bus) == ["CA5", "CA4", "CA3"]
        assert await prune(bus) == 0
    left = [name for name in tell(small.url, "KEYS", "{0}:*") if not keys.is_of_process(name)]
    assert {name[-3:] for name in left} == {b"CA3", b"CA4", b"CA5"}
    assert "recordings removed, since redis is full" in caplog.messages
    assert [getattr(record, "recordings", 0) for record in caplog.records] == [3]


async def test_live_calls_stay_however_old_they_are(small: RedisServer) -> None:
    async with opened(small.url) as bus:
        await record(bus, "CA0", ends=False)
        await record(bus, "CA1")
        limit(small, -5)

        assert await prune(bus) == 1
        assert await listed(bus) == ["CA0"]
        assert tell(small.url, "XLEN", keys.up(0, "MZCA0")) == FRAMES - 1


async def test_with_room_or_without_a_limit_nothing_goes(small: RedisServer) -> None:
    async with opened(small.url) as bus:
        await record(bus, "CA0")
        tell(small.url, "CONFIG", "SET", "maxmemory", 0)
        assert await prune(bus) == 0
        limit(small, 0.5)
        assert await prune(bus) == 0
        assert await listed(bus) == ["CA0"]


async def test_names_without_a_recording_are_struck_off_and_not_counted(
    small: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning_module, "PAGE", 2)
    async with opened(small.url) as bus:
        for number in range(5):
            tell(small.url, "ZADD", keys.INDEX, number, f"gone{number}")
        await record(bus, "CA0", ends=False)
        await record(bus, "CA1")
        await record(bus, "CA2")
        limit(small, -5)

        assert await prune(bus) == 2
        assert await listed(bus) == ["CA0"]


async def test_a_call_of_a_newer_version_stays_and_the_others_go(small: RedisServer) -> None:
    async with opened(small.url) as bus:
        await record(bus, "CA0")
        await record(bus, "CA1")
        tell(small.url, "HSET", keys.call(0, "CA0"), "state", "parked")
        limit(small, -5)

        assert await prune(bus) == 1
        assert await listed(bus) == ["CA0"]


async def test_any_number_of_workers_may_prune_at_once(small: RedisServer) -> None:
    async with opened(small.url, "w1") as one, opened(small.url, "w2") as two:
        for number in range(6):
            await record(one, f"CA{number}")
        limit(small, -2.5)
        counts = await asyncio.gather(prune(one), prune(two))

        assert sum(counts) in (3, 4)  # both may have seen the last one needed
        assert (await listed(one))[:2] == ["CA5", "CA4"]


async def test_a_full_redis_that_refuses_writes_is_pruned_and_takes_them_again(
    small: RedisServer,
) -> None:
    async with opened(small.url) as bus:
        for number in range(4):
            await record(bus, f"CA{number}")
        with peeking(small.url) as peek:
            peek("CONFIG", "SET", "maxmemory", int(peek("INFO", "memory")["used_memory"]) - 1)
        with pytest.raises(Refused):
            await bus.link.ask("SET", "{0}:x", "y", "EX", 5)

        assert await prune(bus) >= 1
        assert await bus.link.ask("SET", "{0}:x", "y", "EX", 5) == b"OK"


async def test_on_a_cluster_recordings_go_where_there_is_no_room(cluster: RedisCluster) -> None:
    async with opened(cluster.url, lanes=4) as bus:
        for number in range(6):
            await record(bus, f"CA{number}")
        masters = {
            f"CA{number}": cluster.master_of(f"{{{bus.lane_of(f'CA{number}')}}}")
            for number in range(6)
        }
        full = masters["CA1"]
        limit(full, -9)
        try:
            removed = await prune(bus)
        finally:
            tell(full.url, "CONFIG", "SET", "maxmemory", 0)
        there = [call_sid for call_sid, master in masters.items() if master is full]

        assert removed == len(there)
        assert sorted(await listed(bus)) == sorted(set(masters) - set(there))


async def test_it_is_looked_at_now_and_then(
    small: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning_module, "LOOK_EVERY_S", 0.02)
    async with opened(small.url) as bus:
        await record(bus, "CA0")
        pruning = asyncio.create_task(pruning_module.run(bus))
        limit(small, -0.5)
        await until(lambda: not tell(small.url, "EXISTS", keys.INDEX))
        pruning.cancel()
