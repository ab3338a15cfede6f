"""The end of a call: a goodbye that is heard, called off, or had to be made up; then it is over."""

from shared import record
from shared.causes import Cause
from shared.messages import Ended
from worker.common import Common
from worker.cues import Cues
from worker.goodbye import WORDS_TO_GO_ON, Goodbye
from worker.history import Past
from worker.speech import Speech
from worker.terms import State, Terms
from worker.timers import Timer
from worker.waiting import Waiting

# Ends that nothing calls off.
FINAL = (Cause.TIME_IS_UP, Cause.ANSWERING_MACHINE)

# How often to ask whether the goodbye has been heard, besides at each news of it.
LOOK_S = 0.1


class Ending:
    """How a call ends, from the wish to the end."""

    def __init__(
        self, common: Common, terms: Terms, cues: Cues, speech: Speech, waiting: Waiting, past: Past
    ) -> None:
        self._common = common
        self._terms = terms
        self._cues = cues
        self._speech = speech
        self._waiting = waiting
        self._was_over = past.is_over and terms.is_takeover
        self._transfer_to = past.transfer
        self.goodbye: Goodbye | None = None
        self.has_spoken = False
        """Whether the agent has spoken since the caller's last words."""
        self.wanted_by = ""
        """Id of the function that asked for the end."""

    def start(self, cause: str, now: float, *, wanted_by: str = "", transfer: str = "") -> None:
        """What the agent says now is the goodbye.

        Args:
            wanted_by: Id of the function that asked for it.
            transfer: Whom the caller goes to then, if to anybody.
        """
        if self._common.state is not State.TALKING:
            return
        self.wanted_by = wanted_by
        if transfer:
            self._transfer_to = transfer
            self._common.log(record.Transferring(transfer, self._common.up))
        self._common.state = State.ENDING
        self._waiting.stop()
        self._common.timers.stop(Timer.HOLD)
        self.goodbye = Goodbye(cause, now, said_already=self.has_spoken)
        self._common.log(record.Ending(cause, self._common.up))
        self._speech.expect_answer()
        self.see(now)

    def begin(self, goodbye: Goodbye, now: float) -> None:
        """What the agent will say is the goodbye, and nothing calls it off."""
        self._common.state = State.ENDING
        self.goodbye = goodbye
        self._common.timers.set(Timer.GOODBYE, now)

    def forget(self) -> None:
        """Whatever end there was to be, there is another."""
        self.goodbye, self._transfer_to = None, ""

    def resume(self, cause: str, now: float) -> None:
        """A former owner's, or a former agent's, goodbye: whatever was said of it is all."""
        self._common.state = State.ENDING
        self.goodbye = Goodbye(cause, now, said_already=True)

    def say(self, cause: str, now: float) -> None:
        """End the call with words that the agent did not think of, unless it ends already."""
        if self._common.state is not State.TALKING:
            return
        self.has_spoken = False
        self.start(cause, now)
        self._say(now)

    def _say(self, now: float) -> None:
        self._cues.line(self._terms.goodbye)
        if self.goodbye:
            self.goodbye.inject(now)

    def give_up(self, now: float, *, has_phone: bool) -> None:
        """There will be no agent: the caller is told, then the call ends."""
        common = self._common
        common.timers.stop(Timer.READY, Timer.FEED, Timer.CONNECT, Timer.HOLD)
        common.effects.disconnect = True
        self.resume(Cause.AGENT_FAILED, now)
        self._speech.line(self._terms.apology, now)
        self.sound(now)
        if self.goodbye:
            self.goodbye.done(now)
        if has_phone:
            common.timers.set(Timer.GOODBYE, now)

    # -- news of the goodbye ---------------------------------------------------

    def sound(self, now: float) -> None:
        """A piece of it comes."""
        if self.goodbye:
            self.goodbye.sound(now)

    def done(self, now: float) -> None:
        """AgentAudioDone."""
        if self.goodbye:
            self.goodbye.done(now)
            self.see(now)

    def echoed(self, now: float) -> None:
        """The caller is still listening to it."""
        if self.goodbye:
            self.goodbye.news(now)
            self.see(now)

    def attached(self, now: float) -> None:
        """A phone has come (back), and is sent what was not heard."""
        if self.goodbye:
            self.goodbye.attached(now)
            self._common.timers.set(Timer.GOODBYE, now)

    def rejoined(self, now: float) -> None:
        """The phone was there before us."""
        if self.goodbye:
            self._common.timers.set(Timer.GOODBYE, now)

    def agent_lost(self, now: float) -> None:
        """Nothing more of it will come."""
        if self.goodbye:
            self.goodbye.agent_lost(now)
            self.see(now)

    def refused(self) -> None:
        """The agent takes no words now: they come after the turn."""
        if self.goodbye:
            self.goodbye.refused()

    def injected_again(self, now: float) -> None:
        """What the agent had refused is tried once more."""
        if self.goodbye and self.goodbye.was_injected:
            self.goodbye.inject(now)

    def see(self, now: float) -> None:
        """Whether it has been heard."""
        goodbye = self.goodbye
        if goodbye is None:
            return
        is_heard_out = self._speech.playout.is_heard_out and not self._speech.is_talked_to
        if goodbye.is_over(now, is_heard_out=is_heard_out):
            self.end(goodbye.cause)
            return
        if goodbye.wants_words(now) and self._cues.has_agent:
            self._say(now)
        self._common.timers.set(Timer.GOODBYE, now + LOOK_S)

    # -- the caller, or the agent, wants to go on -------------------------------

    def talked(self, words: str) -> None:
        """The caller says something; more than a word of goodbye calls most ends off."""
        if self.goodbye and len(words.split()) > WORDS_TO_GO_ON:
            self.call_off()

    def cancelled(self, ids: tuple[str, ...]) -> None:
        """The agent has taken functions back: perhaps the wish to end."""
        if self.goodbye and self.wanted_by in ids:
            self.call_off()

    def call_off(self) -> None:
        """The call goes on, if its end is one that can be called off."""
        if self.goodbye and self.goodbye.cause in FINAL:
            return
        if self.goodbye and self.goodbye.was_injected:
            self._cues.give_up(self._terms.goodbye)
        self._common.state = State.TALKING
        self.goodbye = None
        self._transfer_to = ""
        self._common.log(record.Ending("", self._common.up))
        self._common.timers.stop(Timer.GOODBYE)

    # -- over ------------------------------------------------------------------

    def end(self, cause: str) -> None:
        """The call is over: nothing that comes later changes that."""
        common = self._common
        if common.state is State.OVER:
            return
        common.state = State.OVER
        common.timers.stop_all()
        common.effects.connect = False
        common.effects.forget_up += common.privacy.to_delete()
        if cause == Cause.TRANSFERRED:
            common.effects.transfer = self._transfer_to
        if not self._was_over:  # else its former owner has logged that, and come no further
            common.log(record.Over(cause, common.up))
        common.effects.phone.append(Ended(cause))
        common.effects.over = cause
