"""Many measurements, told in five numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are distributed, in milliseconds; nothing was measured if `count` is 0."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


def spread(seconds: Sequence[float]) -> Spread:
    """The spread of durations: each percentile is a value that was measured (nearest rank)."""
    if not seconds:
        return Spread()
    ranked = sorted(seconds)
    p50, p95, p99 = (_ms(ranked[_rank(len(ranked), percent)]) for percent in PERCENTILES)
    return Spread(len(ranked), p50, p95, p99, _ms(ranked[-1]))


def _rank(count: int, percent: int) -> int:
    return max(0, -(-count * percent // 100) - 1)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
