"""Whether Redis is set up so that calls are safe on it, as far as it tells."""

import asyncio
import logging
from contextlib import suppress

from shared.bus.bus import Bus
from shared.bus.errors import BusError
from shared.bus.link import Link
from shared.bus.route import UNREACHABLE

log = logging.getLogger("bus")

# A master that is silent for longer than this must have been replaced, and a replica that lags
# behind by more does not count: what an edge and a worker can bridge lies above it.
SILENT_AT_MOST_MS = 2000
LAG_AT_MOST_S = 2

LOOK_EVERY_S = 0.5

OLDEST = 7
"""The major version of Redis from which on it can do what we ask of it."""


async def warn(bus: Bus) -> None:
    """Log what is to be complained of, once Redis answers."""
    while not bus.is_up:  # noqa: ASYNC110 (it is nobody's task to tell)
        await asyncio.sleep(LOOK_EVERY_S)
    with suppress(BusError):  # it went away again: that is told elsewhere
        for complaint in await complaints(bus):
            log.warning(complaint)


async def complaints(bus: Bus) -> list[str]:
    """What is wrong with Redis' settings, a sentence each; none where it does not tell."""
    found: list[str] = []
    for link in bus.link.all:
        found += await _of_version(link)
        found += await _of_policy(link)
        if bus.route.fails_over:
            found += await _of_replicas(link)
    if bus.route.fails_over:
        found += await _of_silence(bus)
    return list(dict.fromkeys(found))


async def version(link: Link) -> str:
    """The server's version; "" where it does not tell."""
    try:
        told = (await link.ask("INFO", "server")).decode()
    except BusError:
        return ""
    lines = (line.partition(":") for line in told.splitlines())
    return next((value for name, _, value in lines if name == "redis_version"), "")


async def _of_version(link: Link) -> list[str]:
    told = await version(link)
    return [f"redis: version {told} is too old: use {OLDEST} or newer"] if is_old(told) else []


def is_old(told: str) -> bool:
    """Whether a server of this version is too old; one that does not tell has the benefit."""
    major = told.partition(".")[0]
    return major.isdecimal() and int(major) < OLDEST


async def _of_policy(link: Link) -> list[str]:
    found = []
    policy = await _setting(link, "maxmemory-policy")
    if policy not in ("", "noeviction"):
        found.append(f"redis: maxmemory-policy is {policy}, which drops live calls: set noeviction")
    if await _setting(link, "maxmemory") == "0":
        found.append(
            "redis: maxmemory is 0, so recordings may fill the machine: set it, and the oldest"
            " go at three quarters of it"
        )
    return found


async def _of_replicas(link: Link) -> list[str]:
    """Without these a master that was cut off takes writes that nobody will ever see."""
    found = []
    if await _setting(link, "min-replicas-to-write") == "0":
        found.append("redis: min-replicas-to-write is 0: set 1, with two replicas a master")
    lag_s = await _setting(link, "min-replicas-max-lag")
    if lag_s and int(lag_s) > LAG_AT_MOST_S:
        found.append(f"redis: min-replicas-max-lag is {lag_s}: set at most {LAG_AT_MOST_S}")
    return found


async def _of_silence(bus: Bus) -> list[str]:
    try:
        name, silent_ms = await bus.route.silence_ms()
    except (*UNREACHABLE, KeyError, ValueError):
        return []
    if silent_ms <= SILENT_AT_MOST_MS:
        return []
    return [f"redis: {name} is {silent_ms}: set at most {SILENT_AT_MOST_MS}"]


async def _setting(link: Link, name: str) -> str:
    """A setting of the server; "" where it does not tell, as managed ones do not."""
    try:
        answer = await link.ask("CONFIG", "GET", name)
    except BusError:
        return ""
    return answer[1].decode() if answer else ""
