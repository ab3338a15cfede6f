"""Notes and new calls are read beside the crowd, and a stream's entries come once through both."""

import asyncio

import pytest

from shared.bus import reader as reader_module
from shared.bus.lane import PAUSE_STREAMS
from shared.bus.reader import Reader
from tests.shared.bus.help import Peek, connector, running, until
from tests.shared.bus.test_lane import Heap, add, numbers

INBOX, WAKE = "{0}:inbox:me", "{0}:wake:me"

LONG_S = 60.0
"""Longer than a test."""


CROWD = 10
"""Streams."""

PAUSE_S = LONG_S * (PAUSE_STREAMS / CROWD) ** 2
"""With it, reads of such a crowd pause for longer than a test."""


def reader_of(url: str, client: Peek, *, notes: Heap | None = None, pause: float = 0.0) -> Reader:
    def wake(key: str) -> None:
        client("XADD", key, "*", "", "")

    return Reader(connector(url), INBOX, notes or Heap(), WAKE, wake, lambda: None, pause)


@pytest.fixture
def reader(redis: str, peek: Peek) -> Reader:
    return reader_of(redis, peek)


async def test_a_stream_is_read_once_and_in_order_when_its_call_is_no_news_any_more(
    reader: Reader, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "NEW_S", 0.03)
    heaps = {f"s{number}": Heap() for number in range(3)}
    async with running(reader):
        await until(lambda: reader.is_up)
        for number in range(100):
            for key in heaps:
                add(peek, key, number)
            if number == 10:
                for key, heap in heaps.items():
                    reader.follow(key, heap)
            await asyncio.sleep(0.001)
        await until(lambda: all(len(heap.all) >= 100 for heap in heaps.values()))

    assert [heap.all for heap in heaps.values()] == [numbers(100)] * 3


async def test_a_call_that_comes_does_not_wait_for_the_crowd(
    redis: str, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd, guest = Heap(), Heap()
    reader = reader_of(redis, peek, pause=PAUSE_S)
    monkeypatch.setattr(reader_module, "NEW_S", 0.0)
    for number in range(CROWD):
        reader.follow(f"s{number}", crowd)
    async with running(reader):
        await until(lambda: reader.is_up)
        await asyncio.sleep(0.01)  # they are no news any more
        add(peek, "s0", "frame")
        await until(lambda: crowd.batches)  # and now the crowd's reads pause
        monkeypatch.setattr(reader_module, "NEW_S", LONG_S)
        reader.follow("guest", guest)
        add(peek, "guest", "frame")
        await until(lambda: guest.batches)
        add(peek, "s0", "frame")
        await asyncio.sleep(0.05)

    assert guest.all == [b"frame"]
    assert crowd.all == [b"frame"]


async def test_a_note_does_not_wait_for_the_crowd(
    redis: str, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "NEW_S", 0.0)
    notes, crowd = Heap(), Heap()
    reader = reader_of(redis, peek, notes=notes, pause=PAUSE_S)
    for number in range(CROWD):
        reader.follow(f"s{number}", crowd)
    await asyncio.sleep(0.01)
    async with running(reader):
        add(peek, "s0", "frame")
        await until(lambda: crowd.batches)
        add(peek, INBOX, "note")
        await until(lambda: notes.batches)

    assert notes.all == [b"note"]


@pytest.mark.parametrize("new_s", [LONG_S, 0.0])
async def test_who_leaves_is_heard_no_more_new_or_not(
    reader: Reader, peek: Peek, monkeypatch: pytest.MonkeyPatch, new_s: float
) -> None:
    monkeypatch.setattr(reader_module, "NEW_S", new_s)
    left, stays = Heap(), Heap()
    async with running(reader):
        reader.follow("left", left)
        reader.follow("stays", stays)
        await asyncio.sleep(0.01)
        reader.unfollow("left")
        reader.unfollow("unknown")
        for key in ("left", "stays"):
            add(peek, key, "frame")
        await until(lambda: stays.batches)

    assert left.batches == []
    assert reader.streams == 1


async def test_who_left_as_news_does_not_join_the_crowd(
    reader: Reader, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "NEW_S", 0.01)
    reader.follow("s", Heap())
    reader.unfollow("s")
    again = Heap()
    reader.follow("s", again)
    async with running(reader):
        await asyncio.sleep(0.05)
        add(peek, "s", "frame")
        await until(lambda: again.batches)

    assert reader.streams == 1


@pytest.mark.parametrize("new_s", [LONG_S, 0.0])
async def test_two_readers_of_one_stream_are_a_bug(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, new_s: float
) -> None:
    monkeypatch.setattr(reader_module, "NEW_S", new_s)
    reader.follow("{0}:up:MZ4711", Heap())
    await asyncio.sleep(0.01)

    assert reader.follows("{0}:up:MZ4711")
    with pytest.raises(RuntimeError, match="two readers of up") as refusal:
        reader.follow("{0}:up:MZ4711", Heap())
    assert "4711" not in str(refusal.value)
