"""Docstrings, Google style: what a function does, and what each of its parameters means."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

_SECTION = re.compile(r"(Args|Arguments|Returns?|Yields?|Raises|Examples?|Notes?|Warnings?):")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """The parts of a docstring that an agent is told."""

    summary: str = ""
    """All that stands before the first section."""
    parameters: dict[str, str] = field(default_factory=dict)


def parse(text: str | None) -> Docstring:
    """Read a docstring, of whatever form: what has no section is summary."""
    lines = inspect.cleandoc(text or "").splitlines()
    starts = [number for number, line in enumerate(lines) if _SECTION.fullmatch(line.rstrip())]
    summary = lines[: starts[0]] if starts else lines
    parameters: dict[str, str] = {}
    for start, end in pairwise([*starts, len(lines)]):
        if lines[start].startswith("Arg"):
            parameters.update(_entries(lines[start + 1 : end]))
    return Docstring(_joined(summary), parameters)


def _joined(lines: list[str]) -> str:
    """Wrapped lines as one; paragraphs stay apart."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return "\n\n".join(" ".join(each.split()) for each in paragraphs if each.strip())


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`name: text` or `name (type): text`, each with the deeper lines that follow it."""
    lines = inspect.cleandoc("\n".join(("", *lines))).splitlines()
    name, text = "", ""
    for line in lines:
        entry = _ENTRY.fullmatch(line.rstrip())  # what is deeper begins with a space: no entry
        if entry:
            if name:
                yield name, text
            name, text = entry[1], entry[2]
        else:
            text = f"{text} {line.strip()}".strip()
    if name:
        yield name, text
