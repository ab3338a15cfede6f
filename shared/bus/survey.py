"""What a doctor asks of Redis: whether it is there, is set up well, and who lives on it."""

import asyncio
from dataclasses import dataclass
from statistics import median

from redis.exceptions import AuthenticationError, ResponseError

from shared import keys
from shared.bus.beats import SILENT_MS
from shared.bus.bus import Bus, open_bus
from shared.bus.checks import complaints, version
from shared.bus.errors import BusDown
from shared.bus.registry import Registry
from shared.bus.route import UNREACHABLE, open_route

# Of so many round trips the median counts.
PINGS = 11

# From the first answer until all connections stand.
UP_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What Redis tells."""

    version: str  # "" where it does not tell
    round_trip_ms: float
    live: int
    """Calls under way."""
    workers: frozenset[str]
    edges: frozenset[str]
    """Those that have shown signs of life lately, by their names."""
    complaints: tuple[str, ...]
    """A sentence each."""


async def survey(url: str, process: str, lanes: int) -> Survey:
    """Ask.

    Raises:
        BusError: If Redis cannot be asked; the text says why, without anything that the URL holds.
    """
    await _try(url)
    async with open_bus(url, process, lanes) as bus:
        await _until_up(bus)
        registry = Registry(bus)
        return Survey(
            version=await version(bus.link.all[0]),
            round_trip_ms=median([await _ping_ms(bus) for _ in range(PINGS)]),
            live=await registry.live(),
            workers=frozenset(await registry.alive()),
            edges=frozenset(await _edges(bus)),
            complaints=tuple(await complaints(bus)),
        )


async def _try(url: str) -> None:
    """One connection by itself: it tells why there is none, which a bus, trying on, does not."""
    try:
        async with open_route(url).to(keys.CALLS)() as wire:
            await wire.ask("PING")
    except (AuthenticationError, ResponseError) as exc:
        raise BusDown(f"it refuses user, password or rights ({type(exc).__name__})") from None
    except UNREACHABLE as exc:
        raise BusDown(f"nobody answers there ({type(exc.__context__ or exc).__name__})") from None


async def _until_up(bus: Bus) -> None:
    try:
        async with asyncio.timeout(UP_WITHIN_S):
            while not bus.is_up:  # noqa: ASYNC110 (it is nobody's task to tell)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise BusDown("it answers, but does not take what a process of ours begins with") from None


async def _ping_ms(bus: Bus) -> float:
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    await bus.link.ask("PING")
    return (loop.time() - asked_at) * 1000


async def _edges(bus: Bus) -> list[str]:
    beats = await bus.link.ask("HGETALL", keys.EDGES)
    seconds, micros = await bus.link.ask("TIME")
    oldest = int(seconds) * 1000 + int(micros) // 1000 - SILENT_MS
    pairs = zip(beats[::2], beats[1::2], strict=True)
    return [name.decode() for name, beat in pairs if int(beat.split()[1]) >= oldest]
