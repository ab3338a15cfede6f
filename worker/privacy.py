"""What nobody may read later: sensitive passages, and numbers that were entered as such.

In a passage words and sound reach caller and agent as ever, but the log has marks in their
place, the caller's frames are deleted once nobody needs to listen to them again, and the
agent's sound goes down behind a `Hush`. A sensitive number is masked wherever it turns up.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any

from shared import record
from shared.messages import Audio, Digit, Down, Hush, Up
from worker.keypad import MASKED

PRIVATE = "(not recorded)"
"""What stands in the log for words of a passage."""

# The newest frames of a passage stay for so long (entries of 20 ms): who takes the call over
# listens again from before the utterance that is under way.
KEPT_FRAMES = 100

# A shorter number could be a part of anything.
TELLING_DIGITS = 3

# What may stand between two digits of a number that is read back: "4711", "47 11", "4-7-1-1".
_BETWEEN = r"[\s.,-]{0,3}"

# The fields of log entries that may quote what was said or pressed.
_QUOTING = ("text", "arguments", "content", "digits")


class Privacy:
    """What of a call is kept."""

    def __init__(self) -> None:
        self.is_on = False
        self._lingers = False  # some of a passage's sound may be sent to another phone again
        self._hushes_once = False
        self._secrets: dict[str, re.Pattern[str]] = {}
        self._seen: list[int] = []

    def begin(self, seen: Iterable[int], *, is_on: bool) -> None:
        """Go on from a former owner, who may have paused the recording.

        Args:
            seen: The caller's entries of passages that it has left, in order.
        """
        self.is_on = self._lingers = is_on
        self._seen += seen

    def pause(self) -> None:
        self.is_on = self._lingers = True

    def resume(self) -> None:
        self.is_on = False

    def hide(self, digits: str) -> None:
        """This number is nobody's business any more."""
        if len(digits) >= TELLING_DIGITS:
            self._secrets[digits] = re.compile(_BETWEEN.join(map(re.escape, digits)))

    def seen(self, sequence: int, message: Up) -> None:
        """A caller's entry was read for the first time."""
        if self.is_on and isinstance(message, Audio | Digit):
            self._seen.append(sequence)

    def to_delete(self, given: float = inf) -> tuple[int, ...]:
        """The caller's entries that may go now.

        Args:
            given: The newest entry that an agent has had: of the others, and of those just before
                it, somebody may still have need.
        """
        count = bisect_right(self._seen, given - (KEPT_FRAMES if self.is_on else 0))
        gone, self._seen = self._seen[:count], self._seen[count:]
        return tuple(gone)

    def new_phone(self) -> None:
        """On a new stream the numbers begin anew, and what was not heard is sent once more."""
        self._seen.clear()
        self.sends_again()

    def sends_again(self) -> None:
        """What was kept for a phone goes down now."""
        self._hushes_once = self._lingers

    def heard_out(self) -> None:
        """All that was sent has been heard: nothing of it will be sent again."""
        self._lingers = self.is_on

    def phone(self, messages: list[Down]) -> list[Down]:
        """What goes down, each sound behind its `Hush` if it is not to be kept."""
        if not self.is_on and not self._hushes_once:
            return messages
        self._hushes_once = False
        hushed: list[Down] = []
        for message in messages:
            if isinstance(message, Audio):
                hushed.append(Hush(len(message.mulaw)))
            hushed.append(message)
        return [*hushed, Hush(0)] if len(hushed) > len(messages) else hushed

    def kept(self, entry: record.Entry) -> record.Entry:
        """An entry as the log may have it."""
        if self.is_on:
            entry = _blank(entry)
        return self._masked(entry) if self._secrets else entry

    def _masked(self, entry: record.Entry) -> record.Entry:
        changes: dict[str, Any] = {}
        for name in _QUOTING:
            text = getattr(entry, name, None)
            if isinstance(text, str) and (masked := self._without_secrets(text)) != text:
                changes[name] = masked if name != "arguments" or _is_json(masked) else "{}"
        return replace(entry, **changes) if changes else entry

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets.values():
            text = secret.sub(MASKED, text)
        return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _blank(entry: record.Entry) -> record.Entry:
    """An entry without what was said, asked, answered or pressed."""
    match entry:
        case record.Heard(text) | record.Said(text=text) | record.Cut(text=text) if text.strip():
            return replace(entry, text=PRIVATE)
        case record.ToolAsked():
            return replace(entry, arguments="{}")
        case record.ToolAnswered():
            return replace(entry, content=PRIVATE)
        case record.Pressed():
            return replace(entry, digits=MASKED)
        case record.Typed():
            return replace(entry, digit="")
        case _:
            return entry
