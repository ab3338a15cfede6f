"""Words of ours on their way to the agent: to be said by it, or answered as the caller's.

as_user, line --> injections --> agent        (waits until there is one that is ready)
                      ^    '---- refused: once more when the turn is over
"""

from worker import deepgram
from worker.common import Common
from worker.injections import Injections
from worker.speech import Speech

BRIDGE = "bridge"
"""The behavior of a line that only bridges a wait: no part of the conversation."""

INJECTED = "injected"
"""The behavior of words that a tool or an operator put into the agent's mouth."""


class Cues:
    """Injects words, and tells the gate that their answer may come."""

    def __init__(self, common: Common, speech: Speech) -> None:
        self._common = common
        self._speech = speech
        self._injections = Injections()
        self.is_for_machine = False
        """Whether a machine has taken the call, to which nothing is to be said but its message."""

    @property
    def has_agent(self) -> bool:
        """Whether an agent is there that takes words."""
        return self._injections.is_ready

    def as_user(self, words: str) -> None:
        """Have the agent answer words that the caller did not say just now, if there are any."""
        if words and not self.is_for_machine:
            self._send(self._injections.send(deepgram.inject_user_message(words), words=words))

    def line(self, text: str, behavior: str = BRIDGE) -> None:
        """Have the agent say something, to a person."""
        if not self.is_for_machine:
            message = deepgram.inject_agent_message(text)
            self._send(self._injections.send(message, line=text, behavior=behavior))

    def _send(self, messages: list[str]) -> None:
        self._common.effects.agent += messages
        self._speech.expect_answer()

    def expect_answer(self) -> None:
        """What the agent says from now on answers something new."""
        self._speech.expect_answer()

    def again(self) -> bool:
        """The turn in the way of a refused one is over. Returns whether it is tried once more."""
        again = self._injections.again()
        if again:
            self._send(again)
        return bool(again)

    def refuse(self) -> str | None:
        """The agent did not take the newest. Returns None if it will be tried again.

        Else the line that will not be said; "" for what is none.
        """
        return self._injections.refuse()

    def for_machine(self) -> None:
        """A machine has taken the call: what was to be said to a person is not wanted."""
        self._injections = Injections()
        self.is_for_machine = True

    def give_up(self, line: str) -> None:
        """This line is not wanted any more."""
        self._injections.give_up(line)

    def behavior_of(self, text: str) -> str:
        """The behavior of a sentence that the agent says because we asked for it; else ""."""
        return self._injections.behavior_of(text)

    def is_ours(self, words: str) -> bool:
        """Whether these confirmed words are not the caller's."""
        return self._injections.is_ours(words)

    def agent_spoke(self) -> None:
        """It has said something, to the end."""
        self._injections.agent_spoke()

    def caller_spoke(self) -> None:
        """The caller has begun to speak."""
        self._injections.caller_spoke()

    # -- the agent comes and goes ---------------------------------------------

    def agent_lost(self) -> None:
        """There is no agent until the next one is ready."""
        self._injections.lost()

    def new_agent(self) -> None:
        """What waits as the caller's words is in the log, and comes from there."""
        self._injections.forget_words()

    def take_back(self, words: str) -> None:
        """What still waits to be injected as these words is not wanted any more."""
        self._injections.take_back(words)

    def agent_ready(self) -> None:
        """The agent takes what has waited for it."""
        self._common.effects.agent += self._injections.ready()
