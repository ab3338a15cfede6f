"""Where recordings come from: Redis, or a bundle."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from replay import bundle, recording
from replay.errors import Away
from replay.recording import Recording
from shared.bus import Archive, Bus, BusDown, open_bus
from shared.settings import Settings

# For a person at a terminal a Redis that does not answer within this is not there.
ANSWER_S = 3.0


@asynccontextmanager
async def archive_at(settings: Settings) -> AsyncIterator[Archive]:
    """The recordings in the Redis of these settings. Raises as `bus_at` does."""
    async with bus_at(settings) as bus:
        yield Archive(bus)


@asynccontextmanager
async def bus_at(settings: Settings) -> AsyncIterator[Bus]:
    """The bus of these settings, for as long as the block runs.

    Raises:
        Away: If Redis does not answer, now or later.
        BadSetting: If no Redis is set.
    """
    settings.checked_for_edge()
    process = f"replay-{secrets.token_hex(4)}"
    try:
        async with open_bus(settings.redis_url, process, settings.lanes) as bus:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await bus.link.ask("PING")
            except TimeoutError:
                raise Away("Redis does not answer; it is looked for at REDIS_URL") from None
            yield bus
    except BaseExceptionGroup as group:
        # The bus's own tasks do not fail: it is the one error of the block.
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, BusDown):
            raise Away("Redis went away in the middle: try again when it is back") from None
        raise error from None


async def recording_of(name: str, settings: Settings) -> Recording:
    """The recording of this CallSid, or in this bundle, for which no Redis is needed.

    Raises:
        Unable, BusError, BadSetting, OSError
    """
    if bundle.is_bundle(name):
        return bundle.load_bundle(Path(name))
    async with archive_at(settings) as archive:
        return await recording.load(archive, name)
