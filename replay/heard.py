"""The agent's sound of one stream as the caller heard it: placed by playout, cut at clear.

Within a stretch sound runs at 8 bytes a millisecond, so all that is to be found
is where each stretch begins. One rule does it: sound plays as early as it can,
that is right behind the sound before it, unless an echo says otherwise. A mark
that came back at some time had not been played before that time, whether it came
back because it had been played, or because a clear discarded what was left. So
no echo need be told genuine: a discarded mark bids for a time before its place
and changes nothing, and what lies beyond the clear is cut off anyway.

    sent      |====A====|m1==B==|m2  |===C===|m3=====D=====|m4  clear
    echoes               ^m1     ^m2          ^m3      ^m4 ^clear
    heard     |====A====|===B===|....|===C===|=========|

C begins a stretch: m3 came back later than B's end plus C's length. D follows C
and is cut: m4 was discarded, and bids for a time at which D was half played.

Times read off echoes are rounded to the caller's frames. A step smaller than a
frame is rounding, and opens no gap; a stretch lies where the middle one of its
echoes wants it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_low

from replay.clock import BYTES_PER_MS, StreamClock
from replay.sections import HALF_FRAME_MS, Interruption, Section, utterances

# A mark at an utterance's end is sent when its agent says so, or has been still for 0.12 s: by then
# its sound may have been played. An echo later than that tells of later sound.
LATE_END_MS = 200.0

FRAME_MS = 2 * HALF_FRAME_MS

# By how much Twilio's timestamps, now and then, differ from their frames' true places: 2 ms each.
ROUNDING_MS = 4.0

# Echoes of one stretch differ by no more than this. Marks lie whole frames apart, so most do not
# differ at all; within an utterance, where a pause would be heard, one is opened for no less.
# Between two utterances each has the time that its own echoes give it.
STEP_MS = FRAME_MS + ROUNDING_MS


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound that was heard, without a break: when, and its position in the agent's sound."""

    ms: float
    position: int
    mulaw: bytes = field(repr=False)

    @property
    def end_ms(self) -> float:
        return self.ms + len(self.mulaw) / BYTES_PER_MS

    @property
    def end(self) -> int:
        return self.position + len(self.mulaw)


@dataclass(frozen=True, slots=True)
class Hint:
    """Times before which a section's first sound, and its last utterance, surely were not sent.

    They matter where no echo tells: an utterance that was cut within its first piece.
    """

    first_ms: float = -math.inf
    last_ms: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Bid:
    """At `position` the caller was not before `ms`.

    `is_genuine`: he was there at that time, and no clear. `is_loose`: the mark at an
    utterance's end, which may have been sent when the sound before it had been played.
    """

    position: int
    ms: float
    is_genuine: bool
    is_loose: bool


@dataclass(slots=True)
class _Stretch:
    """Sound from `start` to `end` that plays without a break, and where its echoes would begin it.

    `genuine` are from marks that were played, `not_before` is from those that may not have been.
    """

    start: int
    end: int
    earliest: float
    not_before: float = -math.inf
    genuine: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        """When it begins."""
        wanted = median_low(self.genuine) if self.genuine else self.earliest
        is_later = not self.genuine or self.not_before > wanted + STEP_MS
        return max(self.earliest, wanted, self.not_before if is_later else wanted)

    def begin(self, bid: _Bid) -> float:
        """When it would begin if this bid were its end's."""
        return bid.ms - (bid.position - self.start) / BYTES_PER_MS

    def heed(self, bid: _Bid) -> None:
        """Let an echo have its say."""
        if bid.is_genuine:
            self.genuine.append(self.begin(bid))
        else:
            self.not_before = max(self.not_before, self.begin(bid))

    @property
    def end_ms(self) -> float:
        return self.ms + (self.end - self.start) / BYTES_PER_MS


def hear(
    found: Sequence[Section],
    causes: Sequence[Interruption | None],
    hints: Sequence[Hint],
    clock: StreamClock,
) -> list[Piece]:
    """What was heard of a stream.

    Args:
        causes: What made the owner clear, a section.
        hints: What the log knows of when its sound was sent, a section.
    """
    heard: list[Piece] = []
    since = clock.start_ms
    for section, cause, hint in zip(found, causes, hints, strict=True):
        until = max(since, _cleared_at(section, cause)) if section.is_cleared else clock.end_ms
        for stretch in _stretches(section, hint, since, until):
            heard += _cut(section, stretch, until)
        since = until
    return heard


def _cleared_at(section: Section, cause: Interruption | None) -> float:
    """When the clear reached the phone; with nothing to go by, before all of its section."""
    last = section.last_echo
    known = [last.ms] if last else []
    return max([*known, cause.ms] if cause else known, default=-math.inf)


def _cut(section: Section, stretch: _Stretch, until: float) -> list[Piece]:
    """The part of a stretch that was played before this time."""
    begin = stretch.ms
    length = min(stretch.end - stretch.start, int((until - begin) * BYTES_PER_MS))
    if length <= 0:
        return []
    at = stretch.start - section.start
    return [Piece(begin, stretch.start, bytes(section.sound[at : at + length]))]


def _stretches(section: Section, hint: Hint, since: float, until: float) -> list[_Stretch]:
    """A section's sound in stretches."""
    limit, parts = _reached(section), utterances(section)
    stretches = [_Stretch(section.start, section.start, max(since, hint.first_ms))]
    for echoed in _bids(section, limit, until, parts.ends):
        now = stretches[-1]
        pause = max((at for at in parts.starts if now.end <= at < echoed.position), default=None)
        is_last = pause == max(parts.starts, default=-1)
        bid = _hinted(echoed, pause, hint.last_ms) if pause is not None and is_last else echoed
        if now.end > now.start and now.begin(bid) > now.ms + _patience(bid, pause):
            now.end = pause or now.end
            now = _Stretch(now.end, now.end, now.end_ms)
            stretches.append(now)
        if not bid.is_loose or now.end == now.start:
            now.heed(bid)
        now.end = bid.position
    stretches[-1].end = limit
    return stretches


def _hinted(bid: _Bid, start: int, said_ms: float) -> _Bid:
    """What a mark says, and what the log knows of when the sound before it was sent."""
    if bid.is_genuine:
        return bid
    return replace(bid, ms=max(bid.ms, said_ms + (bid.position - start) / BYTES_PER_MS))


def _patience(bid: _Bid, pause: int | None) -> float:
    """How much later than expected an echo must be for the sound before it to be late, too."""
    if pause is not None:
        return ROUNDING_MS
    return LATE_END_MS if bid.is_loose else STEP_MS


def _reached(section: Section) -> int:
    """The position up to which sound reached the phone at all."""
    reached = section.start
    for mark in section.marks:
        if mark.is_dropped:
            return reached
        reached = mark.position
    return section.end


def _bids(section: Section, limit: int, until: float, ends: frozenset[int]) -> Iterator[_Bid]:
    """What the marks say. One that never came back had not been played when the stream ended."""
    reached = [mark for mark in section.marks if mark.position <= limit and not mark.is_dropped]
    echoed = [number for number, mark in enumerate(reached) if mark.echo]
    for mark in reached:
        if mark.echo:
            is_genuine = not section.is_cleared or mark.echo.ms < until - FRAME_MS
            yield _Bid(mark.position, mark.echo.ms, is_genuine, mark.position in ends)
    unplayed = reached[echoed[-1] + 1 :] if echoed else reached
    if unplayed and not section.is_cleared:
        yield _Bid(unplayed[0].position, until, is_genuine=False, is_loose=False)
