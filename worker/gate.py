"""What an interruption silences: sound of the cut turn that is still on its way.

Deepgram stops generating when it hears the caller, but what it had sent before
it noticed still arrives after `UserStartedSpeaking`. So that closes the gate, and
the next turn's first sentence opens it: text always comes before its sound, on
the same socket.

    UserStartedSpeaking                      text of the next turn
            |  late sound, dropped  |               |
    --------x=======================================o---- sound flows ---->

A sentence that comes right behind the interruption, with nothing between that
could have called for it, is the cut turn's own and opens nothing. Should no text
come at all, sound that follows a confirmed caller's turn by a second is let in:
a caller who hears a stray syllable is better off than one who hears nothing.

Of a key that the caller presses Deepgram knows nothing, and goes on with its menu. So
after one no sentence opens the gate before the number is whole, or the answer is over.
"""

from math import inf

# A sentence this soon after an interruption was under way before it.
LATE_TEXT_S = 0.5

# Sound this long after the caller's confirmed words can only be the answer.
FAIL_SAFE_S = 1.0


class Gate:
    """Whether the agent's sound goes to the phone. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self.is_open = True
        self._late_until = 0.0
        self._answer_may_come = False
        self._confirmed_at: float | None = None

    def close(self, now: float, *, by_key: bool = False) -> None:
        """The caller began to speak; or to press keys, of which the agent does not know."""
        self.is_open = False
        self._late_until = inf if by_key else now + LATE_TEXT_S
        self._answer_may_come = False
        self._confirmed_at = None

    def expect_answer(self) -> None:
        """The cut turn is over (AgentAudioDone), or there is something else to answer."""
        self._answer_may_come = True

    def confirm(self, now: float) -> None:
        """The caller's words are confirmed: what comes next answers them."""
        self._answer_may_come = True
        self._confirmed_at = now

    def text(self, now: float) -> bool:
        """A sentence of the agent comes. Returns whether its sound will be heard."""
        if self._answer_may_come or now >= self._late_until:
            self.is_open = True
        return self.is_open

    def sound(self, now: float) -> bool:
        """Sound of the agent comes. Returns whether it goes through."""
        if not self.is_open and self._confirmed_at is not None:
            self.is_open = now - self._confirmed_at >= FAIL_SAFE_S
        return self.is_open
