"""Sound on the recording's clock, and the caller's side of it."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from replay.clock import BYTES_PER_MS, StreamClock, origin
from replay.recording import Stream
from shared.messages import Audio
from shared.sound import SILENCE, is_speech

# A jump of the caller's timestamps above this is a gap; below, a rounding.
GAP_MS = 40


@dataclass(frozen=True, slots=True)
class Segment:
    """Sound without a break, from `start_ms` on."""

    start_ms: float
    mulaw: bytes = field(repr=False)

    @property
    def end_ms(self) -> float:
        return self.start_ms + len(self.mulaw) / BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class Track:
    """One side of a call: its segments in order, silence between them."""

    segments: tuple[Segment, ...] = ()

    def render(self, duration_ms: float) -> bytes:
        """The whole track as mu-law, of exactly this length."""
        return self.window(0, round(duration_ms * BYTES_PER_MS))

    def window(self, first: int, last: int) -> bytes:
        """The track from its byte `first` up to its byte `last`."""
        track = bytearray(SILENCE * (last - first))
        for segment in self.segments:
            start = max(0, round(segment.start_ms * BYTES_PER_MS)) - first
            if start < last - first and start + len(segment.mulaw) > 0:
                part = segment.mulaw[max(0, -start) : last - first - start]
                track[max(0, start) : max(0, start) + len(part)] = part
        return bytes(track)


def caller_track(streams: Sequence[Stream], clocks: Sequence[StreamClock]) -> Track:
    """The caller's sound: frames end to end, with a gap only where the timestamps have one."""
    return Track(
        tuple(
            segment
            for stream, clock in zip(streams, clocks, strict=True)
            for segment in _end_to_end(frames(stream, clock))
        )
    )


def frames(stream: Stream, clock: StreamClock) -> Iterator[tuple[float, bytes]]:
    """A stream's frames, each with its time by its timestamp."""
    shift = clock.start_ms - origin(stream)
    return ((m.timestamp + shift, m.mulaw) for _, m in stream.up if isinstance(m, Audio))


def _end_to_end(placed: Iterable[tuple[float, bytes]]) -> Iterator[Segment]:
    start_ms = end_ms = 0.0
    parts: list[bytes] = []
    for ms, mulaw in placed:
        if parts and ms - end_ms > GAP_MS:
            yield Segment(start_ms, b"".join(parts))
            parts.clear()
        if not parts:
            start_ms = end_ms = ms
        parts.append(mulaw)
        end_ms += len(mulaw) / BYTES_PER_MS
    if parts:
        yield Segment(start_ms, b"".join(parts))


def last_loud(placed: Sequence[tuple[float, bytes]], after_ms: float, until_ms: float) -> float:
    """When the caller's last loud frame between these times ended; else the first of them."""
    end = bisect_right(placed, until_ms, key=itemgetter(0))
    for index in range(end - 1, -1, -1):
        ms, mulaw = placed[index]
        if ms < after_ms:
            break
        if is_speech(mulaw):
            return ms + len(mulaw) / BYTES_PER_MS
    return after_ms
