"""Whether anybody is still there: silence of both sides, and noises that nobody is behind."""

from shared.causes import Cause
from worker.common import Common
from worker.cues import Cues
from worker.ending import Ending
from worker.terms import State, Terms

# Noises in a row that nobody can be behind.
NOISES_IN_A_ROW = 5

# A caller who says nothing is asked so often whether he is there; then the call ends.
PROMPTS = 2


class Presence:
    """The caller's signs of life, and what is done for want of them. Times are seconds."""

    def __init__(self, common: Common, terms: Terms, cues: Cues, ending: Ending) -> None:
        self._common = common
        self._terms = terms
        self._cues = cues
        self._ending = ending
        self._noises = 0
        self._prompts = 0
        self._idle_since: float | None = None

    def seen(self) -> None:
        """The caller has spoken, or pressed a key."""
        self._noises = self._prompts = 0

    def noise(self, now: float) -> None:
        """A turn that never was."""
        self._noises += 1
        if self._noises >= NOISES_IN_A_ROW and self._common.state is State.TALKING:
            self._noises = 0  # should he speak up after all
            self._ending.say(Cause.NOBODY_THERE, now)

    def look(self, now: float, *, is_idle: bool) -> None:
        """Now and then. `is_idle`: whether nobody speaks just now, nor is owed anything."""
        if not is_idle or not self._terms.idle_s:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self._terms.idle_s:
            self._idle_since = None
            self._ask(now)

    def _ask(self, now: float) -> None:
        """Neither side has spoken for long."""
        self._prompts += 1
        if self._prompts > PROMPTS:
            self._ending.say(Cause.NOBODY_THERE, now)
        else:
            self._cues.line(self._terms.still_there)
