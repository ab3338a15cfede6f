"""An attack: what is tried, what it may get, and how it is done."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sim.attacks.fort import Fort, Spent

Try = Callable[[Fort], Awaitable[str | Counter[str]]]
"""Does it. Returns what it got; for many attempts at once, how often it got what."""


@dataclass(frozen=True, slots=True)
class Attack:
    what: str
    may_get: tuple[str, ...]
    do: Try
    is_slow: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attack."""

    what: str
    may_get: tuple[str, ...]
    got: Counter[str]
    spent: Spent

    @property
    def has_failed(self) -> bool:
        """Whether it got nothing but what it may get, and nothing was spent on it."""
        return bool(self.got) and self.got.keys() <= set(self.may_get) and self.spent == Spent()


def attack(what: str, *may_get: str, is_slow: bool = False) -> Callable[[Try], Attack]:
    """Make a function an attack.

    Args:
        is_slow: Whether it takes seconds, so that it is done beside others.
    """
    return lambda do: Attack(what, may_get, do, is_slow)
