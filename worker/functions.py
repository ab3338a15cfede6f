"""The operator's functions under way: each is run once, and what it answers reaches the agent.

    FunctionCallRequest --> asked (in the log) --> run --> answered (in the log) --> agent

Asked for the same thing again in the same turn, a function is not run again: the answer
comes from the log, or from the run that is under way. An agent session that has ended
cannot be answered; then the next one is told what came of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared import record
from worker import deepgram
from worker.common import Common
from worker.deepgram import FunctionAnswered, FunctionCall
from worker.terms import ToolCall
from worker.timers import Timer
from worker.tools import END_CALL, TRANSFER_CALL, failed, key_of

# A function that takes longer than this is bridged by its filler, if it has one.
FILLER_AFTER_S = 1.5

# Functions whose answer is not all that comes of them.
ENDINGS = (END_CALL, TRANSFER_CALL)

# What stands for an answer that nobody wrote down: the function may have run.
UNKNOWN_OUTCOME = "interrupted, outcome unknown, do not repeat"


@dataclass(slots=True)
class _Run:
    """One run, and the requests that wait for it: the repeats of a request share its run."""

    name: str
    calls: list[tuple[int, FunctionCall]] = field(default_factory=list)  # each with its session


def arguments_in(text: str) -> dict[str, object]:
    """A function's arguments; none if they are no JSON object."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


class Functions:
    """Functions asked for and not answered yet.

    Args:
        own: The operator's, by name, with the filler of each.
    """

    def __init__(self, common: Common, call_sid: str, own: Mapping[str, str]) -> None:
        self._common = common
        self._call_sid = call_sid
        self._own = own
        self._runs: dict[str, _Run] = {}
        self._others: dict[str, str] = {}  # that Deepgram calls itself: id -> name
        self._session = 0
        self.filler = ""
        """What to say if they take long."""

    @property
    def is_idle(self) -> bool:
        return not self._runs

    def new_agent(self) -> None:
        """Those under way belong to an agent that is gone."""
        self._session += 1
        self._others.clear()

    def request(self, call: FunctionCall, turn: int) -> None:
        """Write down that a function was asked for, whoever calls it."""
        key = key_of(self._call_sid, turn, call.name, call.arguments)
        asked = (call.id, call.name, call.arguments, turn, self._common.up, call.signature, key)
        self._common.log(record.ToolAsked(*asked, is_ours=call.client_side))
        if not call.client_side:
            self._others[call.id] = call.name

    def overhear(self, answered: FunctionAnswered) -> None:
        """Write down what one has answered that Deepgram called itself."""
        for call_id, name in self._others.items():
            if name == answered.name and answered.id in (call_id, ""):
                del self._others[call_id]
                up = self._common.up
                self._common.log(record.ToolAnswered(call_id, name, answered.content, up))
                return

    def settle(self, call: FunctionCall, content: str, *, masked: str = "") -> None:
        """Answer a function. `masked`: what the log is told instead."""
        up = self._common.up
        kept = record.ToolAnswered(call.id, call.name, masked or content, up)
        self._common.log(record.ToolAnswered(call.id, call.name, content, up), kept=kept)
        self._common.effects.agent.append(deepgram.function_call_response(call, content))

    def repeat(self, call: FunctionCall, turn: int) -> bool:
        """Answer a request as it was in this turn already. Returns whether it was."""
        key = key_of(self._call_sid, turn, call.name, call.arguments)
        known = self._answer_to(call, key, turn)
        if known is None:
            return False
        self.request(call, turn)
        self.settle(call, known)
        return True

    def run(self, call: FunctionCall, turn: int, now: float) -> None:
        """Have one of the operator's functions run, unless it has been in this turn."""
        if self.repeat(call, turn):
            return
        key = key_of(self._call_sid, turn, call.name, call.arguments)
        self.request(call, turn)
        if key in self._runs:
            self._runs[key].calls.append((self._session, call))
        else:
            self._runs[key] = _Run(call.name, [(self._session, call)])
            tool_call = ToolCall(call.id, call.name, call.arguments, key)
            self._common.effects.run += (tool_call,)
            self._expect(self._own[call.name], now)

    def _expect(self, filler: str, now: float) -> None:
        if filler:
            self.filler = filler
            self._common.timers.start(Timer.FILLER, now + FILLER_AFTER_S)

    def _answer_to(self, call: FunctionCall, key: str, turn: int) -> str | None:
        """What this very request was answered in this turn, by the log.

        It may have been run by an owner who died of it: whether it was done is not known. An end
        or a transfer that came to nothing may be asked for again.
        """
        asked: set[str] = set()
        known: str | None = None
        for _, entry in self._common.history:
            match entry:
                case record.ToolAsked(call_id, turn=in_turn) if in_turn == turn:
                    if self._key_of(entry) == key:
                        asked.add(call_id)
                case record.ToolAnswered(call_id, _, content) if call_id in asked:
                    known = content if known is None else known
                case record.ToolCancelled(call_id):
                    asked.discard(call_id)
                case record.DialFailed() | record.Ending("") if call.name in ENDINGS:
                    asked, known = set(), None
        if known is None and asked and key not in self._runs:
            return failed(UNKNOWN_OUTCOME)
        return known

    def _key_of(self, asked: record.ToolAsked) -> str:
        """The key of a request in the log; an older version wrote none."""
        return asked.key or key_of(self._call_sid, asked.turn, asked.name, asked.arguments)

    def answered(self, key: str, content: str) -> str:
        """A run has ended. Returns what to tell an agent that did not ask for it, if it is one."""
        run = self._runs.pop(key, None)
        if run is None:
            return ""  # it was taken back
        if self.is_idle:
            self._common.timers.stop(Timer.FILLER)
        is_told = False
        for session, call in run.calls:
            if session == self._session:
                self.settle(call, content)
                is_told = True
            else:
                up = self._common.up
                self._common.log(record.ToolAnswered(call.id, call.name, content, up))
        return "" if is_told else f"(The function {run.name} has answered: {content})"

    def cancelled(self, ids: Iterable[str]) -> None:
        """The agent has taken requests back: they get no answer, and need no run."""
        for call_id in ids:
            name = self._others.pop(call_id, "")
            for key, run in list(self._runs.items()):
                left = [(session, call) for session, call in run.calls if call.id != call_id]
                if len(left) < len(run.calls):
                    name, run.calls = run.name, left
                if not left:
                    del self._runs[key]
                    self._common.effects.cancel += (key,)
            self._common.log(record.ToolCancelled(call_id, name, self._common.up))
        if self.is_idle:
            self._common.timers.stop(Timer.FILLER)
