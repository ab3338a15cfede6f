"""The agent's side of a call, through all its streams: sound as heard, and sentences on it.

A phone that comes back is sent again what the one before had not confirmed, so
the streams' sounds overlap. Names of marks are unique in a call: they tell where
in the sound of the whole call a stream begins.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter

from replay.clock import BYTES_PER_MS, Clocks, Moment
from replay.heard import STEP_MS, Hint, Piece, hear
from replay.recording import Recording, Stream
from replay.sections import (
    HALF_FRAME_MS,
    Interruption,
    Section,
    causes,
    interruptions,
    sections,
    utterances,
)
from replay.sentences import Sentence, divide, heard_words, sentences
from shared.record import Answering, Said


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence, and when it was heard. Unheard: no words, and both times are its text's."""

    sentence: int
    text: str = field(repr=False)
    start_ms: int
    end_ms: int
    heard: str = field(repr=False)  # whole words
    was_cut: bool
    is_bridge: bool = False  # a line of ours, not the agent's

    @property
    def is_heard(self) -> bool:
        return self.end_ms > self.start_ms


@dataclass(slots=True)
class Voice:
    """What the agent's side comes to. Positions are bytes of its sound through the call."""

    streams: list[list[Piece]] = field(default_factory=list)  # each in order
    starts: list[int] = field(default_factory=list)
    clears: list[tuple[int, int]] = field(default_factory=list)  # (position, index in the log)
    marks: dict[str, int] = field(default_factory=dict)
    tail: bytes = b""  # sound behind the newest mark
    end: int = 0

    def heard_at(self, position: int) -> float | None:
        """When the sound at this position was (first) heard, if it was."""
        for pieces in self.streams:
            index = bisect_right(pieces, position, key=attrgetter("position")) - 1
            if index >= 0 and position < pieces[index].end:
                return pieces[index].ms + (position - pieces[index].position) / BYTES_PER_MS
        return None

    @property
    def pieces(self) -> list[Piece]:
        """All that was heard."""
        return [piece for pieces in self.streams for piece in pieces]


def voice(recording: Recording, clocks: Clocks) -> Voice:
    """Place the agent's sound of every stream."""
    whole = Voice()
    told = sentences(clocks.moments)
    for number, stream in enumerate(recording.streams):
        _add(whole, number, stream, clocks, told)
    return whole


def _add(
    whole: Voice, number: int, stream: Stream, clocks: Clocks, told: Sequence[tuple[int, Sentence]]
) -> None:
    clock = clocks.streams[number]
    found = sections(stream, clock)
    here = [(index, m) for index, m in enumerate(clocks.moments) if m.stream == number]
    why = causes(found, interruptions(stream, clock, here))
    indices = [whole.clears[-1][1] if whole.clears else 0]
    for section, cause in zip(found, why, strict=True):
        indices.append(_index(section, cause, here, indices[-1]))
    hints = [_hint(clocks.moments, told, *each) for each in pairwise(indices)]
    heard = hear(found, why, hints, clock)
    base = _base(whole, found)
    whole.streams.append([Piece(each.ms, each.position + base, each.mulaw) for each in heard])
    _survey(whole, found, indices[1:], base)


def _survey(whole: Voice, found: Sequence[Section], indices: Sequence[int], base: int) -> None:
    """Note where in the whole a stream's utterances, marks and clears lie."""
    for section, index in zip(found, indices, strict=True):
        whole.starts += [start + base for start in utterances(section).starts]
        whole.marks |= {mark.name: mark.position + base for mark in section.marks}
        if section.is_cleared:
            whole.clears.append((section.end + base, index))
    last = found[-1]
    marked = last.marks[-1].position if last.marks else last.start
    whole.tail = bytes(last.sound[marked - last.start :])
    whole.end = max(whole.end, last.end + base)


def _base(whole: Voice, found: Sequence[Section]) -> int:
    """The position in the whole at which a stream begins."""
    first = found[0]
    for mark in first.marks:
        if mark.name in whole.marks:
            return whole.marks[mark.name] - mark.position
    is_resent = whole.tail and first.sound.startswith(whole.tail)
    return whole.end - len(whole.tail) if is_resent else whole.end


def _index(
    section: Section, cause: Interruption | None, here: Sequence[tuple[int, Moment]], after: int
) -> int:
    """Where in the log a section ends: at what interrupted it, or at what was read after it."""
    if cause:
        return cause.index
    if not section.is_cleared:
        return here[-1][0] + 1 if here else after
    last = section.last_echo
    later = [i for i, m in here if last and getattr(m.entry, "up", 0) >= last.sequence]
    return later[0] if later else after


def _hint(
    moments: Sequence[Moment], told: Sequence[tuple[int, Sentence]], first: int, last: int
) -> Hint:
    """What the log says, between two of its entries, of when sound was sent.

    A sentence's text comes before its sound, and an answer is logged with its first sound.
    """
    silent = {index for index, sentence in told if sentence.is_silent}
    news = [
        moment
        for index, moment in enumerate(moments[first:last], first)
        if isinstance(moment.entry, Said | Answering) and index not in silent
    ]
    opening = [moment for moment in news[:2] if isinstance(moment.entry, Answering)] or news[:1]
    said = [moment for moment in news if isinstance(moment.entry, Said)]
    return Hint(
        max((moment.ms + HALF_FRAME_MS for moment in opening), default=-math.inf),
        max((moment.ms + HALF_FRAME_MS for moment in said), default=-math.inf),
    )


def spans(whole: Voice, clocks: Clocks) -> list[Span]:
    """The log's sentences, each with when and how far it was heard."""
    told, pieces = sentences(clocks.moments), whole.pieces
    starts = sorted(set(whole.starts))
    bounds = [(0, 0), *whole.clears, (whole.end, len(clocks.moments))]
    for (first, since), (last, until) in pairwise(bounds):
        between = [sentence for index, sentence in told if since <= index < until]
        divide(between, first, last, starts, whole.heard_at)
    return [_span(pieces, sentence) for _, sentence in told]


def _span(pieces: Sequence[Piece], sentence: Sentence) -> Span:
    said, cut, start, end = sentence.said, sentence.cut, sentence.start, sentence.end
    parts = [p for p in pieces if p.position < end and p.end > start]
    if not parts:
        moment = round(sentence.ms)
        return _made(sentence, moment, moment, "", was_cut=False)
    first, last = parts[0], max(parts, key=lambda p: min(p.end, end))
    begin_ms = first.ms + max(0, start - first.position) / BYTES_PER_MS
    end_ms = last.ms + (min(last.end, end) - last.position) / BYTES_PER_MS
    reached = min(last.end, end) - start
    is_whole = cut is None and reached + STEP_MS * BYTES_PER_MS >= end - start
    heard = said.text if is_whole else heard_words(said.text, reached, end - start)
    words = cut.text if cut else heard
    return _made(sentence, round(begin_ms), round(end_ms), words, was_cut=not is_whole)


def _made(sentence: Sentence, start_ms: int, end_ms: int, heard: str, *, was_cut: bool) -> Span:
    said = sentence.said
    is_bridge = said.behavior == "bridge"
    return Span(said.sentence, said.text, start_ms, end_ms, heard, was_cut, is_bridge)
