"""Keys that the caller presses: a number for the agent, or for the function that waits for one.

    keys --> number --> the agent, as words                      (nobody waits for one)
                    '-> the function `collect_digits`            (it waits)
                    '-> the agent, as words                      (it has answered "waiting")

Each key is in the log as it comes, so that a half-pressed number outlives its worker. Of a
sensitive number neither log nor stream keeps more than that it was pressed: a successor that
finds one begun tells the agent that it was lost.
"""

import json

from shared import record
from worker.common import Common
from worker.deepgram import FunctionCall
from worker.functions import Functions, arguments_in
from worker.keypad import LOST, MASKED, PAUSE_S, WAITING, Keypad, Wanted, pressed, told, wanted
from worker.timers import Timer

# An agent that waits longer for an answer may give up: then the digits follow as words.
WAITING_AFTER_S = 8.0

# A number that has not come for so long will not come.
FORGOTTEN_AFTER_S = 60.0


class Digits:
    """The number that is being pressed, and who waits for it.

    Args:
        typed: What a former owner had of it.
        wanted: What the agent had asked a former owner for.
    """

    def __init__(
        self, common: Common, functions: Functions, typed: str = "", wanted: Wanted | None = None
    ) -> None:
        self._common = common
        self._functions = functions
        self._keypad = Keypad(typed)
        self._call: FunctionCall | None = None
        self._wanted = wanted
        self._is_broken = bool(wanted and wanted.is_begun)
        if wanted:
            self._keypad.wanted = wanted.count

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being pressed, and nobody waits for it."""
        return self._keypad.is_idle and not self._wanted

    @property
    def is_asked(self) -> bool:
        """Whether an agent waits for the answer of `collect_digits`."""
        return self._call is not None

    @property
    def is_new(self) -> bool:
        """Whether the next key is a number's first."""
        return self._keypad.is_idle

    @property
    def is_sensitive(self) -> bool:
        return bool(self._wanted and self._wanted.is_sensitive)

    def collect(self, call: FunctionCall, now: float) -> None:
        """The agent waits for a number."""
        self.answer_waiting()  # to who asked before
        asked = wanted(arguments_in(call.arguments))
        hides = self.is_sensitive or asked.is_sensitive
        self._wanted = Wanted(asked.count, is_sensitive=hides)
        self._keypad.wanted = asked.count
        self._call = call
        self._common.timers.set(Timer.COLLECT, now + WAITING_AFTER_S)

    def cancelled(self, ids: tuple[str, ...]) -> None:
        """The agent does not wait for an answer any more; the number is welcome none the less."""
        if self._call and self._call.id in ids:
            self._call = None

    def new_agent(self) -> None:
        """Whoever waits for an answer is gone."""
        self._call = None

    def talked(self) -> None:
        """The caller says something instead, to an agent that has been told to wait."""
        if self._keypad.is_idle and self._call is None:
            self._forget()

    def late(self, now: float) -> None:
        """The number takes its time: the agent is not kept waiting for it, nor are we."""
        if self._call:
            self.answer_waiting()
            self._common.timers.set(Timer.COLLECT, now + FORGOTTEN_AFTER_S)
        elif self._keypad.is_idle:
            self._forget()

    def answer_waiting(self) -> None:
        if self._call:
            self._functions.settle(self._call, WAITING)
            self._call = None

    def _forget(self) -> None:
        self._wanted, self._is_broken = None, False
        self._common.timers.stop(Timer.COLLECT)

    def press(self, digit: str, sequence: int, now: float) -> str:
        """One key. Returns what to tell the agent, if that ended a number it is told in words."""
        if self.is_sensitive:
            self._common.effects.forget_up += (sequence,)
        if digit != "#":
            self._common.log(record.Typed("" if self.is_sensitive else digit, self._common.up))
        if self._keypad.press(digit):
            return self.end()
        self._common.timers.set(Timer.DIGITS, now + PAUSE_S)
        return ""

    def end(self) -> str:
        """The number is whole. Returns what to tell the agent in words, if anything."""
        self._common.timers.stop(Timer.DIGITS)
        digits = self._keypad.take()
        was_wanted, call, is_broken = self._wanted, self._call, self._is_broken
        masked = MASKED if self.is_sensitive else ""
        if masked:
            self._common.privacy.hide(digits)
        self._call = None
        self._forget()
        if call:
            self._functions.settle(call, json.dumps({"digits": digits}), masked=masked)
            return ""
        if not digits:
            return ""
        self._common.log(record.Pressed(masked or digits, self._common.up))
        if is_broken:
            return LOST
        return told(digits) if was_wanted else pressed(digits)
