"""Recordings read back out of a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis import Redis

from replay.errors import NoSuchRecording
from replay.recording import load
from shared import keys, record
from shared.bus import Archive, Bus, Registry, open_bus
from shared.bus import archive as archive_module
from shared.calls import Ringing
from shared.messages import Audio, Clear, Ended, Mark
from shared.record import Entry
from sim.redis import RedisServer

CALL = "CA" + "1" * 32
FRAMES = 2500
"""More than two pages."""


@pytest_asyncio.fixture
async def bus(redis: str) -> AsyncIterator[Bus]:
    async with open_bus(redis, "test-1", lanes=3) as bus:
        yield bus


async def record_call(bus: Bus, call_sid: str = CALL, *, frames: int = 3) -> None:
    """A call of one stream, all of which is in Redis."""
    registry = Registry(bus)
    ringing = Ringing(call_sid, caller="+15551234567", called="+15559876543", agent="cars")
    await registry.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
    registry.door.attach(call_sid, "MZ1")
    up, down, journal = bus.up(call_sid, "MZ1"), bus.down(call_sid, "MZ1"), bus.journal(call_sid)
    for n in range(1, frames + 1):
        up.send(f"{n}-0", Audio(b"\xff" * 160, n * 20))
    up.send(f"{frames}-1", Ended("caller hung up"))
    down.send("7-1", Audio(b"a" * 160))
    down.send("7-2", Mark("1-1"))
    down.send("7-3", Clear())
    journal.write(record.Said(1, "Hello.", 1))
    journal.write(record.Heard("a car", 2), record.Over("caller hung up", 3))
    registry.abandon(call_sid, "caller hung up")
    await bus.flush()


async def test_a_call_is_read_back_whole(bus: Bus) -> None:
    await record_call(bus, frames=FRAMES)

    recording = await load(Archive(bus), CALL)

    assert recording.call.agent == "cars"
    assert [entry for _, entry in recording.log] == [
        record.Attached("MZ1", bus.process),
        record.Said(1, "Hello.", 1),
        record.Heard("a car", 2),
        record.Over("caller hung up", 3),
    ]
    (stream,) = recording.streams
    assert [n for n, _ in stream.up] == [*range(1, FRAMES + 1), FRAMES]
    assert stream.up[-1] == (FRAMES, Ended("caller hung up"))
    assert stream.down == (Audio(b"a" * 160), Mark("1-1"), Clear())


async def test_log_entries_have_the_servers_time(bus: Bus) -> None:
    await record_call(bus)
    seconds, micros = await bus.link.ask("TIME")

    (first, _), *_ = await Archive(bus).log(CALL)

    assert 0 <= int(seconds) * 1000 + int(micros) // 1000 - first < 5000


async def test_the_index_has_the_newest_first(bus: Bus) -> None:
    for call_sid in ("CA1", "CA2", "CA3"):
        await record_call(bus, call_sid)
        await asyncio.sleep(0.002)

    index = await Archive(bus).index()

    assert [call_sid for call_sid, _ in index] == ["CA3", "CA2", "CA1"]
    assert index[0][1] > index[1][1] > index[2][1]


async def test_what_cannot_be_read_is_left_out(bus: Bus, redis: str) -> None:
    await record_call(bus)
    key = keys.log(bus.lane_of(CALL), CALL)
    with Redis.from_url(redis) as client:
        client.xadd(key, {"": b"\xc1"})
        client.xadd(key, {"": b"\x92\xcc\xfa\x01"})  # of a kind that a newer version knows

    assert len(await Archive(bus).log(CALL)) == 4


async def test_a_call_that_never_was(bus: Bus) -> None:
    with pytest.raises(NoSuchRecording, match="no recording of CA404"):
        await load(Archive(bus), "CA404")


async def test_a_call_of_which_only_the_log_is_left(bus: Bus, redis: str) -> None:
    await record_call(bus)
    lane = bus.lane_of(CALL)
    with Redis.from_url(redis) as client:
        client.delete(keys.call(lane, CALL), keys.up(lane, "MZ1"), keys.down(lane, "MZ1"))

    recording = await load(Archive(bus), CALL)

    assert len(recording.log) == 4
    assert recording.streams[0].up == ()


async def test_streams_come_in_the_order_of_their_attachment(bus: Bus) -> None:
    registry = Registry(bus)
    bus.link.post("HSET", keys.call(bus.lane_of(CALL), CALL), "stream:MZ2", 1)  # its log is lost
    for stream in ("MZ1", "MZ3"):
        registry.door.attach(CALL, stream)

    recording = await load(Archive(bus), CALL)

    assert [stream.stream_sid for stream in recording.streams] == ["MZ1", "MZ3", "MZ2"]


async def test_a_live_log_is_followed_to_the_calls_end(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "POLL_S", 0.005)
    journal, seen = bus.journal(CALL), []
    journal.write(record.Attached("MZ1", "edge-1"))
    # What comes next is written when the one before was seen.
    entries: list[Entry] = [record.Said(1, "Hello.", 1), record.Over("done"), record.Onset(9)]
    later = iter(entries)

    async with asyncio.timeout(5):
        async for _, entry in Archive(bus).follow_log(CALL):
            seen.append(entry)
            journal.write(next(later))

    assert seen == [
        record.Attached("MZ1", "edge-1"),
        *entries[:2],
    ]


async def test_following_a_log_ends_when_it_is_cancelled(bus: Bus) -> None:
    async def follow() -> None:
        async for _ in Archive(bus).follow_log(CALL):
            raise AssertionError("there is nothing to read")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await follow()


async def test_a_redis_of_ones_own_serves_as_well() -> None:
    with RedisServer() as server:
        async with open_bus(server.url, "test-1") as bus:
            await record_call(bus)

            assert (await load(Archive(bus), CALL)).streams[0].stream_sid == "MZ1"
