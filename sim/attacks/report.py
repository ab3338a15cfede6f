"""The table: attack, what it got, and what was made for it."""

from collections import Counter
from collections.abc import Sequence

from sim.attacks.attack import Outcome

HEAD = ("attack", "got", "redis keys made", "agent sockets made", "")


def table(outcomes: Sequence[Outcome]) -> str:
    """All outcomes, as they were done."""
    rows = [HEAD, *map(_row, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], "", summary(outcomes)])


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line: how many failed, as they should."""
    through = sum(not each.has_failed for each in outcomes)
    total = len(outcomes)
    return f"{through} of {total} got through" if through else f"{total} of {total} held off"


def _row(outcome: Outcome) -> tuple[str, ...]:
    spent = outcome.spent
    verdict = "held" if outcome.has_failed else f"FAIL, should be {' or '.join(outcome.may_get)}"
    return outcome.what, _got(outcome.got), str(spent.keys), str(spent.sockets), verdict


def _got(got: Counter[str]) -> str:
    if got.total() == 1:
        return next(iter(got))
    return ", ".join(f"{times} x {answer}" for answer, times in got.most_common())
