"""The waits of a conversation: for what, and until when, by whatever clock it is told."""

from enum import Enum


class Timer(Enum):
    CONNECT = "connect"
    READY = "ready"
    RING = "ring"
    REATTACH = "reattach"
    FEED = "feed"
    CATCH_UP = "catch up"
    LULL = "lull"
    DIGITS = "digits"
    HOLD = "hold"
    GOODBYE = "goodbye"


class Timers:
    """Those that run; one of each kind at most."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._at

    @property
    def next(self) -> float | None:
        """When the first of them is due."""
        return min(self._at.values(), default=None)

    def set(self, timer: Timer, at: float) -> None:
        """Let it be due at that time, whether it runs or not."""
        self._at[timer] = at

    def start(self, timer: Timer, at: float) -> None:
        """Let it be due at that time, unless it runs."""
        self._at.setdefault(timer, at)

    def stop(self, *timers: Timer) -> None:
        """Forget these."""
        for timer in timers:
            self._at.pop(timer, None)

    def stop_all(self) -> None:
        """Forget all."""
        self._at.clear()

    def due(self, now: float) -> list[tuple[Timer, float]]:
        """Those whose time has come, with that time. One stopped meanwhile is none: ask `take`."""
        return [(timer, at) for timer, at in self._at.items() if at <= now]

    def take(self, timer: Timer, at: float) -> bool:
        """Whether this one is still due at that time; if so, it runs no more."""
        if self._at.get(timer) != at:
            return False
        del self._at[timer]
        return True
