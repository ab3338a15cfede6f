"""The carrier's playback buffer: what the caller hears of what the server sends.

The server may send sound as fast as it likes. It is kept in a queue and played in order at
8 bytes a millisecond; a mark takes its place in the queue and is echoed when all sound before it
has been played, at once if there is none. `clear` drops what has not been played and echoes every
mark still waiting, so an echo means "played or discarded". Above ten minutes, sound is discarded.

The queue never pauses while it holds sound. The moment at which a piece will be played is thus
known when it arrives, and only a `clear` changes it. So there is no queue here but a timeline:
every piece is placed at its moment at once, and `clear` cuts the timeline off at the present.

Time is an argument, in milliseconds on the caller's clock, where 0 is the caller's first frame.
Inside it is counted in samples, an eighth of a millisecond each, so that no rounding ever puts two
pieces a sample apart or over each other.
"""

from collections import deque
from dataclasses import dataclass, field

from shared.sound import FRAME_BYTES, RATE, SILENCE, is_speech

BYTES_MS = RATE // 1000

CAP_BYTES = 600 * RATE
"""Ten minutes of sound; what goes beyond it is discarded with warning 31931."""

PAUSE_MS = 400.0
"""Quiet within an utterance. A longer one ends it: clauses lie closer, turns farther apart."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of sound at its place on the timeline."""

    start_ms: float
    sound: bytes = field(repr=False)

    @property
    def end_ms(self) -> float:
        return self.start_ms + len(self.sound) / BYTES_MS


@dataclass(frozen=True, slots=True)
class Echo:
    """A mark that was echoed: genuinely, all before it having been heard, or by a clear."""

    name: str
    ms: float
    genuine: bool


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clear, and how much sound it kept from the caller."""

    ms: float
    discarded: int


@dataclass(slots=True)
class Utterance:
    """A stretch in which the agent speaks, with no pause above PAUSE_MS."""

    start_ms: float
    end_ms: float


@dataclass(slots=True)
class _Placed:
    start: int
    sound: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.sound)


class Playback:
    """One stream's playback, from its first caller frame at `start_ms` on."""

    def __init__(self, start_ms: float = 0.0) -> None:
        self.start_ms = start_ms
        self.sent_bytes = 0
        self.discarded_bytes = 0
        self.overflowed = False
        self.echoes: list[Echo] = []
        self.clears: list[Cleared] = []
        self.utterances: list[Utterance] = []
        self._now = _samples(start_ms)
        self._end = self._now
        self._timeline: list[_Placed] = []
        self._marks: deque[tuple[int, str]] = deque()
        self._cut = False

    def media(self, sound: bytes, now_ms: float) -> list[str]:
        """Take sound, and return the marks echoed by now.

        What exceeds the cap is discarded; the first time sets `overflowed` (warning 31931).
        """
        echoed = self.advance(now_ms)
        self.sent_bytes += len(sound)
        taken = sound[: CAP_BYTES - self.buffered_bytes]
        if len(taken) < len(sound):
            self.overflowed = True
            self.discarded_bytes += len(sound) - len(taken)
        self._place(taken)
        return echoed

    def mark(self, name: str, now_ms: float) -> list[str]:
        """Take a mark, and return the marks echoed by now: this one too if nothing is waiting."""
        echoed = self.advance(now_ms)
        self._marks.append((max(self._end, self._now), name))
        return echoed + self._echo_due()

    def clear(self, now_ms: float) -> list[str]:
        """Drop what has not been played, and return the marks echoed: all that were waiting."""
        echoed = self.advance(now_ms)
        discarded = self.buffered_bytes
        self.clears.append(Cleared(self._ms, discarded))
        self.discarded_bytes += discarded
        self._cut_off()
        echoed += [name for _, name in self._marks]
        self.echoes += [Echo(name, self._ms, genuine=False) for _, name in self._marks]
        self._marks.clear()
        return echoed

    def advance(self, now_ms: float) -> list[str]:
        """Let time pass, and return the marks whose turn came, in order."""
        self._now = max(self._now, _samples(now_ms))
        return self._echo_due()

    def next_event_ms(self) -> float | None:
        """When the next mark will be echoed; None if none is waiting."""
        return self._marks[0][0] / BYTES_MS if self._marks else None

    @property
    def buffered_bytes(self) -> int:
        """Sound that waits to be played."""
        return max(self._end - self._now, 0)

    @property
    def played_bytes(self) -> int:
        """Sound that the caller has heard."""
        return self.sent_bytes - self.discarded_bytes - self.buffered_bytes

    def segments(self) -> list[Segment]:
        """What was played until now, in order, a segment for each message that carried it."""
        return [
            Segment(piece.start / BYTES_MS, piece.sound[: self._now - piece.start])
            for piece in self._timeline
            if piece.start < self._now
        ]

    def heard(self, until_ms: float) -> bytes:
        """The agent's track as the caller heard it, from `start_ms` on, silence between.

        What lies beyond the time last told to the playback is silence too: it may yet be cleared.
        """
        base = _samples(self.start_ms)
        until = min(_samples(until_ms), self._now)
        track = bytearray(SILENCE * max(_samples(until_ms) - base, 0))
        for piece in self._timeline:
            played = piece.sound[: max(until - piece.start, 0)]
            track[piece.start - base : piece.start - base + len(played)] = played
        return bytes(track)

    def speaking_since(self, now_ms: float) -> float | None:
        """When the utterance began that is being heard; None while the agent is quiet."""
        for utterance in reversed(self.utterances):
            if utterance.start_ms <= now_ms:
                return utterance.start_ms if now_ms < utterance.end_ms else None
        return None

    @property
    def _ms(self) -> float:
        return self._now / BYTES_MS

    def _echo_due(self) -> list[str]:
        echoed = []
        while self._marks and self._marks[0][0] <= self._now:
            at, name = self._marks.popleft()
            self.echoes.append(Echo(name, at / BYTES_MS, genuine=True))
            echoed.append(name)
        return echoed

    def _place(self, sound: bytes) -> None:
        if sound:
            piece = _Placed(max(self._end, self._now), sound)
            self._timeline.append(piece)
            self._end = piece.end
            self._find_speech(piece)

    def _find_speech(self, piece: _Placed) -> None:
        for offset in range(0, len(piece.sound), FRAME_BYTES):
            frame = piece.sound[offset : offset + FRAME_BYTES]
            if is_speech(frame):
                start = piece.start + offset
                self._extend(start / BYTES_MS, (start + len(frame)) / BYTES_MS)

    def _extend(self, start_ms: float, end_ms: float) -> None:
        last = self.utterances[-1] if self.utterances else None
        if last is None or self._cut or start_ms - last.end_ms > PAUSE_MS:
            self.utterances.append(Utterance(start_ms, end_ms))
        else:
            last.end_ms = end_ms
        self._cut = False

    def _cut_off(self) -> None:
        """End the timeline, and the utterance being heard, at the present."""
        self._end = min(self._end, self._now)
        while self._timeline and self._timeline[-1].end > self._now:
            piece = self._timeline.pop()
            if piece.start < self._now:
                self._timeline.append(_Placed(piece.start, piece.sound[: self._now - piece.start]))
        self.utterances = [u for u in self.utterances if u.start_ms < self._ms]
        if self.utterances:
            self.utterances[-1].end_ms = min(self.utterances[-1].end_ms, self._ms)
        self._cut = True


def _samples(ms: float) -> int:
    return int(ms * BYTES_MS)
