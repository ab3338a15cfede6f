"""How fast a core is while we measure, held against the fastest that this machine has shown.

A core may share its hardware, with another of this machine's or with a neighbour nobody sees, or be
slow to wake: then all work takes longer, at times twice as long, and so does everything that is
measured in seconds of CPU. No meter of the machine's own tells of it; a piece of work that is
always the same does.
"""

from functools import cache
from statistics import fmean
from time import thread_time

LAPS = 4000
"""About a quarter of a millisecond, once a second: a core is not the slower for being looked at."""

TRIES = 1000


def lap_s() -> float:
    """Seconds of CPU that the piece of work takes now."""
    began = thread_time()
    total = 0
    for number in range(LAPS):
        total += number * number
    return thread_time() - began


@cache
def best_s() -> float:
    """What it takes at the best: the fastest of many, tried before the load begins."""
    return min(lap_s() for _ in range(TRIES))


class Pace:
    """The pace of a run."""

    def __init__(self) -> None:
        self._best_s = best_s()
        self._laps: list[float] = []

    def look(self) -> None:
        """See how fast a core is now."""
        self._laps.append(lap_s())

    @property
    def share(self) -> float:
        """Of the best pace: 1 is as fast as can be."""
        return min(1.0, self._best_s / fmean(self._laps)) if self._laps else 1.0
