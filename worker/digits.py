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
from worker.history import Past
from worker.keypad import LOST, MASKED, PAUSE_S, WAITING, Keypad, pressed, told, wanted
from worker.timers import Timer

# An agent that waits longer for an answer may give up: then the digits follow as words.
WAITING_AFTER_S = 8.0

# A number that has not come for so long will not come.
FORGOTTEN_AFTER_S = 60.0


class Digits:
    """The number that is being pressed, and who waits for it.

    Args:
        past: What a former owner had of it, and what the agent had asked him for.
    """

    def __init__(self, common: Common, functions: Functions, past: Past) -> None:
        self._common = common
        self._functions = functions
        self._keypad = Keypad(past.typed)
        self._call: FunctionCall | None = None
        self._wanted = wanted = past.wanted
        self._is_sensitive = past.hides_digits  # until a number has come, however late
        self._forgets_at = 0.0
        self._is_broken = past.is_number_lost
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

    def collect(self, call: FunctionCall, now: float) -> None:
        """The agent waits for a number."""
        self.answer_waiting()  # to who asked before
        asked = wanted(arguments_in(call.arguments))
        is_awaited = self._wanted is not None or not self._keypad.is_idle
        self._is_sensitive = asked.is_sensitive or (self._is_sensitive and is_awaited)
        self._wanted = asked
        self._keypad.wanted = asked.count
        self._call = call
        self._forgets_at = now + WAITING_AFTER_S + FORGOTTEN_AFTER_S
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
        self.answer_waiting()
        if now < self._forgets_at:
            self._common.timers.set(Timer.COLLECT, self._forgets_at)
        elif self._keypad.is_idle:
            self._forget()

    def answer_waiting(self) -> None:
        if self._call:
            self._functions.settle(self._call, WAITING)
            self._call = None

    def _forget(self) -> None:
        self._wanted, self._is_broken = None, False
        self._common.timers.stop(Timer.COLLECT)

    def press(self, digit: str, sequence: int, now: float) -> str | None:
        """One key. Returns what to tell the agent, see `end`; None while the number goes on."""
        if self._is_sensitive:
            self._common.effects.forget_up += (sequence,)
        if digit != "#":
            self._common.log(record.Typed("" if self._is_sensitive else digit, self._common.up))
        if self._keypad.press(digit):
            return self.end()
        self._common.timers.set(Timer.DIGITS, now + PAUSE_S)
        return None

    def end(self) -> str | None:
        """The number is whole.

        Returns:
            What to tell the agent in words; "" if it was told, since it had asked; None if there is
            nothing to tell.
        """
        self._common.timers.stop(Timer.DIGITS)
        digits = self._keypad.take()
        was_wanted, call, is_broken = self._wanted, self._call, self._is_broken
        masked = MASKED if self._is_sensitive else ""
        if masked:
            self._common.privacy.hide(digits)
        self._call, self._is_sensitive = None, False
        self._forget()
        if call:
            content = LOST if is_broken else json.dumps({"digits": digits})
            self._functions.settle(call, content, masked=masked)
            return ""
        if not digits and not is_broken:
            return None
        up = self._common.up
        number = record.Pressed(MASKED if is_broken else digits, up)
        self._common.log(number, kept=record.Pressed(masked or digits, up))
        if is_broken:
            return LOST
        return told(digits) if was_wanted else pressed(digits)
