"""The bus of one process: what it writes, what it follows, and how long the keys live.

    one Link   all that this process writes, in pipelines that form by themselves
    one Lane   a lane, all that this process reads, in one blocking read

Open it with `open_bus`. Everything a call owner does on the hot path (`Outlet.send`,
sinks given to `follow_*`) is synchronous: there is nothing to await between a
socket and the bus, so order is that of the calls.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Generic, TypeVar

from shared import keys
from shared.bus.errors import BusDown
from shared.bus.lane import Entries, Lane
from shared.bus.link import Link, expect_success
from shared.bus.scripts import ALL, APPEND, Script
from shared.bus.wire import Answer, Argument, bulk, connector
from shared.messages import DOWN, NOTES, UP, Audio, Down, Note, Up, Wake
from shared.record import ENTRIES, Entry
from shared.vocabulary import BadMessage, Vocabulary

log = logging.getLogger("bus")

# A live key outlives its last sign of life by this much, then Redis forgets it by itself.
LIVE_TTL_S = 3600
KEEP_EVERY_S = 60.0

# Notes are read within milliseconds; this many unread ones mean a process that is gone.
INBOX_LENGTH = 1000

# Every entry has one field, without a name.
NO_NAME = bulk(b"")

M = TypeVar("M")


class Outlet(Generic[M]):
    """The writing end of one stream; entry ids are the caller's own."""

    def __init__(self, bus: "Bus", key: str, vocabulary: Vocabulary[M]) -> None:
        self._bus = bus
        self._pack = vocabulary.pack
        self._is_new = True
        # All of `XADD key id "" payload` that is the same for each entry.
        self._head = b"*5\r\n" + bulk(b"XADD") + bulk(key.encode())
        self.key = key

    def send(self, entry_id: str, message: M) -> None:
        """Append one message. A second one with the same id is dropped by Redis."""
        packed = self._pack(message)
        self._bus.link.post_packed(
            b"%b%b%b%b" % (self._head, bulk(entry_id.encode()), NO_NAME, bulk(packed)),
            sound=type(message) is Audio,
        )
        if self._is_new:
            self._is_new = False
            self._bus.keep(self.key)

    def trim(self, oldest_id: str) -> None:
        """Forget what is older than this id, about."""
        self._bus.link.post("XTRIM", self.key, "MINID", "~", oldest_id)


class Journal:
    """The writing end of one call's log."""

    def __init__(
        self, bus: "Bus", call_sid: str, epoch: int, on_fenced: Callable[[], None] | None
    ) -> None:
        lane = bus.lane_of(call_sid)
        self._bus = bus
        self._keys = (keys.log(lane, call_sid), keys.call(lane, call_sid))
        self._epoch = epoch
        self._on_fenced = on_fenced

    def write(self, *entries: Entry) -> None:
        """Append entries, each exactly once, unless a newer owner has spoken: then `on_fenced`."""
        if not entries:
            return
        # The epoch is part of the writer's name: a worker that owns a call twice counts anew.
        writer = f"{self._bus.process}.{self._epoch}" if self._epoch else self._bus.process
        packed = [ENTRIES.pack(entry) for entry in entries]
        first = self._bus.number_entries(len(entries))
        arguments: list[Argument] = [self._epoch, writer, first, LIVE_TTL_S, *packed]
        self._bus.post_script(APPEND, self._keys, *arguments, answer=self._settle)

    def _settle(self, answer: Answer) -> None:
        if answer == -1 and self._on_fenced:
            self._on_fenced()
        elif isinstance(answer, Exception):
            log.warning("log entry refused", extra={"error": type(answer).__name__})


