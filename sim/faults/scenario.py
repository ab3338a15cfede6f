"""A scenario: one fault, what must hold, and how it is played.

A row's module registers its scenarios with `@scenario`. To play one is to do the harm to a stack of
its own and to fill in the stage's finding; what raises is a failure, too.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sim.faults.stage import Stage

Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table."""

    name: str
    row: int
    """Which row of the design's table of faults it belongs to."""
    fault: str
    must: str
    play: Play
    is_alone: bool = False
    """Whether its figures suffer from others beside it."""
    in_gate: bool = True
    """Whether it is quick enough for the gate."""
    limit_s: float = 60.0


SCENARIOS: dict[str, Scenario] = {}
"""All of them by name, in the table's order."""


def scenario(
    row: int,
    fault: str,
    must: str,
    *,
    is_alone: bool = False,
    in_gate: bool = True,
    limit_s: float = 60.0,
) -> Callable[[Play], Play]:
    """Register a function as the scenario of its name."""

    def register(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        assert name not in SCENARIOS, f"two scenarios are called {name}"
        SCENARIOS[name] = Scenario(name, row, fault, must, play, is_alone, in_gate, limit_s)
        return play

    return register
