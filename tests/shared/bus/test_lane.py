"""One blocking read for all streams: who joins, who leaves, who lags, and broken connections."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from shared import rota
from shared.bus import lane as lane_module
from shared.bus import wire as wire_module
from shared.bus.lane import COUNT, FEW, Entries, Lane
from sim.redis import RedisServer
from tests.shared.bus.help import Peek, connector, peeking, running, until

WAKE = "{0}:wake:me"


class Heap:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def __call__(self, entries: Entries) -> None:
        self.batches.append([payload for _, (_, payload) in entries])

    @property
    def all(self) -> list[bytes]:
        return [payload for batch in self.batches for payload in batch]


def add(client: Peek, key: str, *payloads: int | str) -> None:
    for payload in payloads:
        client("XADD", key, "*", "", payload)


def numbers(*of: int) -> list[bytes]:
    return [b"%d" % number for number in range(*of)]


def lane_of(client: Peek, url: str) -> Lane:
    """A lane, which is woken by the client beside."""
    return Lane(connector(url), WAKE, Heap(), lambda: add(client, WAKE, "wake"))


@pytest.fixture
def lane(redis: str, peek: Peek) -> Lane:
    return lane_of(peek, redis)


async def blocked(lane: Lane, client: Peek) -> None:
    """Wait until the lane's read is held open at Redis, and has just begun."""

    def is_held() -> bool:
        return lane.is_up and client("INFO", "clients")["blocked_clients"] == 1

    await until(is_held)
    add(client, WAKE, "again")
    await until(is_held)


async def test_entries_arrive_in_order_with_their_ids(lane: Lane, peek: Peek) -> None:
    peek("XADD", "s", "1-1", "", "a")
    peek("XADD", "s", "1-2", "", "b")
    got: list[tuple[bytes, Sequence[bytes]]] = []
    lane.follow("s", got.extend)
    async with running(lane):
        await until(lambda: len(got) == 2)

    assert [(entry_id, list(fields)) for entry_id, fields in got] == [
        (b"1-1", [b"", b"a"]),
        (b"1-2", [b"", b"b"]),
    ]


async def test_reading_begins_after_the_cursor(lane: Lane, peek: Peek) -> None:
    for number in range(1, 6):
        peek("XADD", "s", f"{number}-0", "", number)
    heap = Heap()
    lane.follow("s", heap, "3-0")
    async with running(lane):
        await until(lambda: heap.batches)

    assert heap.all == [b"4", b"5"]


async def test_a_stream_that_joins_is_served_at_once(lane: Lane, peek: Peek) -> None:
    loop, took = asyncio.get_running_loop(), []
    async with running(lane):
        for name in ("a", "b", "c"):
            await blocked(lane, peek)
            add(peek, name, "waiting")
            heap, start = Heap(), loop.time()
            lane.follow(name, heap)
            await until(lambda heap=heap: heap.batches)  # type: ignore[misc]
            took.append(loop.time() - start)

    assert min(took) < lane_module.BLOCK_MS / 1000 / 5


async def test_an_entry_is_handed_over_at_once(lane: Lane, peek: Peek) -> None:
    loop, took, heap = asyncio.get_running_loop(), [], Heap()
    lane.follow("s", heap)
    async with running(lane):
        for number in range(1, 4):
            await blocked(lane, peek)
            start = loop.time()
            add(peek, "s", number)
            await until(lambda number=number: len(heap.all) == number)  # type: ignore[misc]
            took.append(loop.time() - start)

    assert min(took) < 0.05


async def test_a_stream_that_left_is_heard_no_more(lane: Lane, peek: Peek) -> None:
    left, other = Heap(), Heap()
    lane.follow("left", left)
    lane.follow("other", other)
    async with running(lane):
        await blocked(lane, peek)
        lane.unfollow("left")
        add(peek, "left", "late")
        add(peek, "other", "on")
        await until(lambda: other.batches)

    assert left.batches == []


def test_leaving_what_was_never_followed_is_no_fault(lane: Lane) -> None:
    lane.unfollow("unknown")


async def test_who_comes_back_reads_from_where_he_says(lane: Lane, peek: Peek) -> None:
    """And not from where the read stands that is still under way for the one before him."""
    add(peek, "s", 1, 2, 3)
    first, second = Heap(), Heap()
    lane.follow("s", first)
    async with running(lane):
        await until(lambda: len(first.all) == 3)
        await blocked(lane, peek)
        lane.unfollow("s")
        add(peek, "s", 4)
        lane.follow("s", second)
        await until(lambda: len(second.all) == 4)

    assert second.all == numbers(1, 5)


