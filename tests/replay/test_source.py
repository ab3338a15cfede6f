"""Where recordings are read from."""

import asyncio

import pytest

from replay.errors import Away, NoSuchRecording
from replay.source import archive_at, recording_of
from shared.bus import link
from shared.settings import BadSetting, Settings
from sim.redis import RedisServer
from tests.replay.calls import record_call


async def test_a_redis_that_goes_away_in_the_middle_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "DEADLINE_S", 0.3)
    with RedisServer() as server:

        async def look() -> None:
            async with archive_at(Settings(redis_url=server.url)) as archive:
                server.kill()
                await archive.index()

        with pytest.raises(Away, match="went away in the middle"):
            await look()


async def test_other_errors_come_out_as_they_are(redis: str) -> None:
    with pytest.raises(NoSuchRecording):
        await recording_of("CA404", Settings(redis_url=redis))
    with pytest.raises(BadSetting, match="REDIS_URL"):
        await recording_of("CA404", Settings())


async def test_who_is_stopped_leaves_at_once(redis: str) -> None:
    await record_call(redis, "CA1")
    opened = asyncio.Event()

    async def wait() -> None:
        async with archive_at(Settings(redis_url=redis)):
            opened.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await opened.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
