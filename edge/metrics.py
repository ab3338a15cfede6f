"""What an edge tells of itself: its phones, and who is there for them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from edge.call import PhoneCall
from shared.metrics import CAUSES, Running, bounded, counters, gauge, tallies

if TYPE_CHECKING:
    from edge.app import Face

REFUSED = "refused"
"""A socket that was let go before it had a call."""


class Phones:
    """The phone sockets of an edge, and how they ended."""

    def __init__(self) -> None:
        self.running: Running[PhoneCall] = Running(lambda phone: phone.messages)
        self.ended = Counter(
            "holdfast_phones_ended",
            "Phone sockets that are gone, and why.",
            ["cause"],
            registry=None,
        )
        for cause in (*CAUSES, REFUSED):
            self.ended.labels(cause)  # from the first: 0 is told, too

    def count(self, cause: str) -> None:
        """One has ended; "": it had no call."""
        self.ended.labels(bounded(cause, CAUSES) if cause else REFUSED).inc()


class EdgeMetrics(Collector):
    """An edge, as Prometheus reads it."""

    def __init__(self, face: "Face") -> None:
        self._face = face

    def collect(self) -> Iterator[Metric]:
        face, phones = self._face, self._face.phones
        fleet, messages = face.desk.fleet, phones.running.totals()
        yield gauge("phones_live", "Phone sockets that are open.", face.calls)
        yield from phones.ended.collect()
        yield counters(
            "phone_messages",
            "Messages of phone sockets: up from Twilio, down to it.",
            "direction",
            {way: messages[way] for way in ("up", "down")},
        )
        yield tallies("door", "Who rang and knocked, and what became of it.", face.counts)
        yield gauge("workers_alive", "Workers that show signs of life.", fleet.workers)
        yield gauge("draining", "Whether this process is told to stop.", fleet.is_draining)
