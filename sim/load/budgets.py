"""The budgets of the bridge, each held against the run that it speaks of.

Where a budget names no load, the figure is the worst that was measured. A run that was not made
judges nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sim.load.report import disturbance_ms, memory_ratio
from sim.load.run import Result

Cell = Sequence[Result]
"""One load: the bridge's result first, then those that it is held against."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One budget, and what was reached."""

    what: str
    budget: str
    reached: str
    is_met: bool


class Book:
    """All cells of a matrix, by their load."""

    def __init__(self, cells: Iterable[Cell], edge_ready_s: float) -> None:
        self.cells = [cell for cell in cells if cell]
        self.edge_ready_s = edge_ready_s
        self.verdicts: list[Verdict] = []

    def bridge(self, profile: str, calls: int) -> Result | None:
        """The bridge's result under this load."""
        found = self._cell(profile, calls)
        return found[0] if found else None

    def base(self, profile: str, calls: int) -> Result | None:
        """The guide's algorithm, forwarding each frame, under this load."""
        found = self._cell(profile, calls)
        return found[1] if found and len(found) > 1 else None

    def _cell(self, profile: str, calls: int) -> Cell | None:
        loads = ((cell[0].profile, cell[0].calls) == (profile, calls) for cell in self.cells)
        return next((cell for cell, is_it in zip(self.cells, loads, strict=True) if is_it), None)

    def worst(self, figure: Callable[[Result], float | None]) -> float | None:
        """The largest figure of the bridge under any load."""
        figures = (figure(cell[0]) for cell in self.cells)
        return max((each for each in figures if each is not None), default=None)

    def judge(self, what: str, reached: float | None, most: float, unit: str = "") -> None:
        """Note a figure that must not lie above `most`; nothing if there is none."""
        if reached is not None:
            shown = f"{reached:,.2f}{unit}".replace(".00", "")
            self.verdicts.append(Verdict(what, f"<= {most:g}{unit}", shown, reached <= most))


def judge(cells: Iterable[Cell], edge_ready_s: float) -> list[Verdict]:
    """Every budget for which there is a figure."""
    book = Book(cells, edge_ready_s)
    _delays(book)
    _costs(book)
    _guests(book)
    for name in ("lost", "overdue", "out_of_order", "strayed", "stale_bytes", "calls_failed"):
        worst = book.worst(lambda result, name=name: result.findings.count(name))  # type: ignore[misc]
        book.judge(f"{name.replace('_', ' ')}, every load", worst, 0)
    return book.verdicts


def _delays(book: Book) -> None:
    if few := book.bridge("echo", 20):
        trip = few.findings.spread("round_trip")
        book.judge("round trip p50, 20 calls, echo", trip.p50, 4, " ms")
        book.judge("round trip p99, 20 calls, echo", trip.p99, 25, " ms")
    if many := book.bridge("talk", 100):
        barge_in = many.findings.spread("barge_in")
        book.judge("barge-in to clear p50, 100 calls", barge_in.p50, 3, " ms")
        book.judge("barge-in to clear p99, 100 calls", barge_in.p99, 25, " ms")


def _costs(book: Book) -> None:
    for profile in ("echo", "talk"):
        ours, theirs = book.bridge(profile, 100), book.base(profile, 100)
        if ours and theirs and theirs.costs.bridge_cpu_ms:
            ratio = ours.costs.bridge_cpu_ms / theirs.costs.bridge_cpu_ms
            book.judge(f"CPU against the guide's, 100 calls, {profile}", ratio, 1.25, " x")
        few, many = book.bridge(profile, 50), book.bridge(profile, 200)
        if few and many:
            ratio = many.costs.bridge_cpu_ms / max(few.costs.bridge_cpu_ms, 1e-9)
            book.judge(f"CPU at 200 calls against 50, {profile}", ratio, 1.0, " x")
    for profile in ("echo", "talk"):
        few, many = book.bridge(profile, 20), book.bridge(profile, 200)
        if few and many:
            further = _further_kb(few, many)
            book.judge(f"memory a further call, 20 to 200, {profile}", further, 150, " KB")
    book.judge("Redis memory against raw sound", book.worst(memory_ratio), 1.25, " x")
    book.judge("edge ready after exec", book.edge_ready_s, 0.6, " s")


def _further_kb(few: Result, many: Result) -> float:
    """Memory of each call that there are more: what a process takes once is not a call's."""
    grown = many.costs.rss_kb * many.calls - few.costs.rss_kb * few.calls
    return grown / (many.calls - few.calls)


def _guests(book: Book) -> None:
    if few := book.bridge("echo", 20):
        greeting = _slowest(few, "join_webhook_greeting")
        book.judge("greeting after start by webhook, 20 calls", greeting, 50, " ms")
    for profile in ("talk", "echo"):
        if many := book.bridge(profile, 200):
            served, extra = _slowest(many, "join_webhook_greeting"), disturbance_ms(many)
            book.judge(f"guest's greeting by webhook, 200 calls, {profile}", served, 20, " ms")
            book.judge(f"others' extra delay by a guest, 200 calls, {profile}", extra, 20, " ms")
    if (many := book.bridge("echo", 200)) and (echo := _slowest(many, "join_webhook_echo")):
        beyond = echo - many.findings.spread("round_trip").p50
        book.judge("guest's first echo beyond all calls' round trip, 200 calls", beyond, 20, " ms")


def _slowest(result: Result, name: str) -> float | None:
    spread = result.findings.spread(name)
    return spread.max if spread.count else None
