"""Whether a lost agent is worth another attempt, and when.

An agent socket that breaks is opened again at once, then with growing pauses. What
would fail alike (a wrong key, settings that are refused) is not tried again, and
neither is an agent that does not come up in all that time.
"""

from worker.deepgram import FINAL_ERRORS

# Pauses before each attempt, seconds; the last one for all that follow.
PAUSES_S = (0.0, 0.25, 0.5, 1.0)

# A caller does not wait longer than this for somebody to talk to.
GIVE_UP_AFTER_S = 10.0

# A lost agent about which the caller is told: a silence this long feels like a dead line.
SILENT_FOR_S = 2.0
HOLD_EVERY_S = 5.0

# A line that would be said over somebody: how soon to look whether it still would.
LOOK_AGAIN_S = 0.5

# An agent that says nothing proves itself by lasting: one that takes the settings and
# then fails at every answer must not be tried for ever.
PROVEN_AFTER_S = 10.0

# HTTP statuses in place of the upgrade that may be others in a second.
PASSING = frozenset({"http 408", "http 425", "http 429"})


def is_final(code: str) -> bool:
    """Whether a new session would fail as this one did: an error code, or "http STATUS"."""
    return code in FINAL_ERRORS or (code.startswith("http 4") and code not in PASSING)


class Recovery:
    """The attempts since an agent was last ready. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._attempts = 0
        self._since: float | None = None  # when an agent began to be wanted
        self._ready_at: float | None = None

    def begin(self, now: float) -> float:
        """An agent is wanted. Returns since when: if one was wanted before, its time runs on."""
        if self._since is None:
            self._since = now
        return self._since

    def lost(self, code: str, now: float) -> float | None:
        """The agent is gone. Returns when to try again, or None to give up."""
        if self._ready_at is not None and now - self._ready_at >= PROVEN_AFTER_S:
            self.proved()
        if self._ready_at is not None and not self._attempts:
            self._since = now  # it came at once, and until now nobody waited for one
        self._ready_at = None
        since = self.begin(now)
        if is_final(code):
            return None
        at = now + PAUSES_S[min(self._attempts, len(PAUSES_S) - 1)]
        self._attempts += 1
        return at if at - since < GIVE_UP_AFTER_S else None

    def ready(self, now: float) -> None:
        """The agent is there. Whether it is good for anything is still to be seen."""
        self._ready_at = now

    def proved(self) -> None:
        """The agent has spoken: the next loss is another matter."""
        self._attempts = 0
        self._since = None
