"""Calls read back: the streams that carried them are their recording.

Reading is by pages over the process's writing link, each page a command of its
own, so that a long call neither fills the memory of Redis' output buffer nor
holds up others. An entry that this version cannot read is left out; an `Original`
has it all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from redis.exceptions import ResponseError

from shared import keys
from shared.bus.bus import Bus
from shared.bus.callhash import call_of
from shared.bus.errors import BusDown, Refused
from shared.bus.registry import Registry
from shared.bus.wire import Answer, code_of
from shared.calls import Call
from shared.messages import DOWN, UP, Down, Up
from shared.record import ENTRIES, Attached, Entry, Over
from shared.vocabulary import BadMessage, Vocabulary

# Entries a page: 20 seconds of sound, 200 KB.
PAGE = 1000

# How often a live log is asked for news: a terminal shows no less.
POLL_S = 0.1

# What is half put back goes by itself, should its writer end before the rest is there.
HALF_TTL_S = 300

# A call's hash may be gone, and must not come again as one that says nothing else.
# KEYS call. ARGV what is noted.
_NOTE_ARCHIVED = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'archived', ARGV[1])
return 1
"""

M = TypeVar("M")

Entries = tuple[tuple[bytes, bytes], ...]
"""Entries of a stream as Redis has them: (id, message)."""


