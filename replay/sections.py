"""The agent's sound of one stream, cut into sections: what lies between one Clear and the next.

Positions are bytes of the agent's sound, counted through the stream. What is
known of a section is in what order sound and marks were sent, and when each
mark was echoed. An echo is stamped with the caller's frame before it, so it
came within the 20 ms after: the middle of these is the nearest guess.

A Clear has no time of its own. Three things tell it. All marks still out at
the clear are echoed by it, at once: so it is not before any echo of its section,
and if the last mark was still out, it is at that one's echo. It is not before
the frame that the owner had read when it decided to clear (the log's Onset, or
the key that was pressed), and only milliseconds after. The later of the two it is.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from replay.clock import Moment, StreamClock, origin
from replay.recording import Stream
from shared.messages import Audio, Clear, Digit, Dropped, Mark, Up
from shared.record import Onset
from shared.sound import FRAME_S

HALF_FRAME_MS = FRAME_S * 500

# An echo that a clear caused follows what made the owner clear by a round trip, which is
# half a second at the very worst. Sequence numbers count frames and echoes in that time.
ROUND_TRIP_ENTRIES = 50

# Sound between two marks of one utterance; fewer bytes before a mark end the utterance.
MARK_EVERY = 4000


@dataclass(frozen=True, slots=True)
class Echo:
    """When a mark came back: after which of the caller's entries, at what time."""

    sequence: int
    ms: float


@dataclass(frozen=True, slots=True)
class MarkAt:
    """A mark, the position of the sound that it follows, and its echo, if one came."""

    name: str
    position: int
    echo: Echo | None
    is_dropped: bool  # it never reached the phone, and neither did the sound before it


@dataclass(slots=True)
class Section:
    """Sound and marks up to a Clear, or to the stream's end."""

    start: int
    sound: bytearray = field(default_factory=bytearray, repr=False)
    marks: list[MarkAt] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)  # the position at which each piece begins
    is_cleared: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.sound)

    @property
    def echoes(self) -> list[Echo]:
        return [mark.echo for mark in self.marks if mark.echo]

    @property
    def last_echo(self) -> Echo | None:
        return max(self.echoes, key=lambda echo: echo.sequence, default=None)


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why a Clear was sent: the log's Onset, or a key pressed before the entry of that index."""

    sequence: int
    ms: float
    index: int


def sections(stream: Stream, clock: StreamClock) -> list[Section]:
    """The sections of a stream, the last of which no Clear ended."""
    echoes = _echoes(stream, clock)
    dropped = {m.name for _, m in stream.up if isinstance(m, Dropped)}
    found = [Section(0)]
    for message in stream.down:
        now = found[-1]
        match message:
            case Audio(mulaw):
                now.chunks.append(now.end)
                now.sound += mulaw
            case Mark(name):
                now.marks.append(MarkAt(name, now.end, echoes.get(name), name in dropped))
            case Clear():
                now.is_cleared = True
                found.append(Section(now.end))
    return found


def _echoes(stream: Stream, clock: StreamClock) -> dict[str, Echo]:
    shift = clock.start_ms - origin(stream) + HALF_FRAME_MS
    echoes: dict[str, Echo] = {}
    for sequence, message in stream.up:
        if isinstance(message, Mark):
            echoes.setdefault(message.name, Echo(sequence, message.timestamp + shift))
    return echoes


def interruptions(
    stream: Stream, clock: StreamClock, moments: Sequence[tuple[int, Moment]]
) -> list[Interruption]:
    """All that may have made the owner clear, in order.

    Args:
        moments: The log's entries of this stream, each with its index in the log.
    """
    onsets = [
        Interruption(m.entry.up, m.ms + HALF_FRAME_MS, index)
        for index, m in moments
        if isinstance(m.entry, Onset)
    ]
    keys = [_pressed(sequence, clock, moments) for sequence in _digits(stream.up)]
    return sorted([*onsets, *keys], key=lambda each: (each.sequence, each.index))


def _digits(up: Iterable[tuple[int, Up]]) -> list[int]:
    return [sequence for sequence, message in up if isinstance(message, Digit)]


def _pressed(
    sequence: int, clock: StreamClock, moments: Sequence[tuple[int, Moment]]
) -> Interruption:
    later = (index for index, m in moments if getattr(m.entry, "up", 0) >= sequence)
    after_all = moments[-1][0] + 1 if moments else 0
    ms = clock.at(sequence) or clock.start_ms
    return Interruption(sequence, ms + HALF_FRAME_MS, next(later, after_all))


def causes(
    found: Sequence[Section], candidates: Sequence[Interruption]
) -> list[Interruption | None]:
    """What caused each section's Clear, where that can be told.

    Both are in order, and not every candidate led to a Clear (a goodbye is not
    interrupted). One that did came after the section's echoes, but for those that
    the clear itself caused, and before every echo of what was sent after it.
    """
    chosen: list[Interruption | None] = []
    left = list(candidates)
    for number, section in enumerate(found):
        cause = _cause(section, found[number + 1 :], left) if section.is_cleared else None
        if cause:
            left = left[left.index(cause) + 1 :]
        chosen.append(cause)
    return chosen


def _cause(
    section: Section, later: Sequence[Section], left: Sequence[Interruption]
) -> Interruption | None:
    last = section.last_echo
    lowest = last.sequence - ROUND_TRIP_ENTRIES if last else 0
    highest = min((e.sequence for each in later[:1] for e in each.echoes), default=math.inf)
    return next((each for each in left if lowest <= each.sequence < highest), None)


@dataclass(frozen=True, slots=True)
class Utterances:
    """Positions at which a section's utterances begin, and of the marks at their ends."""

    starts: tuple[int, ...]
    ends: frozenset[int]


def utterances(section: Section) -> Utterances:
    """Tell a section's utterances apart: each is marked after its first piece, and at its end.

    Of marks within an utterance, those that come every half second follow at least
    so much sound. A mark after less is its end, unless it follows one piece alone:
    then it may be another's first, and what comes before the next mark tells.
    """
    starts, ends, begins, previous = [], [], True, section.start
    for number, mark in enumerate(section.marks):
        pieces = _between(section.chunks, previous, mark.position)
        is_short = mark.position - previous < MARK_EVERY
        if len(pieces) == 1 and (begins or (is_short and _goes_on(section, number))):
            starts.append(pieces[0])
            begins = False
        else:
            begins = is_short
            ends += [mark.position] if is_short else []
        previous = mark.position
    return Utterances(tuple(starts), frozenset(ends))


def _goes_on(section: Section, number: int) -> bool:
    """Whether after this mark's only piece more came before the next mark."""
    here = section.marks[number].position
    following = section.marks[number + 1 : number + 2]
    until = following[0].position if following else section.end
    return len(_between(section.chunks, here, until)) > 1


def _between(positions: Sequence[int], first: int, last: int) -> Sequence[int]:
    return positions[bisect_left(positions, first) : bisect_left(positions, last)]
