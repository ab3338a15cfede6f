"""What the agent asks for: functions of ours and the operator's, and keys that answer one.

FunctionCallRequest --> the operator's: run            --> answered when it has run
                    '-> end_call, transfer_call        --> answered at once, then the goodbye
                    '-> collect_digits                 --> answered when the number is whole
                    '-> Deepgram's to call: written down, as is what it answers
"""

from shared.causes import Cause
from worker.common import Common
from worker.cues import Cues
from worker.deepgram import FunctionAnswered, FunctionCall
from worker.digits import FORGOTTEN_AFTER_S, Digits
from worker.ending import Ending
from worker.functions import FILLER_AFTER_S, Functions, arguments_in
from worker.history import Past
from worker.keypad import PAUSE_S
from worker.terms import State, Terms
from worker.timers import Timer
from worker.tools import COLLECT_DIGITS, DONE, END_CALL, TRANSFER_CALL, failed
from worker.waiting import Waiting


class Desk:
    """Functions and keys under way."""

    def __init__(
        self,
        common: Common,
        terms: Terms,
        cues: Cues,
        waiting: Waiting,
        ending: Ending,
        past: Past,
        now: float,
    ) -> None:
        self._common = common
        self._terms = terms
        self._cues = cues
        self._waiting = waiting
        self._ending = ending
        self._turn = past.turns
        self._functions = Functions(common, terms.call_sid, terms.own_tools)
        self._digits = Digits(common, self._functions, past)
        if past.typed or past.is_number_lost:
            common.timers.set(Timer.DIGITS, now + PAUSE_S)
        if past.wanted:
            common.timers.set(Timer.COLLECT, now + FORGOTTEN_AFTER_S)

    @property
    def is_idle(self) -> bool:
        """Whether no function is under way, and no number."""
        return self._digits.is_idle and self._functions.is_idle

    @property
    def filler(self) -> str:
        """What to say while functions take long."""
        return self._functions.filler

    def new_agent(self) -> None:
        """Whoever asked is gone."""
        self._functions.new_agent()
        self._digits.new_agent()
        self._count()

    # -- functions ---------------------------------------------------------------

    def ask(self, call: FunctionCall, now: float, *, is_turn_open: bool) -> None:
        """The agent wants a function called.

        Args:
            is_turn_open: Whether that is for a turn of the caller's whose words are not sure yet.
        """
        turn = self._turn + is_turn_open
        self._waiting.begin(now)  # at the latest when it is answered
        if not call.client_side:
            self._functions.request(call, turn)  # Deepgram calls that one itself
        elif call.name in self._terms.own_tools:
            self._functions.run(call, turn, now)
            self._count()
            if not self._functions.is_idle:
                self._waiting.pause()
        elif call.name == COLLECT_DIGITS and call.name in self._terms.tools:
            self._functions.request(call, turn)
            self._digits.collect(call, now)
            self._count()
            self._waiting.pause()
        elif not self._functions.repeat(call, turn):
            self._functions.request(call, turn)
            self._settle(call, now)

    def _settle(self, call: FunctionCall, now: float) -> None:
        is_ours = call.name in self._terms.tools
        if is_ours and call.name == END_CALL:
            self._functions.settle(call, DONE)
            self._ending.start(Cause.AGENT_ENDED, now, wanted_by=call.id)
        elif is_ours and call.name == TRANSFER_CALL:
            self._transfer(call, now)
        else:
            self._functions.settle(call, failed("there is no such function"))

    def _transfer(self, call: FunctionCall, now: float) -> None:
        """The goodbye is heard first; then the phone's TwiML takes the caller to the other."""
        target = self._terms.transfers.get(str(arguments_in(call.arguments).get("target")), "")
        if not target:
            self._functions.settle(call, failed("there is no such target"))
        elif not self._terms.has_webhook or self._common.state is not State.TALKING:
            self._functions.settle(call, failed("this call cannot be transferred"))
        else:
            self._functions.settle(call, DONE)
            self._ending.start(Cause.TRANSFERRED, now, wanted_by=call.id, transfer=target)

    def answered(self, key: str, content: str, now: float) -> None:
        """One of the operator's functions has ended. `content` is what the agent is told."""
        if self._common.state is State.OVER:
            self._functions.new_agent()  # what ends now is for the log alone
        words = self._functions.answered(key, content)
        self._count()
        if self._common.state is not State.OVER:
            self._cues.as_user(words)
            self._waiting.again(now)

    def overhear(self, answered: FunctionAnswered, now: float) -> None:
        """Deepgram tells what one has answered that it called itself: now it is for the agent."""
        self._functions.overhear(answered)
        self._waiting.pause()
        self._waiting.again(now)

    def cancelled(self, ids: tuple[str, ...], now: float) -> None:
        """The agent has taken requests back."""
        self._functions.cancelled(ids)
        self._digits.cancelled(ids)
        self._count()
        self._ending.cancelled(ids)
        if self.is_idle:
            self._waiting.again(now)

    def _count(self) -> None:
        self._waiting.has_functions = not self._functions.is_idle or self._digits.is_asked

    # -- keys --------------------------------------------------------------------

    @property
    def is_new_number(self) -> bool:
        """Whether the next key is a number's first."""
        return self._digits.is_new

    def talked(self, now: float) -> None:
        """The caller has said something. What takes long is bridged some time after that."""
        self._turn += 1
        self._digits.talked()
        if Timer.FILLER in self._common.timers:
            self._common.timers.set(Timer.FILLER, now + FILLER_AFTER_S)

    def press(self, digit: str, sequence: int, now: float) -> None:
        """One key."""
        self._tell(self._digits.press(digit, sequence, now), now)

    def end_number(self, now: float) -> None:
        """No key has followed."""
        self._tell(self._digits.end(), now)

    def number_is_late(self, now: float) -> None:
        """The agent is not kept waiting for it."""
        self._digits.late(now)
        self._tell(None, now)

    def _tell(self, words: str | None, now: float) -> None:
        """A number is whole, or it is not yet: then there is nothing to tell (None)."""
        if words:
            self._turn += 1
            self._ending.has_spoken = False
            self._cues.as_user(words)
        if words is not None:
            self._cues.expect_answer()
        self._count()
        if self._digits.is_idle:
            self._waiting.again(now)
