"""What a process writes of a call: the entries of a stream, and the call's log."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from shared import keys
from shared.bus import commands
from shared.bus.scripts import APPEND
from shared.bus.wire import Answer, Argument, bulk
from shared.messages import Audio, Clear
from shared.record import ENTRIES, Entry
from shared.vocabulary import Vocabulary

if TYPE_CHECKING:
    from shared.bus.bus import Bus

log = logging.getLogger("bus")

# A live key outlives its last sign of life by this much, then Redis forgets it by itself.
LIVE_TTL_S = 3600

# Head, id, field and payload. Every entry has one field, without a name.
XADD = b"%b$%d\r\n%b\r\n$0\r\n\r\n$%d\r\n%b\r\n"

# How a message is sent, if not as any entry.
KINDS: dict[type, type[commands.Entry]] = {
    Audio: commands.Sound,
    Clear: commands.HurriedEntry,
}

M = TypeVar("M")


class Outlet(Generic[M]):
    """The writing end of one stream; entry ids are the caller's own."""

    def __init__(self, bus: "Bus", key: str, vocabulary: Vocabulary[M]) -> None:
        self._bus = bus
        self._link = bus.link.of(key)
        self._pack = vocabulary.pack
        self._is_new = True
        # All of `XADD key id "" payload` that is the same for each entry.
        self._head = b"*5\r\n" + bulk(b"XADD") + bulk(key.encode())
        self.key = key

    def send(self, entry_id: str, message: M) -> None:
        """Append one message. A second one with the same id is dropped by Redis."""
        id_, payload = entry_id.encode(), self._pack(message)
        entry = XADD % (self._head, len(id_), id_, len(payload), payload)
        if self._is_new:  # the other side waits for it
            self._is_new = False
            self._link.post_entry(entry, commands.HurriedEntry)
            self._bus.keep(self.key)
        else:
            self._link.post_entry(entry, KINDS.get(type(message), commands.Entry))

    def forget(self, entry_id: str) -> None:
        """Take one entry out: nobody may read it again."""
        self._link.post("XDEL", self.key, entry_id, repeats=True)

    def trim(self, oldest_id: str) -> None:
        """Forget what is older than this id, about."""
        self._link.post("XTRIM", self.key, "MINID", "~", oldest_id)


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

    def write(
        self, *entries: Entry, written: Callable[[bool], None] = lambda is_written: None
    ) -> None:
        """Append entries, each exactly once, unless a newer owner has spoken: then `on_fenced`.

        Args:
            written: Called when Redis has them, with True: what must not happen twice starts then.
                With False if it does not take them, and they are lost.
        """
        if not entries:
            return
        # The epoch is part of the writer's name: a worker that owns a call twice counts anew.
        writer = f"{self._bus.process}.{self._epoch}" if self._epoch else self._bus.process
        packed = [ENTRIES.pack(entry) for entry in entries]
        first = self._bus.take_numbers(len(entries))
        arguments: list[Argument] = [self._epoch, writer, first, LIVE_TTL_S, *packed]
        settle = partial(self._settle, written)
        self._bus.post_script(APPEND, self._keys, *arguments, repeats=True, answer=settle)

    def _settle(self, written: Callable[[bool], None], answer: Answer) -> None:
        if answer == -1 and self._on_fenced:
            self._on_fenced()
        elif isinstance(answer, Exception):
            log.warning("log entry refused", extra={"error": type(answer).__name__})
            written(False)
        elif answer != -1:
            written(True)
