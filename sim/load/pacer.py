"""One clock for all callers: each frame has an absolute deadline, and no two calls the same.

Calls are spread over the 20 ms by the golden ratio, which spreads any number of them evenly, also
those that join later. A loop that wakes late sends what is due, and how late it was is kept.
"""

import asyncio
from heapq import heappop, heappush, heapreplace
from time import perf_counter as clock

from sim.load.call import Tally
from sim.load.phone import Phone

FRAME_S = 0.02

SHORTEST_SLEEP_S = 0.001
"""uvloop's timers count milliseconds; a shorter one would turn the loop without pause."""

_GOLDEN = 0.6180339887498949


class Pacer:
    """Sends every caller's frames from when he joins until he is gone."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._due: list[tuple[float, int, Phone]] = []
        self._epoch = clock()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, phone: Phone) -> None:
        """Begin with this phone's frames: within 20 ms, or at once if it is late."""
        phase = phone.call.number * _GOLDEN % 1 * FRAME_S
        passed = (clock() - self._epoch - phase) // FRAME_S
        due = self._epoch + phase + (passed + 1) * FRAME_S
        first = clock() if phone.call.is_late else due
        heappush(self._due, (first, phone.call.number, phone))
        if self._timer is None:
            self._wake()

    def _wake(self) -> None:
        now = clock()
        while self._due and self._due[0][0] <= now:
            due, number, phone = self._due[0]
            self._tally.add("lateness", due, now)
            if phone.beat(now):
                heapreplace(self._due, (due + FRAME_S, number, phone))
            else:
                heappop(self._due)
            now = clock()
        self._timer = None
        if self._due:
            wait = max(self._due[0][0] - now, SHORTEST_SLEEP_S)
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)
