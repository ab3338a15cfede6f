"""Calls in a real Redis, for commands that read it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from replay.recording import load_original
from shared import record
from shared.bus import Archive, Bus, Registry, open_bus
from shared.bus.archive import Original
from shared.calls import Ringing
from shared.messages import Audio, Mark
from shared.record import Entry

FROM, TO = "+15551234567", "+15559876543"

SETTINGS = '{"type": "Settings", "agent": {"think": {"prompt": "You talk to +15551234567."}}}'


@asynccontextmanager
async def archive(redis: str, lanes: int = 1) -> AsyncIterator[Archive]:
    async with open_bus(redis, "test-archive", lanes) as bus:
        yield Archive(bus)


async def record_call(
    redis: str,
    call_sid: str,
    *,
    agent: str = "cars",
    caller: str = FROM,
    seconds: float = 2.0,
    cause: str = "caller hung up",
    is_live: bool = False,
    lanes: int = 1,
) -> None:
    """A call of one phone socket, that interrupts the agent once."""
    stream_sid = f"MZ{call_sid[2:]}"
    async with open_bus(redis, f"test-{call_sid}", lanes) as bus:
        registry, journal = Registry(bus), bus.journal(call_sid)
        ringing = Ringing(call_sid, caller=caller, called=TO, agent=agent)
        await registry.dispatch(ringing, "token", max_sessions=9, recording_ttl_s=60)
        registry.door.attach(call_sid, stream_sid)
        _streams(bus, call_sid, stream_sid, seconds)
        journal.write(record.Taken("worker-1", 1), record.Configured(SETTINGS, "id"))
        journal.write(record.Said(1, "Hello my dear.", 2), record.Onset(50, barge_in=True))
        journal.write(record.Cut(1, 300, 500, "Hello my", 50), record.Heard("a car", 60))
        if not is_live:
            journal.write(record.Over(cause, 99))
            registry.abandon(call_sid, cause)
            await bus.link.ask("HDEL", "{calls}:epoch", call_sid)
        await bus.flush()


def _streams(bus: Bus, call_sid: str, stream_sid: str, seconds: float) -> None:
    up, down = bus.up(call_sid, stream_sid), bus.down(call_sid, stream_sid)
    frames = round(seconds * 50)
    for n in range(1, frames):
        up.send(f"{n}-0", Audio(b"\x7f" * 160, n * 20))
    up.send(f"{frames}-0", Mark("1-1", 700))
    down.send("7-1", Audio(b"a" * 4000))
    down.send("7-2", Mark("1-1"))


async def original(redis: str, call_sid: str, lanes: int = 1) -> Original:
    async with archive(redis, lanes) as opened:
        return await load_original(opened, call_sid)


async def log(redis: str, call_sid: str) -> list[Entry]:
    async with archive(redis) as opened:
        return [entry for _, entry in await opened.log(call_sid)]
