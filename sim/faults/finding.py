"""What a scenario found out: figures with their budgets, and the sentences that are not true."""

from dataclasses import dataclass, field

UNITS = ("s", "ms", "MB")


@dataclass(slots=True)
class Finding:
    """Filled while a scenario plays; it holds as long as there are no `failures`."""

    figures: dict[str, float] = field(default_factory=dict)
    """Name with its unit to value: "gap ms"."""
    limits: dict[str, float] = field(default_factory=dict)
    """What was promised of some of them."""
    untrue: list[str] = field(default_factory=list)
    """What else did not hold, a sentence each."""

    def figure(self, name: str, value: float, *, most: float | None = None) -> None:
        """Note a figure, and what it may be at most. Of one noted twice the worse counts."""
        self.figures[name] = max(round(value, 2), self.figures.get(name, float("-inf")))
        if most is not None:
            self.limits[name] = most

    def expect(self, is_so: object, what: str) -> None:
        """Something must be so; `what` says it as a sentence that is true then."""
        if not is_so:
            self.fail(f"not so: {what}")

    def same(self, what: str, found: object, wanted: object) -> None:
        """Two things must be equal; the failure shows both."""
        if found != wanted:
            self.fail(f"{what}: {found!r}, should be {wanted!r}")

    def fail(self, sentence: str) -> None:
        """Something did not hold; of many calls alike it is said once."""
        if sentence not in self.untrue:
            self.untrue.append(sentence)

    @property
    def failures(self) -> list[str]:
        """All that did not hold."""
        return self.failures_within(1.0)

    def failures_within(self, slack: float) -> list[str]:
        """All that did not hold, where figures may be so many times what was promised."""
        over = [
            f"{_phrase(name, self.figures[name])}, promised {_text(most)}"
            for name, most in self.limits.items()
            if self.figures[name] > most * slack
        ]
        return [*over, *self.untrue]

    @property
    def measured(self) -> str:
        """The figures, for people."""
        return ", ".join(_phrase(name, value) for name, value in self.figures.items())


def _phrase(name: str, value: float) -> str:
    """A figure with its unit behind the number."""
    what, _, unit = name.rpartition(" ")
    return f"{what} {_text(value)} {unit}" if unit in UNITS else f"{name} {_text(value)}"


def _text(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.0f}"
