"""What can go wrong on the way from the caller to the server, and the track it goes wrong on.

A Track takes the caller's frame of every 20 ms and gives what is to be sent then. A message's
timestamp is its first byte's place in the track, counted from the stream's creation, which lies
before the handshake: the first is between 50 and 175 ms on real calls. It is rounded a little off
now and then, as seen there. A stall holds messages back and then sends them all at once; a gap
swallows them, so that timestamps jump while chunks go on without a hole.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from shared.sound import FRAME_BYTES
from sim.phone.playback import BYTES_MS

FIRST_TIMESTAMP_MS = (50, 175)
ROUNDED_SHARE = 0.1

Signature = Literal["right", "missing", "wrong", "https"]
"""`https` signs the stream's URL as if it were not `wss`."""

Phase = Literal["connecting", "connected", "started"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the stream, in seconds from its first frame."""

    at_s: float
    for_s: float

    def holds(self, offset_ms: float) -> bool:
        return self.at_s * 1000 <= offset_ms < (self.at_s + self.for_s) * 1000


@dataclass(frozen=True, slots=True)
class Stray:
    """A frame that no carrier sends: malformed, unknown or binary."""

    at_s: float
    frame: str | bytes


@dataclass(frozen=True, slots=True)
class Impairments:
    """Faults of the call's first stream, and of its signatures; none by default.

    `lose_at` breaks the connection when that phase has been reached, `lose_after_s` in mid-call.
    A half-open socket is neither read nor written nor closed for a time, and then broken.
    `linger_s` is a hang-up after which the server's close frame stays unanswered that long.
    """

    first_timestamp_ms: int | None = None
    stalls: tuple[Span, ...] = ()
    gaps: tuple[Span, ...] = ()
    frame_sizes: tuple[int, ...] = (FRAME_BYTES,)
    read_delay_s: float = 0.0
    lose_at: Phase | None = None
    lose_after_s: float | None = None
    half_open: Span | None = None
    linger_s: float = 0.0
    duplicate_at_s: float | None = None
    strays: tuple[Stray, ...] = ()
    stream_signature: Signature = "right"
    webhook_signature: Signature = "right"
    parameters: tuple[tuple[str, str], ...] = ()
    """Replace custom parameters of the same name, such as a forged token."""


class Track:
    """The caller's sound on its way out: placed, cut into messages, impaired."""

    def __init__(self, impairments: Impairments, random: Random) -> None:
        self._impairments = impairments
        self._random = random
        first = impairments.first_timestamp_ms
        self._first_ms = random.randint(*FIRST_TIMESTAMP_MS) if first is None else first
        self._last_ms = 0
        self._position = 0
        self._pending = b""
        self._messages = 0
        self._held: list[tuple[int, bytes]] = []

    def push(self, offset_ms: float, frame: bytes) -> list[tuple[int, bytes]]:
        """Take the frame due now; return the (timestamp, sound) messages to send now."""
        if any(gap.holds(offset_ms) for gap in self._impairments.gaps):
            self._position += len(self._pending) + len(frame)
            self._pending = b""
        else:
            self._pending += frame
            self._held += self._cut()
        if any(stall.holds(offset_ms) for stall in self._impairments.stalls):
            return []
        due, self._held = self._held, []
        return due

    def _cut(self) -> list[tuple[int, bytes]]:
        messages = []
        while len(self._pending) >= (size := self._size()):
            messages.append((self._timestamp(), self._pending[:size]))
            self._pending = self._pending[size:]
            self._position += size
            self._messages += 1
        return messages

    def _size(self) -> int:
        sizes = self._impairments.frame_sizes
        return sizes[self._messages % len(sizes)]

    def _timestamp(self) -> int:
        exact = self._first_ms + self._position // BYTES_MS
        if self._messages and self._random.random() < ROUNDED_SHARE:
            exact += self._random.choice((-2, -1, 1, 2))
        self._last_ms = max(self._last_ms, exact)
        return self._last_ms
