"""Redis goes away and comes back, at the start and in mid-call."""

import asyncio
import time
from pathlib import Path

import httpx

from shared.sound import RATE
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT, say, turn
from sim.phone.caller import HangUp
from sim.redis import RedisServer
from sim.stack import Process
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, until

ASK = "What time is it?"
NOON = "It is noon."


async def ready(url: str) -> int:
    """The status of /readyz; 0 while nobody listens."""
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/healthz")).text == "ok"
            return (await client.get(f"{url}/readyz")).status_code
    except httpx.ConnectError:
        return 0


async def becomes_ready(url: str, status: int = 200) -> None:
    async with asyncio.timeout(10):
        while await ready(url) != status:  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(0.02)


def is_told_once(process: Process) -> bool:
    return process.log.count('"event": "redis is away"') == 1


async def test_redis_is_away_at_the_start(port: int, tmp_path: Path) -> None:
    with RedisServer() as redis:
        redis.kill()
        stack = kit.stack(tmp_path, port, redis=redis)
        try:
            edge, worker = stack.add_edge(), stack.add_worker()
            await becomes_ready(stack.url, 503)
            await until(lambda: is_told_once(edge) and is_told_once(worker))
            # A second of trying in vain is not worth another line.
            await asyncio.sleep(1.0)
            assert is_told_once(edge)
            assert is_told_once(worker)
            assert (edge.status, worker.status) == (None, None)

            await asyncio.to_thread(redis.start)
            await becomes_ready(stack.url)
            await asyncio.to_thread(stack.wait_ready)
            async with agent(port) as server:
                result = await call(stack, HEARD_OUT, HangUp()).run()
                await closed(server.sessions[0])
        finally:
            await asyncio.to_thread(stack.stop)

    assert heard_whole(result, GREETING)
    assert (edge.status, worker.status) == (0, 0)


async def test_redis_restarts_in_mid_call(port: int, tmp_path: Path) -> None:
    with (
        RedisServer(appendonly=True) as redis,
        kit.stack(tmp_path, port, redis=redis) as stack,
    ):
        async with agent(port, turn(ASK, NOON)) as server:
            phone = call(stack, HEARD_OUT)
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > 500)
            await asyncio.to_thread(redis.kill)
            await asyncio.sleep(0.7)
            await asyncio.to_thread(redis.start)

            (session,) = server.sessions
            heard, spoken, back_at = len(session.heard), phone.heard_ms, time.monotonic()
            await until(lambda: len(session.heard) > heard + RATE // 2)
            heard_after_s = time.monotonic() - back_at
            phone.caller.then(say(ASK), HEARD_OUT, HangUp())
            result = await calling
            assert await closed(session) == 1000

    assert heard_after_s < 4
    assert phone.heard_ms > spoken
    assert session.user_turns == [ASK]
    assert heard_whole(result, GREETING, NOON)
    assert result.rejections == []
    assert result.ended == "caller hung up"
    assert (len(server.sessions), len(result.streams)) == (1, 1)
