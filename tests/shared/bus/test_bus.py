"""What a process writes and follows, and how long it stays."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from shared import keys
from shared.bus import Pauses, open_bus
from shared.bus import bus as bus_module
from shared.messages import (
    DOWN,
    NOTES,
    UP,
    Attach,
    Audio,
    Clear,
    Dispatched,
    Down,
    Ended,
    HungUp,
    Mark,
    Note,
    Up,
)
from shared.record import Attached, Heard, Lost, Onset, Over, Taken
from sim.redis import RedisServer
from tests.shared.bus.help import (
    Peek,
    Wire,
    keys_without_ttl,
    log_of,
    opened,
    peeking,
    sound,
    tell,
    until,
)

EPOCH = 1_700_000_000_000


# -- from here to there --------------------------------------------------------------


async def test_what_the_caller_does_goes_up(redis: str) -> None:
    got: list[tuple[int, Up]] = []
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        up = edge.up("CA1", "MZ1")
        up.send("3-0", Audio(b"\xff", 20))
        up.send("4-0", Mark("a", 20))
        up.send("4-1", Ended("caller hung up"))
        worker.follow_up("CA1", "MZ1", got.extend)
        await until(lambda: len(got) == 3)

    assert got == [(3, Audio(b"\xff", 20)), (4, Mark("a", 20)), (4, Ended("caller hung up"))]


async def test_a_successor_follows_from_where_the_first_had_come(redis: str) -> None:
    got: list[tuple[int, Up]] = []
    async with opened(redis) as bus:
        up = bus.up("CA1", "MZ1")
        for number, message in sound(1, 6):
            up.send(f"{number}-0", message)
        bus.follow_up("CA1", "MZ1", got.extend, after=3)
        await until(lambda: len(got) == 2)

    assert got == sound(4, 6)


async def test_what_the_agent_wants_done_goes_down(redis: str) -> None:
    got: list[Down] = []
    sent: list[Down] = [Audio(b"\x00"), Mark("a"), Clear()]
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        down = worker.down("CA1", "MZ1")
        for number, message in enumerate(sent, start=1):
            down.send(f"{EPOCH}-{number}", message)
        edge.follow_down("CA1", "MZ1", got.extend)
        await until(lambda: len(got) == 3)

    assert got == sent


async def test_a_former_owner_is_not_heard_once_its_successor_spoke(redis: str) -> None:
    got: list[Down] = []
    async with opened(redis, "old") as old, opened(redis, "new") as new:
        old_down, new_down = old.down("CA1", "MZ1"), new.down("CA1", "MZ1")
        old_down.send(f"{EPOCH}-1", Mark("old"))
        await old.flush()
        new_down.send(f"{EPOCH + 1}-1", Mark("new"))
        await new.flush()
        old_down.send(f"{EPOCH}-2", Mark("too late"))
        await old.flush()
        new.follow_down("CA1", "MZ1", got.extend)
        await until(lambda: got)

    assert got == [Mark("old"), Mark("new")]


async def test_a_stream_is_left(redis: str) -> None:
    ups: list[Any] = []
    downs: list[Any] = []
    async with opened(redis) as bus:
        bus.follow_up("CA1", "MZ1", ups.extend)
        bus.follow_down("CA1", "MZ1", downs.extend)
        bus.unfollow_up("CA1", "MZ1")
        bus.unfollow_down("CA1", "MZ1")
        bus.up("CA1", "MZ1").send("1-0", Mark("a"))
        bus.down("CA1", "MZ1").send("1-0", Mark("a"))
        await bus.flush()
        await asyncio.sleep(0.02)

    assert (ups, downs) == ([], [])


async def test_notes_reach_the_process_they_are_for(redis: str) -> None:
    got: list[Note] = []
    others: list[Note] = []
    notes: list[Note] = [Dispatched(), Attach("CA1", "MZ1"), HungUp("CA1", "bye")]
    async with opened(redis, "a") as a, opened(redis, "b") as b, opened(redis, "c") as c:
        b.on_note, c.on_note = got.append, others.append
        for note in notes:
            a.note("b", "CA1", note)
        await until(lambda: len(got) == 3)

    assert got == notes
    assert others == []


async def test_an_inbox_that_nobody_reads_does_not_grow_for_ever(
    redis: str, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "BOUNDS", ("MAXLEN", "~", 100))
    async with opened(redis) as bus:
        for _ in range(1000):
            bus.note("gone", "CA1", Dispatched())

    assert peek("XLEN", keys.inbox(0, "gone")) <= 200


async def test_calls_of_every_lane_are_served(redis: str, peek: Peek) -> None:
    calls = {f"CA{number}": f"MZ{number}" for number in range(8)}
    got: list[tuple[int, Up]] = []
    notes: list[Note] = []
    async with opened(redis, "w", lanes=3) as bus:
        assert {bus.lane_of(call_sid) for call_sid in calls} == {0, 1, 2}
        bus.on_note = notes.append
        for call_sid, stream_sid in calls.items():
            bus.follow_up(call_sid, stream_sid, got.extend)
            bus.up(call_sid, stream_sid).send("1-0", Mark(call_sid))
            bus.journal(call_sid).write(Over("bye"))
            bus.note("w", call_sid, HungUp(call_sid, "bye"))
        await until(lambda: len(got) == len(notes) == 8)
        await bus.flush()

        assert log_of(peek, "CA1", bus.lane_of("CA1")) == [Over("bye")]
    assert {mark.name for _, mark in got if isinstance(mark, Mark)} == set(calls)


# -- what cannot be read -------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"", b"\xc1", b"hello", b"\x92\x01\x05", b"\x91\xcc\xc8"])
async def test_an_unreadable_entry_does_not_stop_the_lane(
    bad: bytes, redis: str, peek: Peek
) -> None:
    ups: list[tuple[int, Up]] = []
    downs: list[Down] = []
    notes: list[Note] = []
    async with opened(redis) as bus:
        bus.on_note = notes.append
        bus.follow_up("CA1", "MZ1", ups.extend)
        bus.follow_down("CA1", "MZ1", downs.extend)
        for key, good in (
            (keys.up(0, "MZ1"), UP.pack(Mark("up"))),
            (keys.down(0, "MZ1"), DOWN.pack(Mark("down"))),
            (keys.inbox(0, "worker-1"), NOTES.pack(Dispatched())),
        ):
            peek("XADD", key, "*", "", bad)
            peek("XADD", key, "*", "", good)
        await until(lambda: ups and downs and notes)

    assert [message for _, message in ups] == [Mark("up")]
    assert (downs, notes) == ([Mark("down")], [Dispatched()])


async def test_a_sink_that_fails_ends_the_bus(redis: str) -> None:
    """It is a bug: whoever must not end others' calls has a bulkhead of his own."""

    def fail(_: object) -> None:
        raise LookupError

    async def serve() -> None:
        async with opened(redis) as bus:
            bus.follow_up("CA1", "MZ1", fail)
            bus.up("CA1", "MZ1").send("1-0", Mark("a"))
            await asyncio.sleep(5)

    with pytest.raises(ExceptionGroup) as failure:
        await serve()
    assert failure.group_contains(LookupError)


