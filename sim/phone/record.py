"""What is known of a call when it is over: the ground truth to hold a server's account against.

All times are milliseconds on the caller's clock: 0 is the caller's first frame on the call's first
stream, and the clock runs on while no stream is open.
"""

import math
from dataclasses import dataclass, field

from shared.sound import RATE, SILENCE
from sim.phone.caller import Spoken
from sim.phone.playback import Playback
from sim.phone.wire import Rejection


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling a live observer.

    `at_s` counts from the dialling; `ms` is the caller's clock, None before the first frame.
    """

    at_s: float
    ms: float | None
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One WebSocket message: `sent` by the carrier, or received from the server."""

    ms: float
    sent: bool
    frame: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Followed:
    """One step along the TwiML: a request with its HTTP status, or a verb."""

    what: str
    detail: str = ""
    status: int | None = None


@dataclass(slots=True)
class Lateness:
    """By how much the stand-in missed its own deadlines."""

    max_ms: float = 0.0
    total_ms: float = 0.0
    count: int = 0

    def add(self, late_ms: float) -> None:
        self.max_ms = max(self.max_ms, late_ms)
        self.total_ms += late_ms
        self.count += 1

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.count if self.count else 0.0


@dataclass(slots=True)
class StreamRecord:
    """One media stream, from its handshake to its close."""

    stream_sid: str
    url: str
    started_at: float
    """Reading of `time.monotonic()` when the socket was open, or refused."""
    start_ms: float = 0.0
    ended_ms: float = 0.0
    ended: str = ""
    """caller hung up, server closed, lost, or handshake failed."""
    close_code: int | None = None
    """1006 if the connection was lost; None if the socket never opened."""
    playback: Playback = field(default_factory=Playback)
    messages: list[Exchanged] = field(default_factory=list, repr=False)
    rejections: list[Rejection] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    lateness: Lateness = field(default_factory=Lateness)

    def reject(self, rejection: Rejection) -> bool:
        """Note a rejection; False if one of that code was reported for this stream before."""
        if any(noted.code == rejection.code for noted in self.rejections):
            return False
        self.rejections.append(rejection)
        return True


@dataclass(slots=True)
class CallResult:
    """A call, as the carrier and the caller saw it."""

    call_sid: str
    ended: str = ""
    """caller hung up, hangup verb, document ended, rejected, or error with its code."""
    streams: list[StreamRecord] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """The texts of the <Say> verbs that the caller heard."""
    dialled: list[str] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    words: bytearray = field(default_factory=bytearray, repr=False)
    """The caller's track while the call lasts; afterwards `caller_track` is it."""

    @property
    def rejections(self) -> list[Rejection]:
        return [rejection for stream in self.streams for rejection in stream.rejections]

    def caller_track(self) -> bytes:
        """What the caller said, from the first frame to the call's end."""
        return bytes(self.words.ljust(self._length(), SILENCE))

    def agent_track(self) -> bytes:
        """What the caller heard of the agent, on the same clock and of the same length."""
        track = bytearray(SILENCE * self._length())
        for stream in self.streams:
            heard = stream.playback.heard(stream.ended_ms)
            start = int(stream.start_ms * RATE / 1000)
            track[start : start + len(heard)] = heard
        return bytes(track)

    def unanswered(self) -> list[Spoken]:
        """What the caller said without hearing the agent between it and the next thing said."""
        next_starts = [spoken.start_ms for spoken in self.spoken[1:]] + [math.inf]
        return [
            spoken
            for spoken, until in zip(self.spoken, next_starts, strict=False)
            if not self._agent_spoke(spoken.end_ms, until)
        ]

    def _agent_spoke(self, after_ms: float, before_ms: float) -> bool:
        return any(
            utterance.end_ms > after_ms and utterance.start_ms < min(before_ms, stream.ended_ms)
            for stream in self.streams
            for utterance in stream.playback.utterances
        )

    def _length(self) -> int:
        ends = [int(stream.ended_ms * RATE / 1000) for stream in self.streams]
        return max([len(self.words), *ends])
