"""Redis' master is killed in mid-sentence: the call goes on, on Sentinel and on Cluster."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from shared import keys
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT, say, turn
from sim.phone.caller import HangUp
from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from sim.redis_sentinels import RedisSentinels
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, lines, until

ASK = "What is it?"
RED = "It is a red one."
MORE = "How much?"
PRICE = "Not much."
LANES = 4


async def fail_over(port: int, folder: Path, url: str, kill: Callable[[int], None]) -> None:
    """A call whose master is killed while the agent speaks, and the caller right after."""
    nowhere = RedisServer()  # never started: REDIS_URL leads elsewhere
    with kit.stack(folder, port, redis=nowhere, REDIS_URL=url, LANES=str(LANES)) as stack:
        async with agent(port, turn(ASK, RED), turn(MORE, PRICE)) as server:
            phone = call(stack, HEARD_OUT, say(ASK), HEARD_OUT)
            calling = asyncio.create_task(phone.run())
            await until(lambda: server.sessions and server.sessions[0].user_turns == [ASK])
            (session,) = server.sessions
            before_ms = phone.heard_ms
            await until(lambda: phone.heard_ms > before_ms + 200)
            killed_at = time.monotonic()
            await asyncio.to_thread(kill, keys.lane_of(phone.result.call_sid, LANES))
            phone.caller.then(say(MORE), HEARD_OUT, HangUp())
            await until(lambda: session.user_turns == [ASK, MORE], within_s=20)
            print(f"understood {time.monotonic() - killed_at:.1f} s after the master's death")
            result = await calling
            assert await closed(session) == 1000
        assert lines(stack, "call over", result.call_sid)
        assert lines(stack, "call taken over") == []

    assert heard_whole(result, GREETING, RED, PRICE)
    assert result.rejections == []
    assert result.ended == "caller hung up"
    assert (len(server.sessions), len(result.streams)) == (1, 1)


async def test_a_call_outlives_a_failover_of_sentinels(port: int, tmp_path: Path) -> None:
    with RedisSentinels() as redis:
        await fail_over(port, tmp_path, redis.url, lambda _: redis.master.kill())


async def test_a_call_outlives_a_failover_of_a_cluster(port: int, tmp_path: Path) -> None:
    with RedisCluster() as redis:

        def kill(lane: int) -> None:
            redis.master_of(f"{{{lane}}}").kill()

        await fail_over(port, tmp_path, redis.url, kill)


async def test_a_call_outlives_the_loss_of_everything(port: int, tmp_path: Path) -> None:
    """FLUSHALL: what lives is dispatched, described and owned again by those who know it."""
    with RedisServer() as redis, kit.stack(tmp_path, port, redis=redis) as stack:
        async with agent(port, turn(ASK, RED), turn(MORE, PRICE)) as server:
            phone = call(stack, HEARD_OUT, say(ASK), HEARD_OUT)
            calling = asyncio.create_task(phone.run())
            await until(lambda: server.sessions and server.sessions[0].user_turns == [ASK])
            with kit.redis_of(stack) as client:
                client.flushall()
            await until(lambda: lines(stack, "call reinstated"))
            phone.caller.then(say(MORE), HEARD_OUT, HangUp())
            result = await calling
            assert await closed(server.sessions[0]) == 1000
        await until(lambda: kit.live_calls(stack) == 0)

    assert server.sessions[0].user_turns == [ASK, MORE]
    assert heard_whole(result, GREETING, RED, PRICE)
    assert (len(server.sessions), len(result.streams)) == (1, 1)
