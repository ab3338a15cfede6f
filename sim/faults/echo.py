"""Frames that go all the way, phone to agent and back: how long each took, and which were lost.

The caller is quiet noise, each of its frames unlike any other, and the agent's profile is "echo".
So every frame that comes back is known by its bytes.
"""

import base64
import random
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from shared.sound import FRAME_BYTES, RATE, SILENT_FRAME
from sim.faults.finding import Finding
from sim.load.statistics import Spread
from sim.phone.caller import Say
from sim.phone.record import StreamRecord

_PAYLOAD = re.compile(r'"payload":"([^"]+)"')


def noise(seconds: float, seed: int = 1) -> Say:
    """Sound that is no speech, and no byte of it silence."""
    return Say(bytes(random.Random(seed).choices(range(0xF0, 0xFF), k=int(RATE * seconds))))


@dataclass(frozen=True, slots=True)
class Trip:
    """One frame of the caller's, on the caller's clock; `back_ms` is None if it never came back."""

    sent_ms: float
    back_ms: float | None

    @property
    def ms(self) -> float:
        return (self.back_ms or self.sent_ms) - self.sent_ms


def trips(stream: StreamRecord, since_ms: float = 0.0) -> list[Trip]:
    """The frames sent since then, in order. The last ones may still be under way."""
    back: dict[bytes, float] = {}
    for ms, frame in _frames(stream, since_ms, sent=False):
        back.setdefault(frame, ms)
    sent = _frames(stream, since_ms, sent=True)
    return [Trip(ms, back.get(frame)) for ms, frame in sent]


def _frames(stream: StreamRecord, since_ms: float, *, sent: bool) -> Iterator[tuple[float, bytes]]:
    first = bisect_left(stream.messages, since_ms, key=lambda message: message.ms)
    for message in islice(stream.messages, first, None):
        if message.sent is not sent:
            continue
        if found := _PAYLOAD.search(str(message.frame)):
            sound = base64.b64decode(found[1])
            for at in range(0, len(sound), FRAME_BYTES):
                yield message.ms, sound[at : at + FRAME_BYTES]


def first_trip_after(stream: StreamRecord, since_ms: float) -> float | None:
    """When the first frame that was sent after this moment came back."""
    back = [trip.back_ms for trip in trips(stream, since_ms) if trip.back_ms is not None]
    return min(back, default=None)


def lost(stream: StreamRecord, until_ms: float) -> int:
    """Frames sent before this moment that never came back."""
    return sum(trip.back_ms is None for trip in trips(stream) if trip.sent_ms < until_ms)


def doubled(stream: StreamRecord) -> int:
    """Frames that came back more than once."""
    counts = Counter(frame for _, frame in _frames(stream, 0.0, sent=False))
    del counts[SILENT_FRAME]
    return sum(count - 1 for count in counts.values())


def check_untouched(finding: Finding, base: Spread, beside: Spread) -> None:
    """What happens to some calls is nothing to the others: their round trips stay as they were.

    A machine that is busy anyway has its own peaks: within twice the base line, or 25 ms, is noise.
    """
    finding.figure("others' p99 before ms", base.p99)
    finding.figure("others' p99 ms", beside.p99, most=max(2 * base.p99, base.p99 + 25))
    finding.expect(base.count and beside.count, "others' frames came back")
