"""What a generator is told on its command line, and what it tells on its standard output."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import orjson

from sim.load.statistics import Spread

PROFILES = ("echo", "talk")

BARGE_IN_EVERY_S = 20.0

GUESTS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's orders. The generator is the agent service at `agent_port` and all the phones."""

    calls: int
    profile: str
    seconds: float
    agent_port: int
    streams: tuple[str, ...]
    """Where the phones connect, in turn: ws://host:port/path."""
    webhooks: tuple[str, ...] = ()
    """Where a guest's call rings first, in turn; without, its socket is all there is."""
    guests: int = GUESTS
    """How many calls join and leave, one at a time, while all others run."""

    @property
    def barge_in_every_s(self) -> float:
        """In a short run every call has its barge-in all the same."""
        return min(BARGE_IN_EVERY_S, self.seconds)

    @classmethod
    def read(cls, text: str) -> Self:
        values = orjson.loads(text)
        lists = {name: tuple(values[name]) for name in ("streams", "webhooks")}
        return cls(**{**values, **lists})

    def render(self) -> str:
        return orjson.dumps(asdict(self)).decode()


@dataclass(frozen=True, slots=True)
class Findings:
    """What the generator found out, at the end of its run."""

    calls: int = 0
    """Those that ran, of those wanted."""
    seconds: float = 0.0
    """How long was measured."""
    spreads: dict[str, Spread] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        spreads = {name: Spread(**each) for name, each in values["spreads"].items()}
        return cls(values["calls"], values["seconds"], spreads, values["counts"])

    def spread(self, name: str) -> Spread:
        """A spread that nothing was measured for is empty."""
        return self.spreads.get(name, Spread())

    def count(self, name: str) -> int:
        return self.counts.get(name, 0)
