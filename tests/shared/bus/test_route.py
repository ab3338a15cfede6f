"""Who is master now: asked of Sentinels and cluster nodes, some of them away or wrong."""

import asyncio
from collections.abc import Callable

import pytest
from redis import Redis
from redis.exceptions import RedisError

from shared.bus.route import open_route
from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from sim.redis_sentinels import RedisSentinels
from tests.shared.bus.help import mute_server, until


async def port_of(url: str, tag: str = "calls") -> int:
    """The port of the server that a connection leads to."""
    async with open_route(url).to(tag)() as wire:
        _, port = await wire.ask("CONFIG", "GET", "port")
    return int(port)


async def test_a_single_server_is_always_the_master(redis: str) -> None:
    assert f":{await port_of(redis)}/" in redis
    assert not open_route(redis).is_split


@pytest.mark.parametrize("tag", ["calls", "0", "1", "2", "3"])
async def test_a_cluster_leads_to_whoever_holds_the_slot(cluster: RedisCluster, tag: str) -> None:
    assert await port_of(cluster.url, tag) == cluster.master_of(f"{{{tag}}}").port
    assert open_route(cluster.url).is_split


async def test_one_node_is_enough_to_find_all(cluster: RedisCluster) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster.nodes[-1].port}"

    assert await port_of(url, "0") == cluster.master_of("{0}").port
    assert await port_of(url, "1") == cluster.master_of("{1}").port


async def test_who_is_away_or_silent_is_passed_over(cluster: RedisCluster) -> None:
    async with mute_server() as (mute, _):
        silent = mute.removeprefix("redis://").removesuffix("/0")
        url = f"redis+cluster://127.0.0.1:1,{silent},127.0.0.1:{cluster.nodes[0].port}"

        assert await port_of(url) == cluster.master_of("{calls}").port


@pytest.mark.parametrize("url", ["redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/m"])
async def test_with_nobody_to_ask_there_is_no_connection(url: str) -> None:
    with pytest.raises(RedisError, match="nobody tells"):
        await port_of(url)


async def test_sentinels_name_the_master_and_need_no_password_of_its_own() -> None:
    with RedisSentinels(password="s3cret") as guarded:
        assert await port_of(guarded.url) == guarded.master.port

        with pytest.raises(RedisError, match="nobody tells"):
            await port_of(guarded.url.replace("mymaster", "another"))


async def test_sentinels_that_ask_for_the_password_are_told_it() -> None:
    with RedisSentinels(password="s3cret") as guarded:
        port = guarded.master.port
        for sentinel in guarded.sentinels:
            with Redis(port=sentinel.port) as client:
                client.execute_command("ACL SETUSER", "default", "resetpass", ">s3cret")

        assert await port_of(guarded.url) == port


async def leaves(url: str, hanging: RedisServer, master: Callable[[], RedisServer]) -> None:
    """A connection breaks by itself when its server hangs and there is another master."""
    route = open_route(url)
    watching = asyncio.create_task(route.watch())
    async with route.to("calls")() as wire:
        hanging.pause()
        asked = asyncio.create_task(wire.ask("PING"))
        await until(lambda: master() is not hanging, within_s=15)
        with pytest.raises((RedisError, OSError)):
            await asyncio.wait_for(asked, 5)
    assert await port_of(url) != hanging.port
    watching.cancel()


async def test_a_hanging_master_is_left_once_sentinels_name_another() -> None:
    with RedisSentinels() as guarded:
        await leaves(guarded.url, guarded.master, lambda: guarded.master)


async def test_a_hanging_node_is_left_once_another_has_its_slots(
    mortal_cluster: RedisCluster,
) -> None:
    hanging = mortal_cluster.master_of("{calls}")

    await leaves(mortal_cluster.url, hanging, lambda: mortal_cluster.master_of("{calls}"))


async def test_a_slow_answer_of_the_one_master_is_waited_for(redis: str) -> None:
    route = open_route(redis)
    watching = asyncio.create_task(route.watch())
    async with route.to("calls")() as wire:
        assert await wire.ask("BLPOP", "nothing", 1.5) is None
    watching.cancel()
