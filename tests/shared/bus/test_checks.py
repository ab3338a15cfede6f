"""What is said of a Redis that is set up so that calls are not safe on it."""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis

from shared.bus import open_bus
from shared.bus.checks import complaints, is_old, warn
from sim.redis import RedisServer
from sim.redis_cluster import NODE_TIMEOUT_MS, RedisCluster
from sim.redis_sentinels import RedisSentinels
from tests.shared.bus.help import opened, tell


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisSentinels]:
    with RedisSentinels() as running:
        yield running


def set_on(server: RedisServer, **settings: object) -> None:
    for name, value in settings.items():
        tell(server.url, "CONFIG", "SET", name.replace("_", "-"), str(value))


async def of(url: str, lanes: int = 1) -> list[str]:
    async with opened(url, lanes=lanes) as bus:
        return await complaints(bus)


async def test_our_own_redis_gives_no_cause(redis: str) -> None:
    assert await of(redis) == []


async def test_a_redis_that_drops_what_lives_is_complained_of(server: RedisServer) -> None:
    set_on(server, maxmemory_policy="allkeys-lru")

    (complaint,) = await of(server.url)
    assert "maxmemory-policy is allkeys-lru" in complaint
    assert "noeviction" in complaint


async def test_a_redis_that_does_not_tell_gives_no_cause(server: RedisServer) -> None:
    set_on(server, maxmemory_policy="allkeys-lru")
    tell(server.url, "ACL", "SETUSER", "default", "-config")

    assert await of(server.url) == []


@pytest.mark.parametrize(
    ("told", "is_too_old"),
    [("6.2.14", True), ("5.0", True), ("7.0.0", False), ("8.2.3", False), ("10.0", False)],
)
def test_a_version_that_is_too_old(told: str, is_too_old: bool) -> None:
    assert is_old(told) is is_too_old
    assert not is_old("")
    assert not is_old("unstable")


async def test_sentinels_are_asked_for_what_a_failover_may_cost(guarded: RedisSentinels) -> None:
    set_on(guarded.master, min_replicas_to_write=0, min_replicas_max_lag=10)
    for sentinel in guarded.sentinels:
        tell_sentinel(sentinel, 30_000)

    told = await of(guarded.url)
    assert [complaint.split()[1] for complaint in told] == [
        "min-replicas-to-write",
        "min-replicas-max-lag",
        "down-after-milliseconds",
    ]

    set_on(guarded.master, min_replicas_to_write=1, min_replicas_max_lag=2)
    for sentinel in guarded.sentinels:
        tell_sentinel(sentinel, 2000)
    assert await of(guarded.url) == []


def tell_sentinel(sentinel: RedisServer, down_after_ms: int) -> None:
    with Redis(port=sentinel.port) as client:
        client.sentinel_set("mymaster", "down-after-milliseconds", down_after_ms)


async def test_a_cluster_is_asked_node_by_node(cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        set_on(node, min_replicas_to_write=1, min_replicas_max_lag=2)
    good = await of(cluster.url, lanes=4)
    set_on(cluster.master_of("{3}"), min_replicas_to_write=0)
    for node in cluster.nodes:
        set_on(node, cluster_node_timeout=15_000)
    bad = await of(cluster.url, lanes=4)
    for node in cluster.nodes:
        set_on(node, min_replicas_to_write=0, cluster_node_timeout=NODE_TIMEOUT_MS)

    assert good == []
    assert [complaint.split()[1] for complaint in bad] == [
        "min-replicas-to-write",
        "cluster-node-timeout",
    ]


async def test_warnings_wait_for_redis(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    set_on(server, maxmemory_policy="volatile-ttl")
    server.pause()
    async with open_bus(server.url, "worker-1") as bus:
        warning = asyncio.create_task(warn(bus))
        await asyncio.sleep(0.1)
        assert caplog.messages == []
        server.resume()
        await asyncio.wait_for(warning, 10)

    assert [message for message in caplog.messages if "volatile-ttl" in message]
