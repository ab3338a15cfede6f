"""A Redis that fills up loses recordings, not calls: the oldest finished ones go first.

Redis refuses writes when its memory is full (noeviction), which would end every live
call. So workers look at it now and then; any number of them may do so at once.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from shared import keys
from shared.bus.bus import Bus
from shared.bus.callhash import call_in
from shared.bus.errors import BusError
from shared.bus.link import Link
from shared.calls import State

log = logging.getLogger("bus")

LOOK_EVERY_S = 10.0

# How full Redis may be before recordings go. What is left lasts for minutes of many calls.
FULL_AT = 0.75

# Calls looked at in one piece of the index.
PAGE = 100


async def run(bus: Bus) -> None:
    """Keep Redis from filling up, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if bus.is_up:
            try:
                await prune(bus)
            except BusError as exc:
                log.warning("cannot prune", extra={"error": type(exc).__name__})


async def prune(bus: Bus) -> int:
    """Remove recordings until there is room again. Returns how many.

    Raises:
        BusDown, Refused
    """
    removed = 0
    for link in bus.link.all:
        if await _is_full(link):
            removed += await _prune(bus, link)
    if removed:
        log.warning("recordings removed, since redis is full", extra={"recordings": removed})
    return removed


async def _prune(bus: Bus, link: Link) -> int:
    """Remove recordings from the server of this link, the oldest first."""
    removed = 0
    async for call_sid in _index(bus):
        name = bus.call_key(call_sid)
        if bus.link.of(name) is link and await _remove(bus, call_sid):
            removed += 1
            if not await _is_full(link):
                break
    return removed


async def _index(bus: Bus) -> AsyncIterator[str]:
    """All calls, by their start."""
    start = 0
    while page := await bus.link.ask("ZRANGE", keys.INDEX, start, start + PAGE - 1):
        for name in page:
            yield name.decode()
        gone = [await bus.link.ask("ZSCORE", keys.INDEX, name) is None for name in page]
        start += len(page) - sum(gone)


async def _remove(bus: Bus, call_sid: str) -> bool:
    """Remove all of a call, if it is over. Returns whether there was anything."""
    lane = bus.lane_of(call_sid)
    flat = await bus.link.ask("HGETALL", keys.call(lane, call_sid))
    try:
        call = call_in(flat)
    except ValueError:
        return False  # of another version: what belongs to it is not known
    is_live = await bus.link.ask("HEXISTS", keys.EPOCHS, call_sid)
    if is_live or (call and call.state is not State.ENDED):
        return False
    names = [keys.call(lane, call_sid), keys.log(lane, call_sid)]
    for stream_sid in call.streams if call else ():
        names += [keys.up(lane, stream_sid), keys.down(lane, stream_sid)]
    # At once, and not as Redis finds the time: how much room there is now is asked next.
    count = await bus.link.ask("DEL", *names)
    await bus.link.ask("ZREM", keys.INDEX, call_sid)
    return bool(count)


async def _is_full(link: Link) -> bool:
    told = dict(
        line.split(b":", 1)
        for line in (await link.ask("INFO", "memory")).splitlines()
        if b":" in line
    )
    limit = int(told.get(b"maxmemory", 0))
    return bool(limit) and int(told[b"used_memory"]) > FULL_AT * limit
