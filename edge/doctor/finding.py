"""One line of the doctor's: what was looked at, what was seen, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """What a finding comes to."""

    OK = "ok"
    NOTE = "note"  # it works, or may; worth knowing
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. Neither text ever holds a secret."""

    mark: Mark
    name: str
    seen: str
    todo: str = ""

    def __str__(self) -> str:
        todo = f" -> {self.todo}" if self.todo else ""
        return f"{self.mark:<8} {self.name:<12} {self.seen}{todo}"


def ok(name: str, seen: str) -> Finding:
    return Finding(Mark.OK, name, seen)


def note(name: str, seen: str, todo: str = "") -> Finding:
    return Finding(Mark.NOTE, name, seen, todo)


def bad(name: str, seen: str, todo: str) -> Finding:
    return Finding(Mark.BAD, name, seen, todo)


def skipped(name: str, why: str, todo: str = "") -> Finding:
    return Finding(Mark.SKIPPED, name, why, todo)


def report(findings: Iterable[Finding]) -> int:
    """Print each as it comes. Returns the exit status: 1 if any is bad."""
    status = 0
    for finding in findings:
        print(finding, flush=True)
        status = status or int(finding.mark is Mark.BAD)
    return status
