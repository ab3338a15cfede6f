"""The phone's playback buffer, as far as a worker can tell: when sound is heard, which marks echo.

Sound is played in order and without a pause while there is any, so the moment at
which a piece will be heard is known when it arrives, and only a clear changes it.
A mark is echoed when all sound before it has been heard, at once if there is none;
a clear drops what was not heard and echoes every mark that is left.

No clock: times are arguments, milliseconds of the caller's clock, never going back.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

BYTES_PER_MS = 8


@dataclass(slots=True)
class Stretch:
    """Sound without a break, from `start_ms` up to `end_ms`."""

    start_ms: float
    end_ms: float


class Playback:
    """One phone. Methods return the names of the marks that are echoed by then, in order."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        """What is heard, up to the end of all that has arrived."""
        self._now = 0.0
        self._marks: deque[tuple[float, str]] = deque()

    @property
    def end_ms(self) -> float:
        """When all that has arrived is heard; in the past if nothing is left."""
        return self.stretches[-1].end_ms if self.stretches else 0.0

    @property
    def is_playing(self) -> bool:
        return self.end_ms > self._now

    def sound(self, length: int, now_ms: float) -> list[str]:
        """So many bytes of sound arrive."""
        echoed = self.advance(now_ms)
        start = max(self._now, self.end_ms)
        if not self.stretches or start > self.stretches[-1].end_ms:
            self.stretches.append(Stretch(start, start))
        self.stretches[-1].end_ms += length / BYTES_PER_MS
        return echoed

    def mark(self, name: str, now_ms: float) -> list[str]:
        """A mark arrives."""
        echoed = self.advance(now_ms)
        self._marks.append((max(self._now, self.end_ms), name))
        return echoed + self._due()

    def clear(self, now_ms: float) -> list[str]:
        """Forget all that was not heard."""
        echoed = self.advance(now_ms)
        while self.stretches and self.stretches[-1].start_ms >= self._now:
            self.stretches.pop()
        if self.stretches:
            self.stretches[-1].end_ms = min(self.stretches[-1].end_ms, self._now)
        echoed += [name for _, name in self._marks]
        self._marks.clear()
        return echoed

    def advance(self, now_ms: float) -> list[str]:
        """Time passes."""
        self._now = max(self._now, now_ms)
        return self._due()

    def _due(self) -> list[str]:
        echoed = []
        while self._marks and self._marks[0][0] <= self._now:
            echoed.append(self._marks.popleft()[1])
        return echoed


def heard_from(stretches: Sequence[Stretch], ms: float) -> float | None:
    """The first moment from this one on at which there is sound; None if there is none."""
    index = bisect_right(stretches, ms, key=lambda stretch: stretch.end_ms)
    return max(ms, stretches[index].start_ms) if index < len(stretches) else None


def quiet_since(stretches: Sequence[Stretch], ms: float) -> float | None:
    """When the sound ended that was heard last before this moment; None if it goes on, or never."""
    begun = bisect_right(stretches, ms, key=lambda stretch: stretch.start_ms)
    if not begun or stretches[begun - 1].end_ms > ms:
        return None
    return stretches[begun - 1].end_ms


def heard_ms(stretches: Sequence[Stretch], from_ms: float, to_ms: float) -> float:
    """How much sound there is between two moments."""
    parts = (min(s.end_ms, to_ms) - max(s.start_ms, from_ms) for s in stretches)
    return sum(part for part in parts if part > 0)