# -- the log -------------------------------------------------------------------------


async def test_entries_are_written_in_order(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        journal = bus.journal("CA1", EPOCH)
        journal.write(Taken("worker-1", EPOCH), Onset(1))
        journal.write()
        journal.write(Heard("hi", 2))

    assert log_of(peek) == [Taken("worker-1", EPOCH), Onset(1), Heard("hi", 2)]


async def test_every_journal_of_a_process_writes(redis: str, peek: Peek) -> None:
    """A phone that comes back to the same edge, and an edge's first and last word."""
    async with opened(redis, "edge-1") as bus:
        bus.journal("CA1").write(Attached("MZ1", "edge-1"))
        bus.journal("CA1").write(Lost("MZ1", "gone"))
        bus.journal("CA1").write(Attached("MZ2", "edge-1"))
        bus.journal("CA2").write(Attached("MZ3", "edge-1"))

    assert log_of(peek) == [
        Attached("MZ1", "edge-1"),
        Lost("MZ1", "gone"),
        Attached("MZ2", "edge-1"),
    ]
    assert log_of(peek, "CA2") == [Attached("MZ3", "edge-1")]


async def test_who_owns_a_call_twice_writes_twice(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        bus.journal("CA1", EPOCH).write(Onset(1))
        bus.journal("CA1", EPOCH + 2).write(Onset(2))

    assert log_of(peek) == [Onset(1), Onset(2)]


async def test_a_fenced_owner_is_told_and_writes_nothing(redis: str, peek: Peek) -> None:
    told: list[str] = []
    async with opened(redis, "old") as old, opened(redis, "new") as new:
        journal = old.journal("CA1", EPOCH, lambda: told.append("old"))
        journal.write(Onset(1))
        await old.flush()
        new.journal("CA1", EPOCH + 1, lambda: told.append("new")).write(Onset(2))
        await new.flush()
        journal.write(Onset(3))
        old.journal("CA1").write(Onset(4))  # an edge's word always counts
        await old.flush()

    assert told == ["old"]
    assert log_of(peek) == [Onset(1), Onset(2), Onset(4)]


async def test_a_lost_answer_doubles_no_entry(redis: str, peek: Peek) -> None:
    async with Wire(redis).laid() as wire, opened(wire.url) as bus:
        journal = bus.journal("CA1", EPOCH)
        journal.write(Onset(1))
        await bus.flush()
        wire.break_after(b"EVALSHA")
        journal.write(Onset(2), Onset(3))
        await until(lambda: wire.breaks)
        journal.write(Onset(4))
        await bus.flush()

        assert log_of(peek) == [Onset(1), Onset(2), Onset(3), Onset(4)]


async def test_a_refused_entry_is_warned_of(
    redis: str, peek: Peek, caplog: pytest.LogCaptureFixture
) -> None:
    peek("SET", keys.log(0, "CA1"), "no stream")
    async with opened(redis) as bus:
        bus.journal("CA1").write(Heard("4711", 1))

    assert [record.message for record in caplog.records] == ["log entry refused"]
    assert "4711" not in caplog.text


# -- batches -------------------------------------------------------------------------


async def test_frames_of_many_calls_leave_as_one_pipeline(redis: str, peek: Peek) -> None:
    def writes() -> int:
        return int(peek("INFO", "stats")["total_reads_processed"])

    async with opened(redis) as bus:
        outlets = [bus.up(f"CA{number}", f"MZ{number}") for number in range(40)]
        for outlet in outlets:
            outlet.send("1-0", Audio(bytes(160)))
        await bus.flush()
        counts = []
        for sequence in range(2, 7):
            before = writes()
            for outlet in outlets:
                outlet.send(f"{sequence}-0", Audio(bytes(160)))
            await bus.flush()
            counts.append(writes() - before)

    assert min(counts) <= 2 + 1  # 9 KB, and our own look; a lane's read may fall in between


async def test_the_first_entry_of_a_stream_does_not_wait_while_sound_gathers(
    redis: str, peek: Peek
) -> None:
    async with open_bus(redis, "edge-1", pauses=Pauses(writing=60.0)) as bus:
        for number in range(200):
            bus.follow_down(f"CA{number}", f"MZ{number}", lambda _: None)
        old, new = bus.up("CA1", "MZ1"), bus.up("CA2", "MZ2")
        old.send("1-0", Audio(bytes(160)))
        await bus.flush()
        old.send("2-0", Audio(bytes(160)))
        await asyncio.sleep(0.1)
        assert peek("XLEN", old.key) == 1
        new.send("1-0", Audio(bytes(160)))
        await until(lambda: peek("XLEN", new.key) == 1)

        assert peek("XLEN", old.key) == 2


# -- Redis goes and comes --------------------------------------------------------------


@pytest.mark.parametrize("end", [RedisServer.restart, RedisServer.kill])
async def test_calls_go_on_after_a_restart(
    end: Callable[[RedisServer], None], server: RedisServer
) -> None:
    got: list[tuple[int, Up]] = []
    notes: list[Note] = []
    async with opened(server.url, "edge-1") as edge, opened(server.url, "w") as worker:
        worker.on_note = notes.append
        worker.follow_up("CA1", "MZ1", got.extend)
        up = edge.up("CA1", "MZ1")
        journal = worker.journal("CA1", EPOCH)
        for number, message in sound(1, 4):
            up.send(f"{number}-0", message)
        journal.write(Onset(1))
        await until(lambda: len(got) == 3)
        end(server)
        for number, message in sound(4, 7):
            up.send(f"{number}-0", message)
        journal.write(Onset(2))
        await until(lambda: not (edge.is_up or worker.is_up))
        if end is RedisServer.kill:
            server.start()
        await until(lambda: edge.is_up and worker.is_up)
        up.send("7-0", Mark("after"))
        edge.note("w", "CA1", Dispatched())
        await until(lambda: len(got) == 7 and notes)
        await worker.flush()

    assert got == [*sound(1, 7), (7, Mark("after"))]
    with peeking(server.url) as client:
        assert log_of(client) == [Onset(1), Onset(2)]


async def test_since_when_redis_is_up_begins_anew_with_each_restart(server: RedisServer) -> None:
    """Nobody claims from others before a whole lease has passed since then."""
    async with opened(server.url) as bus:
        before = bus.up_since
        server.restart()
        await until(lambda: bus.is_up and bus.up_since != before)

        assert before
        assert bus.up_since
        assert bus.up_since > before


async def test_a_pause_loses_doubles_and_swaps_nothing(server: RedisServer) -> None:
    got: list[tuple[int, Up]] = []
    async with opened(server.url) as bus:
        bus.follow_up("CA1", "MZ1", got.extend)
        up = bus.up("CA1", "MZ1")
        for number, message in sound(1, 61):
            if number == 5:
                server.pause()
            up.send(f"{number}-0", message)
            await asyncio.sleep(0.02)
        server.resume()
        await until(lambda: len(got) == 60)

        assert bus.is_up
    assert got == sound(1, 61)


async def test_leaving_does_not_wait_for_a_redis_that_is_away(server: RedisServer) -> None:
    loop = asyncio.get_running_loop()
    async with opened(server.url) as bus:
        server.kill()
        bus.journal("CA1").write(Onset(1))
        start = loop.time()

    assert loop.time() - start < 3


async def test_what_was_written_last_arrives(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        bus.journal("CA1").write(Over("worker stopped"))

    assert log_of(peek) == [Over("worker stopped")]


async def test_a_bad_url_is_no_riddle() -> None:
    with pytest.raises(ValueError, match="scheme"):
        async with open_bus("localhost:6379", "edge-1"):
            pass


# -- time to live ----------------------------------------------------------------------


async def test_every_key_has_a_time_to_live(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        bus.up("CA1", "MZ1").send("1-0", Mark("a"))
        bus.down("CA1", "MZ1").send("1-0", Mark("a"))
        bus.journal("CA1").write(Onset(1))
        bus.journal("CA2", EPOCH).write(Onset(1))
        bus.note("worker-2", "CA1", Dispatched())
        bus.follow_up("CA1", "MZ1", lambda _: None)
        await bus.flush()

        assert peek("DBSIZE") == 9  # with {calls}:new, and our own inbox
        assert keys_without_ttl(peek) == []


async def test_what_is_kept_is_renewed_until_it_is_released(
    redis: str, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "KEEP_EVERY_S", 0.05)
    async with opened(redis) as bus:
        up = bus.up("CA1", "MZ1")
        up.send("1-0", Mark("a"))
        await bus.flush()
        peek("EXPIRE", up.key, 60)
        await until(lambda: peek("TTL", up.key) > 60)
        bus.release(up.key)
        await bus.flush()
        peek("EXPIRE", up.key, 60)
        await asyncio.sleep(0.2)

        assert peek("TTL", up.key) <= 60


async def test_keys_are_renewed_one_after_the_other(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "KEEP_EVERY_S", 0.2)
    async with opened(redis) as bus:
        bus.keep(*"abcdefghi")
        renewed: list[tuple[float, str]] = []
        monkeypatch.setattr(
            bus.link, "post", lambda *command: renewed.append((monotonic(), command[1]))
        )
        await until(lambda: len(renewed) >= 20)
        monkeypatch.undo()

    times = [at for at, _ in renewed]
    assert {name for _, name in renewed[:9]} == set("abcdefghi")
    assert min(after - before for before, after in pairwise(times)) > 0.01


async def test_old_sound_is_forgotten(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        up = bus.up("CA1", "MZ1")
        for number, message in sound(1, 1001):
            up.send(f"{number}-0", message)
        up.trim("800-0")

    left = peek("XRANGE", keys.up(0, "MZ1"), "-", "+")
    assert len(left) < 400
    assert left[-1][0] == b"1000-0"
    assert b"800-0" in [entry_id for entry_id, _ in left]


async def test_a_process_has_one_connection_to_write_and_two_a_lane(redis: str) -> None:
    before = len(tell(redis, "CLIENT LIST"))
    async with opened(redis, "a", lanes=3):
        assert len(tell(redis, "CLIENT LIST")) - before == 1 + 2 * 3
