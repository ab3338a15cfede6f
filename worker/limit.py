"""A call that lasts too long: a minute before its end the caller is told, then there is a goodbye.

Both wait a little for a moment in which nobody speaks, and do without one if there is none. It is
the call's age that counts, so a take-over gives it no second time.
"""

from enum import Enum, auto
from math import inf

from worker.goodbye import CAP_S

# The caller is told so long before; in a call that may not even last that long, never.
WARNED_S = 60.0

# How long a goodbye waits for quiet, and after which time there is no more goodbye to wait for.
PATIENCE_S = 10.0
CUT_AFTER_S = PATIENCE_S + 2 * CAP_S

LOOK_EVERY_S = 0.25


class Due(Enum):
    WARNING = auto()
    GOODBYE = auto()
    END = auto()


class Limit:
    """The time of one call. Times are seconds of any one clock.

    Args:
        max_s: How long a call may last; 0: for ever.
        age_s: How long it has lasted by now.
    """

    def __init__(self, max_s: float, age_s: float, now: float) -> None:
        self._ends_at = now + max_s - age_s if max_s else inf
        self._is_warned = self._ends_at - now <= WARNED_S
        self.again_at = self._ends_at if self._is_warned else self._ends_at - WARNED_S
        """When to look."""

    def look(self, now: float, *, is_quiet: bool) -> Due | None:
        """What it is time for. A goodbye is due until there is one."""
        self.again_at = now + LOOK_EVERY_S
        if now >= self._ends_at + CUT_AFTER_S:
            return Due.END
        if now >= self._ends_at:
            return Due.GOODBYE if is_quiet or now >= self._ends_at + PATIENCE_S else None
        if self._is_warned or not is_quiet:
            return None
        self._is_warned, self.again_at = True, self._ends_at
        return Due.WARNING