@dataclass(frozen=True, slots=True)
class OriginalStream:
    """Both directions of one phone socket."""

    stream_sid: str
    up: Entries = field(default=(), repr=False)
    down: Entries = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Original:
    """A call as it lies in Redis, byte for byte, so that it can be put there again.

    Its streams are in the order of their attachment; those that the log lacks come last.
    """

    call_sid: str
    fields: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    log: Entries = field(default=(), repr=False)
    streams: tuple[OriginalStream, ...] = ()

    @property
    def call(self) -> Call:
        """What the hash says. Raises: ValueError, if no version of ours wrote it."""
        return call_of(self.fields)


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

    async def original(self, call_sid: str) -> Original | None:
        """All that is left of a call; None of nothing."""
        lane = self._bus.lane_of(call_sid)
        flat = await self._bus.link.ask("HGETALL", keys.call(lane, call_sid))
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        log = await self._entries(keys.log(lane, call_sid))
        if not fields and not log:
            return None
        streams = [
            OriginalStream(
                stream_sid,
                await self._entries(keys.up(lane, stream_sid)),
                await self._entries(keys.down(lane, stream_sid)),
            )
            for stream_sid in in_order(call_of(fields), unpacked(ENTRIES, log))
        ]
        return Original(call_sid, fields, log, tuple(streams))

    async def is_live(self, call_sid: str) -> bool:
        """Whether the call is dispatched, and not yet over for its owner."""
        return bool(await self._bus.link.ask("HEXISTS", keys.EPOCHS, call_sid))

    async def restore(self, original: Original, *, keep_for_s: int) -> None:
        """Put a call (back) as it was, to be kept for so long. What is there of it goes first.

        Raises:
            BusDown, Refused: Then nothing is there, or if Redis is away, soon.
        """
        names = _names(self._bus.lane_of(original.call_sid), original)
        await self._bus.link.ask("UNLINK", *names)
        try:
            await self._put_all(original, names, keep_for_s)
        except BaseException:
            with suppress(BusDown):
                await self._bus.link.ask("UNLINK", *names)
            raise
        # It goes from the index by its score: a recording's time after this one.
        seconds, micros = await self._bus.link.ask("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        await self._bus.link.ask("ZADD", keys.INDEX, now, original.call_sid)

    async def _put_all(self, original: Original, names: Sequence[str], keep_for_s: int) -> None:
        hash_name, log_name, *stream_names = names
        for name, entries in zip(stream_names, _sounds(original), strict=True):
            await self._put(name, entries)
        await self._put(log_name, original.log)
        flat = [part for pair in original.fields.items() for part in pair]
        if flat:
            await self._bus.link.ask("HSET", hash_name, *flat)
        for name in names:
            await self._bus.link.ask("EXPIRE", name, keep_for_s)

    async def _put(self, name: str, entries: Entries) -> None:
        """Write a stream by pages, each when Redis has the one before."""
        refused: list[ResponseError] = []

        def note(answer: Answer) -> None:
            if isinstance(answer, ResponseError):
                refused.append(answer)

        for start in range(0, len(entries), PAGE):
            for entry_id, message in entries[start : start + PAGE]:
                self._bus.link.post("XADD", name, entry_id, "", message, answer=note)
            await self._bus.link.ask("EXPIRE", name, HALF_TTL_S)
            if refused:
                raise Refused(code_of(refused[0]))

    async def delete(self, call_sid: str) -> bool:
        """Forget a call, all of it, now. Returns whether there was anything."""
        names = await self._all_names(call_sid)
        removed = await self._bus.link.ask("UNLINK", *names)
        listed = await self._bus.link.ask("ZREM", keys.INDEX, call_sid)
        return bool(removed or listed)

    async def memory(self, call_sid: str) -> int:
        """What a call takes of Redis' memory, bytes."""
        asked = [
            self._bus.link.ask("MEMORY", "USAGE", name) for name in await self._all_names(call_sid)
        ]
        return sum(size or 0 for size in await asyncio.gather(*asked))

    async def archived(self, call_sid: str) -> str:
        """What `note_archived` noted; "" if it has not."""
        name = self._bus.call_key(call_sid)
        noted = await self._bus.link.ask("HGET", name, "archived")
        return noted.decode() if noted else ""

    async def note_archived(self, call_sid: str, note: str) -> None:
        """Note in a call's hash, while there is one, that it has been archived."""
        name = self._bus.call_key(call_sid)
        await self._bus.link.ask("EVAL", _NOTE_ARCHIVED, 1, name, note)

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

    async def _all_names(self, call_sid: str) -> list[str]:
        """The keys that may be there of a call: its hash, its log, then its streams."""
        call, log = await self.call(call_sid), await self.log(call_sid)
        streams = in_order(call or Call(), log)
        blank = Original(call_sid, streams=tuple(map(OriginalStream, streams)))
        return _names(self._bus.lane_of(call_sid), blank)

    async def _entries(self, key: str) -> Entries:
        read: list[tuple[bytes, bytes]] = []
        start, then = "", "-"
        while then != start:
            start = then
            page, then = await self._raw_page(key, start)
            read += page
        return tuple(read)

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
        return unpacked(vocabulary, _pairs(reversed(page)))

    async def _page(
        self, key: str, vocabulary: Vocabulary[M], start: str
    ) -> tuple[list[tuple[int, M]], str]:
        """The next messages of a stream, and where those after them start."""
        page, then = await self._raw_page(key, start)
        return unpacked(vocabulary, page), then

    async def _raw_page(self, key: str, start: str) -> tuple[Sequence[tuple[bytes, bytes]], str]:
        """The next entries of a stream, and where those after them start: the same if none came."""
        page = _pairs(await self._bus.link.ask("XRANGE", key, start, "+", "COUNT", PAGE))
        return page, f"({page[-1][0].decode()}" if page else start


def unpacked(
    vocabulary: Vocabulary[M], entries: Iterable[tuple[bytes, bytes]]
) -> list[tuple[int, M]]:
    """Those messages that this version can read, each with the first half of its id."""
    read = []
    for entry_id, data in entries:
        with suppress(BadMessage):
            message = vocabulary.unpack(data)
            if message is not None:
                read.append((int(entry_id.partition(b"-")[0]), message))
    return read


def _pairs(page: Iterable[tuple[bytes, Sequence[bytes]]]) -> list[tuple[bytes, bytes]]:
    """Entries without the field's empty name."""
    return [(entry_id, fields[1]) for entry_id, fields in page]


def in_order(call: Call, log: Iterable[tuple[int, Entry]]) -> list[str]:
    """A call's streams as they were attached; those that the log lacks come last."""
    attached = [entry.stream_sid for _, entry in log if isinstance(entry, Attached)]
    return list(dict.fromkeys([*attached, *call.streams]))


def _names(lane: int, original: Original) -> list[str]:
    """A call's keys: its hash, its log, then up and down of each stream."""
    names = [keys.call(lane, original.call_sid), keys.log(lane, original.call_sid)]
    for stream in original.streams:
        names += [keys.up(lane, stream.stream_sid), keys.down(lane, stream.stream_sid)]
    return names


def _sounds(original: Original) -> list[Entries]:
    return [entries for stream in original.streams for entries in (stream.up, stream.down)]
