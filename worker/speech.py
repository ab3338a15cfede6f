"""The agent's words on their way to the phone: what goes through, what is cut, what was heard.

agent --text, sound--> gate --> playout --> phone
                        ^          |
      UserStartedSpeaking          '--> log: said, cut, answering, finished
"""

from shared import record
from worker import said
from worker.common import Common
from worker.ear import Ear
from worker.gate import Gate
from worker.playout import Cleared, Playout
from worker.terms import Inherited, Line
from worker.timers import Timer

# A pause in the agent's sound that ends an utterance when nothing else does.
LULL_S = 0.12

# Who is in the middle of a sentence is not quiet for so long.
PAUSE_MS = 700

# With all heard and nothing new for so long the answer is over, though AgentAudioDone never came.
# Above what it takes to notice a dead agent socket: what that one was saying is not over.
DONE_S = 6.0


class Speech:
    """What the agent says, from its text and sound to the caller's ear."""

    def __init__(self, common: Common, ear: Ear, playout: Playout) -> None:
        self._common = common
        self.ear = ear
        self._gate = Gate()
        self.playout = playout
        self.latencies: dict[str, float] = {}
        """Of this turn's LatencyReport messages, seconds by Deepgram's names."""
        self.answer_due: tuple[float, int] | None = None
        """Of the turn that no sound has answered: (confirmed at, his clock when last loud)."""
        self.is_answering = False
        """Whether sound of an answer has come, and nothing has told that it is over."""
        self._has_sounded = False  # since the last AgentAudioDone, which may come late
        self.late_bytes = 0
        """Sound of interrupted turns that came too late and was dropped."""

    def inherit(self, inherited: Inherited) -> None:
        """Take over the ledger of a former owner's phone."""
        if inherited.down:
            texts = said.texts(inherited.log)
            self.playout.restore(inherited.down, inherited.echoes, texts)
            self.playout.expect(said.to_this_phone(inherited.log))
        if inherited.is_unserved:
            self.playout.detach()  # all that is not confirmed goes to the phone that is there now

    def new_agent(self) -> None:
        """What the former agent still had to say will not come."""
        self._gate = Gate()
        self.is_answering = self._has_sounded = False
        self._common.effects.phone += self.playout.end()
        self._common.timers.stop(Timer.LULL, Timer.DONE)

    # -- the agent speaks -----------------------------------------------------

    def text(self, text: str, behavior: str, now: float, *, always: bool = False) -> bool:
        """A sentence comes. Returns whether its sound will go through.

        Args:
            always: Whether it does so even in the caller's turn.
        """
        common = self._common
        common.timers.stop(Timer.DONE)
        if self.is_answering:
            common.timers.set(Timer.DONE, now + DONE_S)  # of this one no sound may come
        if always or self._gate.text(now):
            number, ending = self.playout.text(text)
            common.effects.phone += ending
            common.log(record.Said(number, text, common.up, behavior))
            return True
        number = self.playout.unheard_text()
        common.log(record.Said(number, text, common.up, behavior, is_late=True))
        common.log(_unsounded(number, common.up))
        return False

    def sound(self, mulaw: bytes, now: float) -> bool:
        """A piece of sound comes. Returns whether it went through."""
        if not self._gate.sound(now):
            self.late_bytes += len(mulaw)
            return False
        if self.answer_due:
            self._log_answer(self.answer_due, now)
        self.is_answering = self._has_sounded = True
        self._common.effects.phone += self.playout.sound(mulaw)
        self._common.timers.set(Timer.LULL, now + LULL_S)
        return True

    def line(self, line: Line, now: float) -> None:
        """Words of ours, with their sound; no agent is needed for them."""
        self.text(line.text, "bridge", now, always=True)
        self._common.effects.phone += self.playout.sound(line.sound)
        self._common.effects.phone += self.playout.end()

    def lull(self, now: float) -> None:
        """No sound has come for a moment."""
        self._common.effects.phone += self.playout.end()
        self._common.timers.set(Timer.DONE, now + DONE_S)

    def see_done(self, now: float) -> None:
        """Whether the answer is over, since nothing has come for so long."""
        if self.playout.is_heard_out:
            self.is_answering = False
            self._common.log(record.Finished(self._common.up))
        else:
            self._common.timers.set(Timer.DONE, now + DONE_S)

    def done(self) -> None:
        """AgentAudioDone."""
        common = self._common
        common.timers.stop(Timer.LULL, Timer.DONE)
        common.effects.phone += self.playout.end()
        self._gate.expect_answer()
        if not self._has_sounded:
            for number in self.playout.take_silent():
                common.log(_unsounded(number, common.up))
        self.is_answering = self._has_sounded = False
        common.log(record.Finished(common.up))
        if self.latencies:
            common.log(record.Latency(self.latencies, common.up))
            self.latencies = {}

    # -- the caller speaks ----------------------------------------------------

    @property
    def has_unheard(self) -> bool:
        """Whether sound was sent that the caller has not heard yet."""
        return self.playout.heard(self.ear.clock) < self.playout.sent

    @property
    def is_talked_to(self) -> bool:
        """Whether the caller is in the middle of saying something."""
        return self.ear.is_open and self.ear.clock - self.ear.last_loud < PAUSE_MS

    def silence(self, now: float, *, by_key: bool = False) -> None:
        """Take back what the caller has not heard, and let nothing more of it through.

        Args:
            by_key: Whether for a key of his, of which the agent does not know.
        """
        common = self._common
        self.is_answering = False
        common.timers.stop(Timer.LULL, Timer.DONE)
        clear, cut = self.playout.clear(self.ear.clock)
        common.effects.phone += clear
        for each in cut:
            common.log(_cut(each, common.up))
        self._gate.close(now, by_key=by_key)

    def confirm(self, now: float, *, is_turn: bool) -> None:
        """Words are confirmed; what comes next answers them. `is_turn`: they are the caller's."""
        self._gate.confirm(now)
        if is_turn:
            self.answer_due = (now, self.ear.last_loud)

    def expect_answer(self) -> None:
        """A sentence may come though the caller has said nothing: there is something to answer."""
        self._gate.expect_answer()

    def _log_answer(self, due: tuple[float, int], now: float) -> None:
        confirmed_at, last_loud = due
        self.answer_due = None
        latency_ms = round((now - confirmed_at) * 1000)
        silence_ms = max(0, self.ear.clock - last_loud)
        self._common.log(record.Answering(latency_ms, silence_ms, self._common.up))


def _cut(cleared: Cleared, up: int) -> record.Cut:
    return record.Cut(cleared.sentence, cleared.heard_ms, cleared.of_ms, cleared.text, up)


def _unsounded(sentence: int, up: int) -> record.Cut:
    """Of a sentence whose sound nobody heard."""
    return record.Cut(sentence, 0, 0, "", up)
