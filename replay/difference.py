"""Two calls compared, exchange by exchange. Without I/O.

Where one is a replay of the other, its caller answers to what was said in the first.
So from the first answer that differs on, he speaks of what he did not hear: those
exchanges are shown, and not scored.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from replay.exchanges import Exchange, exchanges
from replay.recording import Recording
from replay.report import cause, length_ms

UNSCORED = "the caller did not hear this"

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What is still the same."""

    latency_ms: int = 500
    """An answer so much sooner or later."""
    total_ms: int = 3000
    """A call so much shorter or longer."""
    similarity: float = 1.0
    """Words: the share that two texts have in common, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """An exchange in both calls, None in one that lacks it, and in what they differ."""

    a: Exchange | None
    b: Exchange | None
    differs_in: tuple[str, ...]
    is_scored: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """Two calls side by side."""

    a: Recording
    b: Recording
    rows: tuple[Row, ...]
    differs_in: tuple[str, ...]
    """As a whole: "end", "total"."""

    @property
    def is_same(self) -> bool:
        return not self.differs_in and not any(row.differs_in for row in self.rows if row.is_scored)


def compare(a: Recording, b: Recording, tolerances: Tolerances) -> Difference:
    """Lay two calls side by side."""
    ours, theirs = (exchanges(entry for _, entry in each.log) for each in (a, b))
    is_replay = a.call.replays == b.call_sid or b.call.replays == a.call_sid
    rows = list(_rows(ours, theirs, tolerances))
    if is_replay:
        rows = list(_scored(rows))
    return Difference(a, b, tuple(rows), tuple(_differs_as_a_whole(a, b, rows, tolerances)))


def verdict(difference: Difference) -> str:
    """What it comes to."""
    if difference.is_same:
        return "The two are the same."
    found = [what for row in difference.rows if row.is_scored for what in row.differs_in]
    counted = {what: found.count(what) for what in dict.fromkeys(found)}
    parts = [f"{what} ({count})" if count > 1 else what for what, count in counted.items()]
    return f"They differ in: {', '.join([*parts, *difference.differs_in])}."


def similarity(a: str, b: str) -> float:
    """The share of words that two texts have in common, in order; 1 if only the spelling differs.

    Case and punctuation are spelling: a recognizer is not sure of them.
    """
    ours, theirs = words(a), words(b)
    return 1.0 if ours == theirs else SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def words(text: str) -> list[str]:
    """The words of a text, without what is spelling."""
    return _WORD.findall(text.casefold())


def _rows(
    ours: Sequence[Exchange], theirs: Sequence[Exchange], tolerances: Tolerances
) -> Iterator[Row]:
    for a, b in _aligned(ours, theirs):
        yield Row(a, b, tuple(_differs(a, b, tolerances)) if a and b else ("turn",))


def _aligned(
    ours: Sequence[Exchange], theirs: Sequence[Exchange]
) -> Iterator[tuple[Exchange | None, Exchange | None]]:
    """Exchanges that begin with the same words face each other."""
    first, second = ([" ".join(words(e.caller)) for e in call] for call in (ours, theirs))
    matched = SequenceMatcher(None, first, second, autojunk=False)
    for _, i, i_end, j, j_end in matched.get_opcodes():
        yield from zip_longest(ours[i:i_end], theirs[j:j_end])


def _differs(a: Exchange, b: Exchange, tolerances: Tolerances) -> Iterator[str]:
    if similarity(a.caller, b.caller) < tolerances.similarity:
        yield "caller"
    if similarity(a.agent, b.agent) < tolerances.similarity:
        yield "agent"
    if a.tools != b.tools:
        yield "tools"
    if a.was_interrupted != b.was_interrupted:
        yield "barge-in"
    if _apart_ms(a, b) > tolerances.latency_ms:
        yield "latency"


def _apart_ms(a: Exchange, b: Exchange) -> int:
    """By how much one answered sooner than the other; 0 where one of them did not."""
    is_known = a.latency_ms is not None and b.latency_ms is not None
    return abs((a.latency_ms or 0) - (b.latency_ms or 0)) if is_known else 0


def _scored(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows up to the first answer that differs; the caller did not hear those after it."""
    is_scored = True
    for row in rows:
        yield Row(row.a, row.b, row.differs_in, is_scored)
        if {"agent", "turn"} & set(row.differs_in):
            is_scored = False


def _differs_as_a_whole(
    a: Recording, b: Recording, rows: Sequence[Row], tolerances: Tolerances
) -> Iterator[str]:
    if not all(row.is_scored for row in rows):
        return  # from there on they are two conversations
    if cause(a) != cause(b):
        yield "end"
    if abs(length_ms(a) - length_ms(b)) > tolerances.total_ms:
        yield "total"