class Bus:
    """One process's end of the bus. Made by `open_bus`."""

    def __init__(self, url: str, process: str, lanes: int) -> None:
        connect = connector(url)
        greeting: list[tuple[Argument, ...]] = [("SCRIPT", "LOAD", script.lua) for script in ALL]
        greeting.append(("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0", "MKSTREAM"))
        self.process = process
        self.on_note: Callable[[Note], None] = lambda note: None
        """Called with each note that others leave for this process."""
        self.link = Link(connect, greeting)
        self._lanes = [
            Lane(
                connect,
                keys.inbox(lane, process),
                self._read_notes,
                partial(self._wake, lane),
            )
            for lane in range(lanes)
        ]
        self._kept: set[str] = set()
        self._entries = 0

    @property
    def is_up(self) -> bool:
        """Whether Redis answers, on every connection."""
        return self.link.is_up and all(lane.is_up for lane in self._lanes)

    @property
    def up_since(self) -> float | None:
        """Loop time since when Redis has answered; None while it does not."""
        return self.link.up_since

    def lane_of(self, call_sid: str) -> int:
        return keys.lane_of(call_sid, len(self._lanes))

    # -- writing --------------------------------------------------------------

    def up(self, call_sid: str, stream_sid: str) -> Outlet[Up]:
        """Where an edge publishes what the caller does; ids are `<sequenceNumber>-0`."""
        return Outlet(self, keys.up(self.lane_of(call_sid), stream_sid), UP)

    def down(self, call_sid: str, stream_sid: str) -> Outlet[Down]:
        """Where an owner publishes what the agent wants done; ids are `<epoch>-<n>`."""
        return Outlet(self, keys.down(self.lane_of(call_sid), stream_sid), DOWN)

    def journal(
        self, call_sid: str, epoch: int = 0, on_fenced: Callable[[], None] | None = None
    ) -> Journal:
        """The call's log, for writing. An edge has epoch 0 and is not fenced."""
        return Journal(self, call_sid, epoch, on_fenced)

    def number_entries(self, count: int) -> int:
        """The first of so many new numbers. They run through the process, since `append` drops
        what does not count on, and one process may open a call's journal more than once.
        """
        first, self._entries = self._entries + 1, self._entries + count
        return first

    def note(self, process: str, call_sid: str, note: Note) -> None:
        """Leave a note for another process, about a call; it is read within a millisecond."""
        self._post_note(keys.inbox(self.lane_of(call_sid), process), note)

    def _wake(self, lane: int) -> None:
        self._post_note(keys.inbox(lane, self.process), Wake())

    def _post_note(self, inbox: str, note: Note) -> None:
        self.link.post("XADD", inbox, "MAXLEN", "~", INBOX_LENGTH, "*", "", NOTES.pack(note))
        self.link.post("EXPIRE", inbox, LIVE_TTL_S)

    async def run_script(self, script: Script, names: Sequence[str], *args: Argument) -> Answer:
        """Run a script and wait for its answer. Raises: BusDown, Refused."""
        return await self.link.ask("EVALSHA", script.sha, script.keys, *names, *args)

    def post_script(
        self,
        script: Script,
        names: Sequence[str],
        *args: Argument,
        answer: Callable[[Answer], None] = expect_success,
    ) -> None:
        """Run a script; `answer` is called when Redis has."""
        self.link.post("EVALSHA", script.sha, script.keys, *names, *args, answer=answer)

    # -- reading --------------------------------------------------------------

    def follow_up(
        self,
        call_sid: str,
        stream_sid: str,
        sink: Callable[[list[tuple[int, Up]]], None],
        after: int = 0,
    ) -> None:
        """Hand over what the caller does, as (sequence number, message), from after that number."""
        key = keys.up(self.lane_of(call_sid), stream_sid)
        self._lane(call_sid).follow(key, partial(_read_up, sink), f"{after}-0")

    def unfollow_up(self, call_sid: str, stream_sid: str) -> None:
        self._lane(call_sid).unfollow(keys.up(self.lane_of(call_sid), stream_sid))

    def follow_down(
        self, call_sid: str, stream_sid: str, sink: Callable[[list[Down]], None]
    ) -> None:
        """Hand over what the agent wants done, from the stream's beginning."""
        key = keys.down(self.lane_of(call_sid), stream_sid)
        self._lane(call_sid).follow(key, partial(_read_down, sink))

    def unfollow_down(self, call_sid: str, stream_sid: str) -> None:
        self._lane(call_sid).unfollow(keys.down(self.lane_of(call_sid), stream_sid))

    def _read_notes(self, entries: Entries) -> None:
        for _, payload in entries:
            note = _unpack(NOTES, payload)
            if note is not None and not isinstance(note, Wake):
                self.on_note(note)

    def _lane(self, call_sid: str) -> Lane:
        return self._lanes[self.lane_of(call_sid)]

    # -- time to live ---------------------------------------------------------

    def keep(self, *names: str) -> None:
        """Keep these keys alive until `release`."""
        self._kept.update(names)
        for name in names:
            self.link.post("EXPIRE", name, LIVE_TTL_S)

    def release(self, *names: str) -> None:
        """Leave these keys to their time to live."""
        self._kept.difference_update(names)

    async def flush(self) -> None:
        """Wait until Redis has all that was written, at most a second."""
        with suppress(BusDown, TimeoutError):
            async with asyncio.timeout(1.0):
                await self.link.ask("PING")

    async def run(self) -> None:
        """Keep connections and keys alive until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run(), name="bus:link")
            for number, lane in enumerate(self._lanes):
                tasks.create_task(lane.run(), name=f"bus:lane:{number}")
            tasks.create_task(self._renew_ttls(), name="bus:ttl")

    async def _renew_ttls(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            for name in self._kept:
                self.link.post("EXPIRE", name, LIVE_TTL_S)


def _read_up(sink: Callable[[list[tuple[int, Up]]], None], entries: Entries) -> None:
    batch = []
    for entry_id, payload in entries:
        message = _unpack(UP, payload)
        if message is not None:
            batch.append((int(entry_id.partition(b"-")[0]), message))
    sink(batch)


def _read_down(sink: Callable[[list[Down]], None], entries: Entries) -> None:
    messages = [_unpack(DOWN, payload) for _, payload in entries]
    sink([message for message in messages if message is not None])


def _unpack(vocabulary: Vocabulary[M], payload: bytes) -> M | None:
    """One entry, or None if it cannot be read: one bad entry must not end the reading of a lane."""
    try:
        return vocabulary.unpack(payload)
    except BadMessage as exc:
        log.warning("unreadable entry", extra={"error": str(exc)})
        return None


@asynccontextmanager
async def open_bus(url: str, process: str, lanes: int = 1) -> AsyncIterator[Bus]:
    """A bus whose tasks live as long as the block; whether Redis is there shows in `is_up`.

    Args:
        process: A name that no other process has, and this one has only once: random per start.

    Raises:
        ValueError: If the URL is none that names a Redis.
    """
    bus = Bus(url, process, lanes)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run(), name="bus")
        try:
            yield bus
            await bus.flush()
        finally:
            running.cancel()
