"""Calls read back: the streams that carried them are their recording.

Reading is by pages over the process's writing link, each page a command of its
own, so that a long call neither fills the memory of Redis' output buffer nor
holds up others. An entry that this version cannot read is left out.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from shared import keys
from shared.bus.bus import Bus
from shared.bus.registry import Registry
from shared.calls import Call
from shared.messages import DOWN, UP, Down, Up
from shared.record import ENTRIES, Entry, Over
from shared.vocabulary import BadMessage, Vocabulary

# Entries a page: 20 seconds of sound, 200 KB.
PAGE = 1000

# How often a live log is asked for news: a terminal shows no less.
POLL_S = 0.1

M = TypeVar("M")


class Archive:
    """Recordings, as they lie in Redis. Every method may raise BusDown or Refused."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._registry = Registry(bus)

    async def index(self) -> list[tuple[str, int]]:
        """All recordings as (CallSid, start in server ms), newest first.

        A call of which nothing is left but its name may be among them.
        """
        flat = await self._bus.link.ask("ZREVRANGE", keys.INDEX, 0, -1, "WITHSCORES")
        return [
            (name.decode(), int(float(score)))
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        ]

    async def call(self, call_sid: str) -> Call | None:
        """What is known of a call, or None."""
        return await self._registry.call(call_sid)

    async def log(self, call_sid: str) -> list[tuple[int, Entry]]:
        """A call's log so far, as (server ms, entry)."""
        return await self._read(keys.log(self._bus.lane_of(call_sid), call_sid), ENTRIES)

    async def up(self, call_sid: str, stream_sid: str) -> list[tuple[int, Up]]:
        """What the caller did on a stream, as (sequence number, message)."""
        return await self._read(keys.up(self._bus.lane_of(call_sid), stream_sid), UP)

    async def down(self, call_sid: str, stream_sid: str) -> list[Down]:
        """What the agent wanted done on a stream."""
        key = keys.down(self._bus.lane_of(call_sid), stream_sid)
        return [message for _, message in await self._read(key, DOWN)]

    async def tail_up(self, call_sid: str, stream_sid: str, count: int) -> list[tuple[int, Up]]:
        """The last so many entries of what the caller did on a stream."""
        return await self._tail(keys.up(self._bus.lane_of(call_sid), stream_sid), UP, count)

    async def tail_down(self, call_sid: str, stream_sid: str, count: int) -> list[Down]:
        """The last so many entries of what the agent wanted done on a stream."""
        key = keys.down(self._bus.lane_of(call_sid), stream_sid)
        return [message for _, message in await self._tail(key, DOWN, count)]

    async def follow_log(self, call_sid: str) -> AsyncIterator[tuple[int, Entry]]:
        """A call's log from its beginning, and as it grows, up to the call's end."""
        key = keys.log(self._bus.lane_of(call_sid), call_sid)
        start = "-"
        while True:
            page, start = await self._page(key, ENTRIES, start)
            for at, entry in page:
                yield at, entry
                if isinstance(entry, Over):
                    return
            if not page:
                await asyncio.sleep(POLL_S)

    async def _read(self, key: str, vocabulary: Vocabulary[M]) -> list[tuple[int, M]]:
        """The whole stream, each message with the first half of its id."""
        read: list[tuple[int, M]] = []
        start, then = "", "-"
        while then != start:
            start = then
            page, then = await self._page(key, vocabulary, start)
            read += page
        return read

    async def _tail(self, key: str, vocabulary: Vocabulary[M], count: int) -> list[tuple[int, M]]:
        page = await self._bus.link.ask("XREVRANGE", key, "+", "-", "COUNT", count)
        return _unpack(vocabulary, reversed(page))

    async def _page(
        self, key: str, vocabulary: Vocabulary[M], start: str
    ) -> tuple[list[tuple[int, M]], str]:
        """The next entries of a stream, and where those after them start: the same if none came."""
        page = await self._bus.link.ask("XRANGE", key, start, "+", "COUNT", PAGE)
        return _unpack(vocabulary, page), f"({page[-1][0].decode()}" if page else start


def _unpack(
    vocabulary: Vocabulary[M], page: Iterable[tuple[bytes, Sequence[bytes]]]
) -> list[tuple[int, M]]:
    """Those entries that this version can read, each with the first half of its id."""
    read = []
    for entry_id, fields in page:
        with suppress(BadMessage):
            message = vocabulary.unpack(fields[1])
            if message is not None:
                read.append((int(entry_id.partition(b"-")[0]), message))
    return read