async def test_one_read_serves_every_stream(lane: Lane, peek: Peek) -> None:
    heaps = {f"s{number}": Heap() for number in range(50)}
    for name, heap in heaps.items():
        lane.follow(name, heap)
        add(peek, name, "a", "b")
    peek("CONFIG", "RESETSTAT")
    async with running(lane):
        await until(lambda: all(heap.batches for heap in heaps.values()))
        calls = peek("INFO", "commandstats")["cmdstat_xread"]["calls"]

    assert [heap.batches for heap in heaps.values()] == [[[b"a", b"b"]]] * 50
    assert calls <= 2  # and the one that blocks now


async def test_a_laggard_catches_up_in_pieces_and_the_others_get_their_turn(
    lane: Lane, peek: Peek
) -> None:
    add(peek, "long", *range(COUNT * 4))
    add(peek, "short", "one")
    order: list[str] = []
    heap = Heap()

    def take(name: str, entries: Entries) -> None:
        order.append(name)
        heap(entries)

    lane.follow("long", partial(take, "long"))
    lane.follow("short", partial(take, "short"))
    async with running(lane):
        await until(lambda: len(heap.all) == COUNT * 4 + 1)

    assert order == ["long", "short", "long", "long", "long"]
    assert [payload for payload in heap.all if payload != b"one"] == numbers(COUNT * 4)


async def test_who_joins_from_within_a_sink_is_read_next(lane: Lane, peek: Peek) -> None:
    add(peek, "first", "go")
    add(peek, "second", "gone")
    heap = Heap()
    lane.follow("first", lambda _: lane.follow("second", heap))
    async with running(lane):
        await until(lambda: heap.batches)

    assert heap.all == [b"gone"]


async def test_what_else_is_ready_waits_for_no_more_than_some_streams(
    lane: Lane, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rota, "TURN_S", 0.0)
    loop = asyncio.get_running_loop()
    order: list[str] = []

    def take(entries: Entries) -> None:
        if not order:
            loop.call_soon(order.append, "else")
        order.append(entries[0][1][1].decode())

    for number in range(FEW * 3):
        add(peek, f"s{number}", "frame")
        lane.follow(f"s{number}", take)
    async with running(lane):
        await until(lambda: len(order) == FEW * 3 + 1)

    assert order.index("else") == 1


async def test_who_leaves_while_others_are_served_is_heard_no_more(
    lane: Lane, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rota, "TURN_S", 0.0)
    loop, left, last = asyncio.get_running_loop(), Heap(), f"s{FEW}"

    def take(_: Entries) -> None:
        loop.call_soon(lane.unfollow, last)

    for number in range(FEW):
        add(peek, f"s{number}", "frame")
        lane.follow(f"s{number}", take)
    add(peek, last, "late")
    lane.follow(last, left)
    async with running(lane):
        await blocked(lane, peek)

    assert left.batches == []


# -- a connection that breaks --------------------------------------------------------


async def test_killed_connections_lose_and_double_nothing(lane: Lane, peek: Peek) -> None:
    heap = Heap()
    lane.follow("s", heap)
    async with running(lane):
        for number in range(200):
            add(peek, "s", number)
            if number % 50 == 0:
                peek("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.001)
        await until(lambda: len(heap.all) >= 200)

    assert heap.all == numbers(200)


async def test_an_idle_lane_notices_that_redis_is_gone_and_back(server: RedisServer) -> None:
    with peeking(server.url) as client:
        lane, heap = lane_of(client, server.url), Heap()
    lane.follow("s", heap)
    async with running(lane):
        await until(lambda: lane.is_up)
        server.kill()
        await until(lambda: not lane.is_up)
        server.start()
        with peeking(server.url) as client:
            add(client, "s", "back")
        await until(lambda: heap.batches)

        assert lane.is_up


async def test_a_redis_that_stays_silent_is_left(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "DEADLINE_S", 0.7)  # above the time a read blocks
    with peeking(server.url) as client:
        lane = lane_of(client, server.url)
    async with running(lane):
        await until(lambda: lane.is_up)
        server.pause()
        await until(lambda: not lane.is_up)
        server.resume()
        await until(lambda: lane.is_up)


async def test_a_key_that_is_no_stream_does_not_end_the_lane(lane: Lane, peek: Peek) -> None:
    peek("SET", "s", "text")
    heap = Heap()
    lane.follow("s", heap)
    async with running(lane):
        await asyncio.sleep(0.1)
        peek("DEL", "s")
        add(peek, "s", "mended")
        await until(lambda: heap.batches)

    assert heap.all == [b"mended"]


async def test_a_sink_that_fails_is_a_bug_and_ends_the_lane(lane: Lane, peek: Peek) -> None:
    def fail(_: Entries) -> None:
        raise LookupError

    add(peek, "s", "a")
    lane.follow("s", fail)

    with pytest.raises(LookupError):
        await lane.run()
    assert not lane.is_up
