"""What an owner leaves on the bus of a sensitive passage: nothing, wherever the phone goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis import Redis

from shared.bus import Bus, Registry, open_bus
from shared.bus.outlet import Outlet
from shared.calls import Claim, Ringing
from shared.messages import DOWN, Audio, Down, Hush, Mark, Owned, Up
from shared.settings import Settings
from tests.shared.bus.help import until
from worker.agents import load
from worker.changes import Pause
from worker.means import Means
from worker.phoneline import PhoneLine
from worker.session import Session
from worker.toolbox import Toolbox

AGENT = Path(__file__).parents[2] / "agents" / "default.yaml"
RINGING = Ringing("CA1", "+15550001111", "+15550002222")
FRAME = Audio(b"\x66" * 160)
NOBODY = Settings(deepgram_agent_url="ws://127.0.0.1:1")


def means(bus: Bus) -> Means:
    return Means(bus, Registry(bus), NOBODY, Toolbox())


def ups(redis: str, outlet: Outlet[Up]) -> list[int]:
    """The numbers of a caller's entries that are left."""
    with Redis.from_url(redis) as client:
        return [int(entry_id.partition(b"-")[0]) for entry_id, _ in client.xrange(outlet.key)]


def downs(redis: str, outlet: Outlet[Down]) -> list[Down | None]:
    with Redis.from_url(redis) as client:
        return [DOWN.unpack(fields[b""]) for _, fields in client.xrange(outlet.key)]


@asynccontextmanager
async def owned(redis: str) -> AsyncIterator[tuple[Bus, Session]]:
    """A call's owner at work, until the caller hangs up."""
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(bus)
        await registry.dispatch(RINGING, max_sessions=9, recording_ttl_s=60)
        await registry.renew([], places=1, draining=False)
        claim = await registry.claim()
        assert claim
        agent, _ = load(AGENT)
        session = Session(means(bus), claim, agent)
        running = asyncio.create_task(session.run())
        yield bus, session
        session.hang_up("caller hung up")
        await running


async def test_sound_of_a_passage_that_a_former_owner_has_left_goes_as_ones_own(redis: str) -> None:
    left: list[Down] = [FRAME, Hush(160), FRAME, Mark("a"), Hush(160), FRAME, Hush(0), FRAME]
    async with open_bus(redis, "worker-2") as bus:
        await Registry(bus).dispatch(RINGING, max_sessions=9, recording_ttl_s=60)
        Registry(bus).door.attach("CA1", "MZ1")
        down = bus.down("CA1", "MZ1")
        for number, message in enumerate(left, 1):
            down.send(f"1-{number}", message)
        line = PhoneLine(means(bus), Claim("1-0", RINGING, 2, is_takeover=True), print)
        line.use("MZ1")
        await bus.flush()

        await line.inherit()
        line.tidy(0, asyncio.get_running_loop().time() + 5)
        await bus.flush()

    silent = [FRAME, Hush(160), Mark("a"), Hush(160), Hush(0), FRAME]
    assert downs(redis, down) == [*silent, Owned("worker-2", 2)]


async def test_a_phone_that_moves_in_a_passage_leaves_nothing_of_it_behind(redis: str) -> None:
    async with owned(redis) as (bus, session):
        up = bus.up("CA1", "MZ1")
        session.attach("MZ1")
        for number in (1, 2):
            up.send(f"{number}-0", FRAME)
        await until(lambda: session._conversation is not None and session._talk.up == 2)
        session.change(Pause())
        for number in (3, 4):
            up.send(f"{number}-0", FRAME)
        await until(lambda: session._talk.up == 4)

        session.attach("MZ2")
        await bus.flush()
        after = ups(redis, up)

    assert after == [1, 2]


async def test_a_note_that_comes_late_does_not_bring_an_older_stream_back(redis: str) -> None:
    async with owned(redis) as (_, session):
        for stream in ("MZ1", "MZ2", "MZ1"):
            session.attach(stream)
        await until(lambda: session._conversation is not None)
        session.attach("MZ1")
        streams = session.streams

    assert streams == ["MZ1", "MZ2"]
