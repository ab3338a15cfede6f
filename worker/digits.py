"""Keys that the caller presses: a number for the agent, or for the function that waits for one.

    keys --> number --> the agent, as words                      (nobody waits for one)
                    '-> the function `collect_digits`            (it waits)
                    '-> the agent, as words                      (it has answered "waiting")

Each key is in the log as it comes, so that a half-pressed number outlives its worker. Of a
sensitive number neither log nor stream keeps more than that it was pressed.
"""

import json

from shared import record
from worker.common import Common
from worker.deepgram import FunctionCall
from worker.functions import Functions, arguments_of
from worker.keypad import MAX_DIGITS, PAUSE_S, Keypad, pressed, told
from worker.timers import Timer

# An agent that waits longer for an answer may give up: then the digits follow as words.
WAITING_AFTER_S = 8.0
WAITING = '{"status": "waiting: the caller has not pressed the keys yet, they will follow"}'

# What the log is told of a sensitive number.
MASKED = "(masked)"


class Digits:
    """The number that is being pressed, and who waits for it.

    Args:
        typed: What a former owner had of it.
    """

    def __init__(self, common: Common, functions: Functions, typed: str = "") -> None:
        self._common = common
        self._functions = functions
        self._keypad = Keypad(typed)
        self._call: FunctionCall | None = None
        self._is_wanted = False
        self._is_sensitive = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being pressed, and nobody waits for it."""
        return self._keypad.is_idle and not self._is_wanted

    @property
    def is_new(self) -> bool:
        """Whether the next key is a number's first."""
        return self._keypad.is_idle

    def collect(self, call: FunctionCall, now: float) -> None:
        """The agent waits for a number."""
        arguments = arguments_of(call)
        self._keypad.wanted = _count(arguments.get("count"))
        self._is_sensitive = arguments.get("sensitive") is True
        self._call, self._is_wanted = call, True
        self._common.timers.set(Timer.COLLECT, now + WAITING_AFTER_S)

    def cancelled(self, ids: tuple[str, ...]) -> None:
        """The agent does not wait for an answer any more; the number is welcome none the less."""
        if self._call and self._call.id in ids:
            self._call = None
            self._common.timers.stop(Timer.COLLECT)

    def new_agent(self) -> None:
        """Whoever waits for an answer is gone."""
        self._call = None
        self._common.timers.stop(Timer.COLLECT)

    def answer_waiting(self) -> None:
        """The number takes its time: the agent is not kept waiting for it."""
        if self._call:
            self._functions.settle(self._call, WAITING)
            self._call = None

    def press(self, digit: str, sequence: int, now: float) -> str:
        """One key. Returns what to tell the agent, if that ended a number it is told in words."""
        if self._is_sensitive:
            self._common.effects.forget_up += (sequence,)
        elif digit != "#":
            self._common.log(record.Typed(digit, self._common.up))
        if self._keypad.press(digit):
            return self.end()
        self._common.timers.set(Timer.DIGITS, now + PAUSE_S)
        return ""

    def end(self) -> str:
        """The number is whole. Returns what to tell the agent in words, if anything."""
        self._common.timers.stop(Timer.DIGITS, Timer.COLLECT)
        digits = self._keypad.take()
        was_wanted, call, is_sensitive = self._is_wanted, self._call, self._is_sensitive
        self._is_wanted, self._call, self._is_sensitive = False, None, False
        masked = MASKED if is_sensitive else ""
        if call:
            self._functions.settle(call, json.dumps({"digits": digits}), masked=masked)
            return ""
        if not digits:
            return ""
        self._common.log(record.Pressed(masked or digits, self._common.up))
        return told(digits) if was_wanted else pressed(digits)


def _count(wanted: object) -> int:
    """How many digits end the number; an agent may ask for anything."""
    text = str(wanted)
    return min(max(int(text), 1), MAX_DIGITS) if text.isdecimal() else MAX_DIGITS
