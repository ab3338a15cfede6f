"""The waits of a conversation: for what, and until when, by whatever clock it is told."""

from enum import IntEnum, auto
from math import inf


class Timer(IntEnum):
    CONNECT = auto()
    READY = auto()
    RING = auto()
    REATTACH = auto()
    FEED = auto()
    CATCH_UP = auto()
    LULL = auto()
    DONE = auto()
    OWED = auto()
    FILLER = auto()
    DIGITS = auto()
    COLLECT = auto()
    HOLD = auto()
    GOODBYE = auto()
    LIMIT = auto()


class Timers:
    """Those that run; one of each kind at most."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}
        self.next = inf
        """Not before this time is one of them due. Found anew by `due`, not each time one moves."""

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._at

    def set(self, timer: Timer, at: float) -> None:
        """Let it be due at that time, whether it runs or not."""
        self._at[timer] = at
        self.next = min(self.next, at)

    def start(self, timer: Timer, at: float) -> None:
        """Let it be due at that time, unless it runs."""
        if timer not in self._at:
            self.set(timer, at)

    def stop(self, *timers: Timer) -> None:
        """Forget these."""
        for timer in timers:
            self._at.pop(timer, None)

    def stop_all(self) -> None:
        """Forget all."""
        self._at.clear()
        self.next = inf

    def due(self, now: float) -> list[tuple[Timer, float]]:
        """Those whose time has come, with that time. One stopped meanwhile is none: ask `take`."""
        due = [(timer, at) for timer, at in self._at.items() if at <= now]
        self.next = min((at for at in self._at.values() if at > now), default=inf)
        return due

    def take(self, timer: Timer, at: float) -> bool:
        """Whether this one is still due at that time; if so, it runs no more."""
        if self._at.get(timer) != at:
            return False
        del self._at[timer]
        return True
