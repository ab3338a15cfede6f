"""The inbox of a process: notes that others leave, each read once.

A note is an entry named by its writer and a number that counts through the writer's
notes. After a reconnect a writer leaves the newest ones again, and the reader reads its
inbox from the beginning: by the number it knows which it has had. An entry without a payload
is no note.
"""

import logging
from collections.abc import Callable

from shared.bus.lane import Entries
from shared.messages import NOTES, Note
from shared.vocabulary import BadMessage

log = logging.getLogger("bus")

# Notes that wait to be read, about: they are read within milliseconds, so that many mean a process
# that is gone.
UNREAD = 1000

# Writers whose numbers are remembered: far more processes than write to one inbox in an hour.
WRITERS = 1000


def name_of(writer: str, number: int) -> bytes:
    """The name of an entry."""
    return f"{writer} {number}".encode()


class Inbox:
    """The notes for this process of one lane, handed to `take`, each once and in order."""

    def __init__(self, take: Callable[[Note], None]) -> None:
        self._take = take
        self._newest: dict[bytes, int] = {}

    def read(self, entries: Entries) -> None:
        """Hand over what is new."""
        for _, (name, payload) in entries:
            if payload and self._is_new(name):
                self._read(payload)

    def _read(self, payload: bytes) -> None:
        try:
            note = NOTES.unpack(payload)
        except BadMessage as exc:
            log.warning("unreadable note", extra={"error": str(exc)})
            return
        if note is not None:
            self._take(note)

    def _is_new(self, name: bytes) -> bool:
        writer, _, number = name.rpartition(b" ")
        if not number.isdigit():
            return True  # of a version that did not count
        newest = self._newest.pop(writer, 0)
        self._newest[writer] = max(newest, int(number))  # the writer last heard of comes last
        if len(self._newest) > WRITERS:
            del self._newest[next(iter(self._newest))]
        return int(number) > newest
