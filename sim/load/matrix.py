"""The bench: every load, beside its base line, written down with the budgets it is held to."""

from collections.abc import Sequence
from pathlib import Path

from sim.load import meters, picture, report
from sim.load.budgets import Cell, Verdict, judge
from sim.load.run import Result

CALLS = (20, 50, 100, 200)

REPORT = "report.md"
PICTURE = "report.png"


def write(folder: Path, cells: Sequence[Cell], edge_ready_s: float) -> bool:
    """Write report and picture into the folder. Returns whether every budget was met."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = meters.machine()
    verdicts = judge(cells, edge_ready_s)
    (folder / REPORT).write_text(render(machine, cells, verdicts))
    picture.draw(folder / PICTURE, cells, f"Holdfast and the guide's algorithm on {machine}")
    return all(verdict.is_met for verdict in verdicts)


def render(machine: str, cells: Sequence[Cell], verdicts: Sequence[Verdict]) -> str:
    """The report as Markdown."""
    parts = [
        f"# Bench\n\n{machine}. Redis, edge, worker and the generator (both ends of every call)"
        " share it; each load is followed by the guide's algorithm on the same load.\n",
        "## Budgets\n",
        _verdicts(verdicts),
        f"## Overview\n\n![delay and CPU against calls]({PICTURE})\n",
        _overview(cells),
        "## All figures\n\nTimes are p50 / p95 / p99 / max.\n",
    ]
    for cell in cells:
        parts.append(f"### {cell[0].profile}, {cell[0].calls} calls\n")
        lines = [line for base in cell[1:] for line in report.ratios(cell[0], base)]
        lines += [line for result in cell for line in report.warnings(result)]
        notes = "".join(f"\n- {line}" for line in lines)
        parts.append(f"```\n{report.table(cell)}\n```\n{notes}\n")
    return "\n".join(parts)


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    rows = [
        (each.what, each.budget, each.reached, "pass" if each.is_met else "**FAIL**")
        for each in verdicts
    ]
    return _markdown(("figure", "budget", "reached", ""), rows)


def _overview(cells: Sequence[Cell]) -> str:
    rows = [_summary(result) for cell in cells for result in cell]
    heads = ("profile", "calls", "target", "round trip p50 / p99", "up p50 / p99")
    return _markdown((*heads, "barge-in p50 / p99", "CPU ms a call-second", "stale bytes"), rows)


def _summary(result: Result) -> tuple[str, ...]:
    def two(name: str) -> str:
        spread = result.findings.spread(name)
        return f"{spread.p50:.1f} / {spread.p99:.1f} ms" if spread.count else report.NOTHING

    saturated = " (saturated)" if report.is_saturated(result) else ""
    return (
        result.profile,
        str(result.calls),
        result.target,
        two("round_trip"),
        two("up"),
        two("barge_in"),
        f"{result.costs.bridge_cpu_ms:.2f}{saturated}",
        f"{result.findings.count('stale_bytes'):,}",
    )


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
