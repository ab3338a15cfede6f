"""An answer that the caller is owed, and how long he waits for it.

Slow thinking is no fault: after a while he is asked for patience, and only much
later is the agent session replaced, once, since the same may befall the next.
Silence while nobody is owed an answer is healthy.
"""

from enum import Enum

# From the caller's confirmed words: a line to bridge the wait, then a new agent session.
FILLER_AFTER_S = 4.0
RENEW_AFTER_S = 15.0


class Due(Enum):
    """What is to be done for a caller who waits."""

    FILLER = "filler"
    RENEW = "renew"
    GIVE_UP = "give up"


class Owed:
    """Whether an answer is owed. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_paused = False
        self._has_filled = False
        self._was_renewed = False

    @property
    def is_owed(self) -> bool:
        return self._since is not None

    def begin(self, now: float, *, is_told: bool = False) -> float:
        """The caller's turn is confirmed, or a function answered. Returns when to `look`.

        Args:
            is_told: Whether he is asked for patience already, for another reason.
        """
        self._since, self._has_filled, self._is_paused = now, is_told, False
        return now + (RENEW_AFTER_S if is_told else FILLER_AFTER_S)

    def answered(self) -> None:
        """The agent speaks: this wait is over, and the next is another matter."""
        self.stop()
        self._was_renewed = False

    def stop(self) -> None:
        """Nothing is owed any more."""
        self._since, self._is_paused = None, False

    def pause(self) -> None:
        """The caller speaks again, or a function is under way: the agent need not answer now."""
        self._is_paused = True

    @property
    def is_paused(self) -> bool:
        """Whether what was owed before is owed again when that comes to nothing."""
        return self._since is not None and self._is_paused

    def look(self, now: float) -> tuple[Due | None, float | None]:
        """What is to be done now, and when to look again."""
        if self._since is None or self._is_paused:
            return None, None
        if not self._has_filled:
            self._has_filled = True
            return Due.FILLER, self._since + RENEW_AFTER_S
        self._since = None
        if self._was_renewed:
            return Due.GIVE_UP, None
        self._was_renewed = True
        return Due.RENEW, None
