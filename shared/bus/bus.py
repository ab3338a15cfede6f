"""The bus of one process: what it writes, what it follows, and how long the keys live.

    one Link   all that this process writes, in pipelines that form by themselves
               (on a cluster one a hash tag)
    one Reader a lane, the notes for this process and all streams that it reads of calls

Open it with `open_bus`. Everything a call owner does on the hot path (`Outlet.send`,
sinks given to `follow_*`) is synchronous: there is nothing to await between a
socket and the bus, so order is that of the calls.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from shared import keys
from shared.bus.commands import expect_success
from shared.bus.inbox import UNREAD, Inbox, name_of
from shared.bus.lane import Entries, pause_s
from shared.bus.links import Links
from shared.bus.outlet import LIVE_TTL_S, Journal, Outlet
from shared.bus.reader import Reader
from shared.bus.route import open_route
from shared.bus.script import Script
from shared.bus.wire import Answer, Argument
from shared.messages import DOWN, NOTES, UP, Down, Note, Up
from shared.vocabulary import BadMessage, Vocabulary

log = logging.getLogger("bus")

KEEP_EVERY_S = 60.0

BOUNDS = ("MAXLEN", "~", UNREAD)

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Pauses:
    """For how long sound gathers under load, in seconds, at most: see `pause_s`."""

    reading: float = 0.0
    """Between two reads."""
    writing: float = 0.0
    """Between two pipelines."""


NO_PAUSES = Pauses()


class Bus:
    """One process's end of the bus. Made by `open_bus`."""

    def __init__(self, url: str, process: str, lanes: int, pauses: Pauses) -> None:
        self.route = open_route(url)
        self.process = process
        self.on_note: Callable[[Note], None] = lambda note: None
        """Called with each note that others leave for this process."""
        self._pauses = pauses
        self.link = Links(self.route, lanes, self._renew_missing_ttls, self._gather_s)
        self._readers = [
            Reader(
                self.route.to(str(lane)),
                keys.inbox(lane, process),
                Inbox(self._take_note).read,
                keys.wake(lane, process),
                self._wake,
                partial(self.link.of(keys.wake(lane, process)).post, "PING"),
                pauses.reading,
            )
            for lane in range(lanes)
        ]
        self._kept: set[str] = set()
        self._left: set[str] = set()  # lately released
        self._numbers = 0

    @property
    def is_up(self) -> bool:
        """Whether Redis answers, on every connection."""
        return self.up_since is not None and all(reader.is_up for reader in self._readers)

    @property
    def up_since(self) -> float | None:
        """Loop time since when Redis has answered; None while it does not."""
        return self.link.up_since

    def _gather_s(self) -> float:
        return pause_s(sum(reader.streams for reader in self._readers), self._pauses.writing)

    def lane_of(self, call_sid: str) -> int:
        return keys.lane_of(call_sid, len(self._readers))

    def call_key(self, call_sid: str) -> str:
        """The name of a call's hash."""
        return keys.call(self.lane_of(call_sid), call_sid)

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

    def take_numbers(self, count: int = 1) -> int:
        """The first of so many new numbers, for what may be sent twice. They run through the
        process: readers drop what does not count on, and a process may open a journal again.
        """
        first, self._numbers = self._numbers + 1, self._numbers + count
        return first

    def note(self, process: str, call_sid: str, note: Note) -> None:
        """Leave a note for another process, about a call; it is read within a millisecond."""
        inbox = keys.inbox(self.lane_of(call_sid), process)
        name, link = name_of(self.process, self.take_numbers()), self.link.of(inbox)
        link.post_now("XADD", inbox, *BOUNDS, "*", name, NOTES.pack(note))
        link.post("EXPIRE", inbox, LIVE_TTL_S, repeats=True)

    def _wake(self, key: str) -> None:
        self.link.of(key).post_now("XADD", key, *BOUNDS, "*", "", "")
        self.link.post("EXPIRE", key, LIVE_TTL_S)

    async def run_script(self, script: Script, names: Sequence[str], *args: Argument) -> Answer:
        """Run a script and wait for its answer. Raises: BusDown, Refused."""
        return await self.link.ask("EVALSHA", script.sha, script.keys, *names, *args)

    def post_script(
        self,
        script: Script,
        names: Sequence[str],
        *args: Argument,
        repeats: bool = False,
        answer: Callable[[Answer], None] = expect_success,
    ) -> None:
        """Run a script; `answer` is called when Redis has. For `repeats` see `Link.post`."""
        command = ("EVALSHA", script.sha, script.keys, *names, *args)
        self.link.of(names[0]).post(*command, repeats=repeats, answer=answer)

    def post_script_now(self, script: Script, names: Sequence[str], *args: Argument) -> None:
        """Run a script that somebody waits for, and that may be run again later."""
        self.link.of(names[0]).post_now("EVALSHA", script.sha, script.keys, *names, *args)

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
        self._reader(call_sid).follow(key, partial(_read_up, sink), f"{after}-0")

    def unfollow_up(self, call_sid: str, stream_sid: str) -> None:
        self._reader(call_sid).unfollow(keys.up(self.lane_of(call_sid), stream_sid))

    def follow_down(
        self, call_sid: str, stream_sid: str, sink: Callable[[list[Down]], None]
    ) -> None:
        """Hand over what the agent wants done, from the stream's beginning."""
        key = keys.down(self.lane_of(call_sid), stream_sid)
        self._reader(call_sid).follow(key, partial(_read_down, sink))

    def follows_down(self, call_sid: str, stream_sid: str) -> bool:
        """Whether what the agent wants done is handed over already: to two it is not."""
        return self._reader(call_sid).follows(keys.down(self.lane_of(call_sid), stream_sid))

    def unfollow_down(self, call_sid: str, stream_sid: str) -> None:
        self._reader(call_sid).unfollow(keys.down(self.lane_of(call_sid), stream_sid))

    def _take_note(self, note: Note) -> None:
        self.on_note(note)

    def _reader(self, call_sid: str) -> Reader:
        return self._readers[self.lane_of(call_sid)]

    # -- time to live ---------------------------------------------------------

    def keep(self, *names: str) -> None:
        """Keep these keys alive until `release`."""
        self._kept.update(names)
        for name in names:
            self.link.post("EXPIRE", name, LIVE_TTL_S)

    def release(self, *names: str) -> None:
        """Leave these keys to their time to live."""
        self._kept.difference_update(names)
        self._left.update(names)

    async def _renew_ttls(self) -> None:
        """One key after the other: for hundreds at once everybody's frames would wait."""
        while True:
            names = list(self._kept)
            pause_s = KEEP_EVERY_S / (len(names) + 1)
            await asyncio.sleep(pause_s)
            self._left.clear()
            for name in names:
                if name in self._kept:
                    self.link.post("EXPIRE", name, LIVE_TTL_S)
                await asyncio.sleep(pause_s)

    def _renew_missing_ttls(self) -> None:
        """What Redis had lost and was sent again has none, and would stay for ever."""
        for name in self._kept | self._left:
            self.link.post("EXPIRE", name, LIVE_TTL_S, "NX")

    # -- life -----------------------------------------------------------------

    async def flush(self) -> None:
        """Wait until Redis has all that was written, at most a second."""
        await self.link.flush()

    async def run(self) -> None:
        """Keep connections and keys alive until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run(), name="bus:link")
            for number, reader in enumerate(self._readers):
                tasks.create_task(reader.run(), name=f"bus:reader:{number}")
            tasks.create_task(self._renew_ttls(), name="bus:ttl")
            tasks.create_task(self.route.watch(), name="bus:route")


def _read_up(sink: Callable[[list[tuple[int, Up]]], None], entries: Entries) -> None:
    batch = []
    for entry_id, (_, payload) in entries:
        message = _unpack(UP, payload)
        if message is not None:
            batch.append((int(entry_id.partition(b"-")[0]), message))
    sink(batch)


def _read_down(sink: Callable[[list[Down]], None], entries: Entries) -> None:
    messages = [_unpack(DOWN, payload) for _, (_, payload) in entries]
    sink([message for message in messages if message is not None])


def _unpack(vocabulary: Vocabulary[M], payload: bytes) -> M | None:
    """One entry, or None if it cannot be read: one bad entry must not end the reading of a lane."""
    try:
        return vocabulary.unpack(payload)
    except BadMessage as exc:
        log.warning("unreadable entry", extra={"error": str(exc)})
        return None


@asynccontextmanager
async def open_bus(
    url: str, process: str, lanes: int = 1, pauses: Pauses = NO_PAUSES
) -> AsyncIterator[Bus]:
    """A bus whose tasks live as long as the block; whether Redis is there shows in `is_up`.

    Args:
        process: A name that no other process has, and this one has only once: random per start.
        pauses: How long sound may gather; by default each piece goes and comes by itself.

    Raises:
        ValueError: If the URL is none that names a Redis.
    """
    bus = Bus(url, process, lanes, pauses)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run(), name="bus")
        try:
            yield bus
            await bus.flush()
        finally:
            running.cancel()
