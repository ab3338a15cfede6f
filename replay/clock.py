"""Whose time is what: everything of a call on the caller's clock.

The clock of a recording counts milliseconds from the caller's first frame. Each
stream has a clock of its own (Twilio's timestamps), which starts anew when the
phone comes back; the log knows how much later that was, by Redis' clock.

A log entry carries the sequence number of the caller's newest entry that its
writer had read, hence the time at which the caller was then. That is the
better time: the entry's own, Redis' clock, includes the way to Redis and back.
It is used only where the first says nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from replay.recording import Recording, Stream
from shared.messages import Audio
from shared.record import Attached, Entry

BYTES_PER_MS = 8

# An entry cannot be older than the frame that its writer had read. One that seems so, by more
# than clocks differ, was written as the phone came back, and means the stream before.
SKEW_MS = 1000.0


@dataclass(frozen=True, slots=True)
class StreamClock:
    """One stream on the recording's clock: where it begins and ends, and when each frame came."""

    start_ms: float
    end_ms: float
    _sequences: tuple[int, ...]
    _times: tuple[float, ...]

    def at(self, sequence: int) -> float | None:
        """The time of the newest frame up to this sequence number."""
        index = bisect_right(self._sequences, sequence) - 1
        return self._times[index] if index >= 0 else None


@dataclass(frozen=True, slots=True)
class Moment:
    """A log entry at its time, on the stream (by number) that was the call's when it was written.

    `stream` is -1 before there was any.
    """

    ms: float
    stream: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a call's streams, and its log in their time."""

    streams: tuple[StreamClock, ...]
    moments: tuple[Moment, ...]


def clocks(recording: Recording) -> Clocks:
    """Put a recording's streams and its log on one clock."""
    attached = {e.stream_sid: ms for ms, e in recording.log if isinstance(e, Attached)}
    first = recording.log[0][0] if recording.log else 0
    zero = min(attached.values(), default=first)
    streams: list[StreamClock] = []
    for stream in recording.streams:
        after = streams[-1].end_ms if streams else 0.0
        came = float(attached.get(stream.stream_sid, zero) - zero)
        streams.append(_stream_clock(stream, max(after, came)))
    return Clocks(tuple(streams), tuple(_moments(recording, zero, streams)))


def origin(stream: Stream) -> int:
    """The timestamp of a stream's first frame: Twilio counts from before the handshake."""
    return next((m.timestamp for _, m in stream.up if isinstance(m, Audio)), 0)


def _stream_clock(stream: Stream, start_ms: float) -> StreamClock:
    shift = start_ms - origin(stream)
    frames = [(seq, m.timestamp + shift, m) for seq, m in stream.up if isinstance(m, Audio)]
    end_ms = max((ms + len(m.mulaw) / BYTES_PER_MS for _, ms, m in frames), default=start_ms)
    times = tuple(ms for _, ms, _ in frames)
    return StreamClock(start_ms, end_ms, tuple(seq for seq, _, _ in frames), times)


def _moments(recording: Recording, zero: int, streams: Sequence[StreamClock]) -> list[Moment]:
    numbers = {stream.stream_sid: n for n, stream in enumerate(recording.streams)}
    current, moments = -1, []
    for written, entry in recording.log:
        if isinstance(entry, Attached):
            current = numbers[entry.stream_sid]
        heard_ms = _heard_ms(streams[current], entry) if current >= 0 else None
        written_ms = float(written - zero)
        is_older = current > 0 and heard_ms is not None and heard_ms > written_ms + SKEW_MS
        ms = written_ms if heard_ms is None or is_older else heard_ms
        moments.append(Moment(ms, current, entry))
    return moments


def _heard_ms(clock: StreamClock, entry: Entry) -> float | None:
    """When the caller's newest entry came that the writer had read; None if it had read none."""
    up = getattr(entry, "up", 0)
    return clock.at(up) if up else None
