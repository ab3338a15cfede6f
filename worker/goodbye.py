"""When a goodbye has been heard to its end.

`end_call` is answered at once, and what the agent says after that answer is the
goodbye. No single message tells that it is over: `AgentAudioDone` comes long
before the caller has heard it and sometimes never; a mark's echo comes on time,
but more sound may follow. So: all that was sent is heard, and either the agent
has said that it is done or nothing has come for a while. Every wait has an end.
"""

# How long to wait for the goodbye's first sound.
SOUND_WITHIN_S = 4.0

# With all heard and no AgentAudioDone, this long without news is the end, too.
NO_NEWS_S = 1.2

# No goodbye takes longer than this.
CAP_S = 15.0

# A caller who says more than this many words wants to go on.
WORDS_TO_GO_ON = 3


class Goodbye:
    """A call that is about to end. Times are seconds of any one clock.

    Args:
        said_already: Whether the agent spoke in this turn before it asked for the end.
        cap_s: How long it may take.
    """

    def __init__(self, cause: str, now: float, *, said_already: bool, cap_s: float = CAP_S) -> None:
        self.cause = cause
        self.was_injected = False
        self._said_already = said_already
        self._cap_s = cap_s
        self._cap_at = now + cap_s
        self._sound_by = now + SOUND_WITHIN_S
        self._last_news = now
        self._has_sound = False
        self._is_done = False

    def sound(self, now: float) -> None:
        """A piece of the goodbye comes."""
        self._has_sound, self._is_done, self._last_news = True, False, now

    def done(self, now: float) -> None:
        """AgentAudioDone."""
        self._is_done, self._last_news = self._has_sound, now

    def news(self, now: float) -> None:
        """A mark was echoed: the caller is still listening to it."""
        self._last_news = now

    def inject(self, now: float) -> None:
        """The agent file's own goodbye was asked for: sound from before it is none of it."""
        self.was_injected = True
        self._has_sound = self._is_done = False
        self._sound_by = now + SOUND_WITHIN_S
        self._said_already = True

    def refused(self) -> None:
        """The agent takes no words in the caller's turn: they come after it."""
        self._sound_by = self._cap_at

    def attached(self, now: float) -> None:
        """A phone has come (back), and is sent what was not heard: its time begins anew."""
        self._cap_at, self._last_news = now + self._cap_s, now

    def agent_lost(self, now: float) -> None:
        """Nothing more will come: what was sent is all there is."""
        self._is_done, self._said_already, self._sound_by = self._has_sound, True, now

    def wants_words(self, now: float) -> bool:
        """Whether nothing was said, and nothing will be unless we ask for it."""
        return not self._has_sound and not self._said_already and now >= self._sound_by

    def is_over(self, now: float, *, is_heard_out: bool) -> bool:
        """Whether the phone may be put down.

        Args:
            is_heard_out: Whether the phone has confirmed every sound sent, and nobody speaks.
        """
        if now >= self._cap_at:
            return True
        if not is_heard_out:
            return False
        if self._has_sound:
            return self._is_done or now - self._last_news >= NO_NEWS_S
        return self._said_already and now >= self._sound_by
