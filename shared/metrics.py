"""What a process counts, as Prometheus reads it on METRICS_PORT's `/metrics`.

Nothing is done for it on a frame's way: calls count for themselves, and are asked when
somebody reads the page. Labels are words of ours, a few dozen at most: what comes from
outside and is none of them is `other`. Nothing of a caller's is ever one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.bus import Bus, BusError
from shared.causes import Cause
from shared.probes import probes
from shared.settings import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# The time at which a counter was made, beside each: twice the page, for nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]

# How often Redis and the loop are timed, for whoever asks.
SAMPLE_EVERY_S = 1.0

# Seconds: what nobody hears, what is heard, and what is wrong.
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

OTHER = "other"

CAUSES = frozenset(Cause)
"""Why a call, or a phone's stream, ends; numbers of close codes are left out."""

T = TypeVar("T")


def bounded(word: str, known: Set[str]) -> str:
    """A label's value: the word, without a number at its end, if it is one that we know."""
    bare = word.rstrip("0123456789 ")
    return next((each for each in (word, bare) if each in known), OTHER)


def gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"holdfast_{name}", what, value=value)


def counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"holdfast_{name}", what, value=value)


def counters(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"holdfast_{name}", what, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def tallies(name: str, what: str, counts: "DataclassInstance") -> Metric:
    """A dataclass of totals: each of its fields by its name."""
    values = {each.name: float(getattr(counts, each.name)) for each in fields(counts)}
    return counters(name, what, "what", values)


class Running(Generic[T]):
    """Things that count for themselves: those that live, and the sum of those that are gone.

    Args:
        read: What one has counted so far, by name; it never grows less.
    """

    def __init__(self, read: Callable[[T], Mapping[str, int]]) -> None:
        self._read = read
        self._gone: Counter[str] = Counter()
        self.live: set[T] = set()

    @contextmanager
    def counted(self, thing: T) -> Iterator[None]:
        """It lives as long as the block."""
        self.live.add(thing)
        try:
            yield
        finally:
            self.live.discard(thing)
            self._gone.update(self._read(thing))

    def totals(self) -> Counter[str]:
        totals = Counter(self._gone)
        for thing in self.live:
            totals.update(self._read(thing))
        return totals


class BusMetrics(Collector):
    """This process's end of the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.round_trip = _timer("redis_round_trip_seconds", "A round trip to Redis.")
        self.lag = _timer("loop_lag_seconds", "How late this process comes to what it has to do.")

    def collect(self) -> Iterator[Metric]:
        links = self._bus.link.all
        yield gauge("redis_up", "Whether Redis answers, on every connection.", self._bus.is_up)
        yield gauge("redis_queue", "Commands under way.", sum(each.queued for each in links))
        yield counter(
            "redis_sound_dropped",
            "Pieces of sound given up while Redis was away.",
            sum(each.sound_dropped for each in links),
        )
        yield counter(
            "redis_writes_dropped",
            "Other writes given up while Redis was away.",
            sum(each.posts_dropped for each in links),
        )
        yield counter(
            "redis_entries_restored",
            "Entries that Redis had lost, and has again.",
            sum(each.restored for each in links),
        )
        yield from self.round_trip.collect()
        yield from self.lag.collect()

    async def sample(self) -> None:
        """Time Redis and the loop, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE_EVERY_S
            await asyncio.sleep(SAMPLE_EVERY_S)
            now = loop.time()
            self.lag.observe(max(0.0, now - due))
            if self._bus.is_up:
                await self._ping(now)

    async def _ping(self, now: float) -> None:
        try:
            await self._bus.link.ask("PING")
        except BusError:
            return  # `redis_up` tells
        self.round_trip.observe(asyncio.get_running_loop().time() - now)


def _timer(name: str, what: str) -> Histogram:
    return Histogram(f"holdfast_{name}", what, buckets=BUCKETS_S, registry=None)


@asynccontextmanager
async def metrics(
    settings: Settings, bus: Bus, is_ready: Callable[[], bool], own: Collector
) -> AsyncIterator[None]:
    """Serve METRICS_PORT while the block runs, if there is to be one.

    Args:
        own: What this kind of process has to tell, besides what all have.
    """
    if not settings.metrics_port:
        yield
        return
    registry, of_bus = _registry(), BusMetrics(bus)
    for collector in (of_bus, own):
        registry.register(collector)
    page = partial(generate_latest, registry)
    async with asyncio.TaskGroup() as tasks:
        sampling = tasks.create_task(of_bus.sample(), name="metrics")
        async with probes(settings.metrics_host, settings.metrics_port, is_ready, page):
            yield
        sampling.cancel()


def _registry() -> CollectorRegistry:
    """With the process's own memory, CPU and descriptors."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    return registry
