"""Changes in mid-call that a tool or an operator asks for, and what comes of each.

    Say     --> injected --> the agent says it, within a time      (done)
    Update  --> sent --> acknowledged --> in the log: in force     (done)
    Pause, Resume                                                  (done at once)

An order is done, or it is refused with a reason, once. A change of the Settings that
ends the agent's session is not tried again; the call goes on with those that were in force.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shared import record
from worker import deepgram
from worker.changes import Change, Pause, Resume, Say, Update, whole
from worker.common import Common
from worker.cues import INJECTED, Cues
from worker.deepgram import FINAL_ERRORS
from worker.placeholders import filled, literal
from worker.terms import State

# Changes that wait for an agent, or for what it says to them.
AT_MOST = 8

# Words that the agent has not begun to say by then are counted as lost.
SAID_WITHIN_S = 15.0

LOST = "the agent session was lost: whether it was done is not known"
REFUSED = "the agent refused it"
FULL = "too much is under way"
SPEAKING = "it was not said: somebody was speaking"
UNSAID = "the agent has not said it so far: whether it will is not known"
OVER = "the call is over"
ENDING = "the call is ending"
MACHINE = "an answering machine has taken the call"

# What ends a session that was given a voice or a model which cannot be had.
_BLAMED = FINAL_ERRORS | {"FAILED_TO_SPEAK", "FAILED_TO_THINK"}


@dataclass(frozen=True, slots=True)
class _Saying:
    """Words under way to the agent."""

    order: str
    text: str = field(repr=False)
    until: float  # by when it must have begun to say them


class Steering:
    """Changes under way. Orders without a name are a tool's: nobody is told of them.

    Args:
        variables: What `${env:NAME}` stands for in the Settings in force. Changes are data: in
            them it stands for itself.
    """

    def __init__(self, common: Common, cues: Cues, variables: Mapping[str, str]) -> None:
        self._common = common
        self._variables = variables
        self._cues = cues
        self._is_ready = False
        self._saying: deque[_Saying] = deque()
        self._waiting: deque[tuple[str, Update]] = deque()  # for an agent that is ready
        self._sent: deque[tuple[str, Update]] = deque()  # for its acknowledgement

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the agent, or for what it says to it."""
        return not self._count()

    def take(self, change: Change, settings: str, now: float, order: str = "") -> None:
        """Begin a change.

        Args:
            settings: The Settings in force.
            now: The owner's clock, seconds.
            order: What to call it when telling what came of it.
        """
        if self._common.state in (State.ENDING, State.OVER) and not isinstance(change, Pause):
            self._tell(order, OVER if self._common.state is State.OVER else ENDING)
        elif self._cues.is_for_machine and not isinstance(change, Pause | Resume):
            self._tell(order, MACHINE)
        elif self._count() >= AT_MOST:
            self._tell(order, FULL)
        else:
            self._begin(change, settings, now, order)

    def _count(self) -> int:
        return len(self._saying) + len(self._waiting) + len(self._sent)

    def _begin(self, change: Change, settings: str, now: float, order: str) -> None:
        match change:
            case Say(text):
                self._saying.append(_Saying(order, text.strip(), now + SAID_WITHIN_S))
                self._cues.line(text, INJECTED)
            case Update():
                change = replace(change, content=literal(change.content))
                self._waiting.append((order, whole(change, settings)))
                self._send_waiting()
            case Pause() | Resume():
                self._pause(is_on=isinstance(change, Pause))
                self._tell(order)

    def _pause(self, *, is_on: bool) -> None:
        common = self._common
        if is_on and not common.privacy.is_on:
            common.log(record.Paused(common.up))
            common.privacy.pause()
        elif not is_on and common.privacy.is_on:
            common.privacy.resume()
            common.log(record.Resumed(common.up))

    def _send_waiting(self) -> None:
        while self._is_ready and self._waiting:
            order, update = self._waiting.popleft()
            self._sent.append((order, update))
            message = deepgram.update(update.what, update.content)
            self._common.effects.agent.append(filled(message, self._variables))

    def _tell(self, order: str, refusal: str = "") -> None:
        if order:
            self._common.effects.outcomes += ((order, refusal),)

    # -- what comes of it ------------------------------------------------------

    def acknowledged(self, what: str) -> None:
        """The agent has taken a change of this: acknowledgements come in order."""
        for each in self._sent:
            if each[1].what == what:
                self._sent.remove(each)
                self._common.log(record.Updated(what, each[1].content, self._common.up))
                self._tell(each[0])
                return

    def said(self, text: str, *, is_heard: bool) -> None:
        """The agent says words that were put into its mouth, but perhaps too late to be heard."""
        for each in self._saying:
            if each.text.startswith(text.strip()):
                self._settle(each, "" if is_heard else SPEAKING)
                return

    def refused(self, text: str) -> None:
        """The agent did not take this line, and will not be asked again."""
        for each in self._saying:
            if each.text == text:
                self._settle(each, SPEAKING)
                return

    def look(self, now: float) -> None:
        """Now and then: what has come of words of which the agent says nothing."""
        while self._saying and self._saying[0].until <= now:
            self._settle(self._saying[0], UNSAID)

    def _settle(self, saying: _Saying, refusal: str) -> None:
        self._saying.remove(saying)
        self._tell(saying.order, refusal)

    def agent_ready(self) -> None:
        """What has waited for an agent goes to it."""
        self._is_ready = True
        self._send_waiting()

    def agent_lost(self, code: str = "") -> bool:
        """There is no agent. Returns whether a change that it was given is what ended it."""
        is_to_blame = bool(self._sent) and code in _BLAMED
        for order, _ in self._sent:
            self._tell(order, REFUSED if is_to_blame else LOST)
        for each in self._saying:
            self._tell(each.order, LOST)
        self._is_ready = False
        self._sent.clear()
        self._saying.clear()
        return is_to_blame

    def for_machine(self) -> None:
        """A machine has taken the call: what was meant for a person is not done."""
        self._refuse_all(MACHINE)

    def call_over(self) -> None:
        """Nothing more will be done."""
        self._refuse_all(OVER)

    def _refuse_all(self, refusal: str) -> None:
        for saying in self._saying:
            self._tell(saying.order, refusal)
        for order, _ in (*self._waiting, *self._sent):
            self._tell(order, refusal)
        self._saying.clear()
        self._waiting.clear()
        self._sent.clear()
