"""The table: fault, what must hold, what was measured, and whether it held."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from sim.faults.run import Outcome

HEAD = ("fault", "must hold", "measured", "")
NARROWEST = 80
VERDICT = 4

_SHARES = (0.26, 0.34, 0.40)
"""Of the width that the verdict leaves, by column."""


def table(outcomes: Sequence[Outcome], width: int) -> str:
    """All outcomes in the order of the design's rows; below each that failed, what did not hold."""
    widths = _widths(max(width, NARROWEST))
    rule = "-+-".join("-" * each for each in widths)
    lines = [*_cells(HEAD, widths), rule]
    for outcome in sorted(outcomes, key=lambda each: each.scenario.row):
        scenario, finding = outcome.scenario, outcome.finding
        verdict = "pass" if outcome.is_good else "FAIL"
        fault = f"{scenario.row}. {scenario.fault}"
        lines += _cells((fault, scenario.must, finding.measured, verdict), widths)
        for failure in finding.failures:
            lines += textwrap.wrap(f"   ! {failure}", sum(widths), subsequent_indent="     ")
        lines.append(rule)
    return "\n".join([*lines, summary(outcomes)])


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line: how many held."""
    failed = [each.scenario.name for each in outcomes if not each.is_good]
    text = f"{len(outcomes) - len(failed)} of {len(outcomes)} scenarios held"
    return f"{text}; not: {', '.join(failed)}" if failed else text


def progress(outcome: Outcome) -> str:
    """One line for whoever waits."""
    verdict = "pass" if outcome.is_good else "FAIL"
    name, seconds = outcome.scenario.name, outcome.seconds
    return f"{verdict}  {name:<40} {seconds:5.1f} s  {outcome.finding.measured}"


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The same for other programs."""
    return [
        {
            "name": each.scenario.name,
            "row": each.scenario.row,
            "fault": each.scenario.fault,
            "must_hold": each.scenario.must,
            "held": each.is_good,
            "seconds": round(each.seconds, 1),
            "figures": each.finding.figures,
            "limits": each.finding.limits,
            "failures": each.finding.failures,
        }
        for each in outcomes
    ]


def _widths(width: int) -> tuple[int, ...]:
    free = width - VERDICT - 3 * len(_SHARES)
    return (*(int(free * share) for share in _SHARES), VERDICT)


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One row, as many lines as its longest cell needs."""
    wrapped = [textwrap.wrap(text, width) for text, width in zip(texts, widths, strict=True)]
    rows = zip_longest(*wrapped, fillvalue="")
    return [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
