"""Counting without a clock or a socket: labels are bounded, sums never grow less."""

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from shared import metrics as module
from shared.bus import Bus
from shared.causes import Cause
from shared.metrics import CAUSES, BusMetrics, Running, bounded, counter, metrics, tallies
from shared.settings import read
from sim.redis import RedisServer, free_port
from tests.shared.bus.help import opened, until

ROOT = Path(__file__).parents[2]

# Who names a cause.
NAMING = {"_Over", "_hang_up", "say", "start", "end", "resume", "Ended", "Goodbye", "abandon"}


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("caller hung up", "caller hung up"),
        ("socket closed 1006", "socket closed"),
        ("+15551230000", "other"),
        ("", "other"),
        ("no such cause", "other"),
    ],
)
def test_a_label_is_a_word_of_ours(word: str, label: str) -> None:
    assert bounded(word, CAUSES) == label


def test_a_number_that_is_known_stays() -> None:
    known = frozenset({"http", "http 401"})

    assert bounded("http 401", known) == "http 401"
    assert bounded("http 418", known) == "http"


def spelt_out() -> Iterator[str]:
    """Every cause that the source has as a literal."""
    files = [file for room in ("edge", "worker", "shared") for file in (ROOT / room).glob("*.py")]
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Call) and called(node) in NAMING:
            for each in node.args:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def called(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_every_cause_is_one_that_is_counted() -> None:
    assert list(spelt_out()) == []
    assert {bounded(cause, CAUSES) for cause in Cause} == CAUSES


@dataclass
class Thing:
    count: int = 0

    __hash__ = object.__hash__


def test_what_has_gone_still_counts() -> None:
    running: Running[Thing] = Running(lambda thing: {"count": thing.count})
    one, other = Thing(), Thing()
    with running.counted(one):
        one.count = 3
        with running.counted(other):
            other.count = 4
            assert running.totals() == {"count": 7}
            assert running.live == {one, other}
        assert running.totals() == {"count": 7}
    assert running.totals() == {"count": 7}
    assert running.live == set()


def test_what_fails_still_counts() -> None:
    running: Running[Thing] = Running(lambda thing: {"count": thing.count})
    with pytest.raises(ValueError, match="boom"), running.counted(Thing(2)):
        raise ValueError("boom")

    assert running.totals() == {"count": 2}


@dataclass(slots=True)
class Counts:
    full: int = 2
    sockets_forged: int = 0


def test_a_dataclass_of_totals() -> None:
    samples = tallies("door", "Who rang.", Counts()).samples

    assert [(each.name, each.labels, each.value) for each in samples] == [
        ("holdfast_door_total", {"what": "full"}, 2.0),
        ("holdfast_door_total", {"what": "sockets_forged"}, 0.0),
    ]


class Own(Collector):
    def collect(self) -> Iterator[Metric]:
        yield counter("things", "Things.", 5)


def values(metrics: BusMetrics) -> dict[str, float]:
    return {each.name: each.value for family in metrics.collect() for each in family.samples}


async def timed(bus: Bus, count: int) -> BusMetrics:
    """Samples until Redis was timed so often."""
    of_bus = BusMetrics(bus)
    sampling = asyncio.create_task(of_bus.sample())
    await until(lambda: values(of_bus)["holdfast_redis_round_trip_seconds_count"] >= count)
    sampling.cancel()
    return of_bus


async def test_redis_and_the_loop_are_timed(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_EVERY_S", 0.01)
    async with opened(redis) as bus:
        told = values(await timed(bus, 5))

    assert 0 < told["holdfast_redis_round_trip_seconds_sum"] < 1
    assert told["holdfast_loop_lag_seconds_count"] >= 5
    assert told["holdfast_redis_up"] == 1


async def test_a_redis_that_is_away_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_EVERY_S", 0.01)
    with RedisServer() as server:
        async with opened(server.url) as bus:
            server.kill()
            await until(lambda: not bus.is_up)
            bus.link.post("SET", "a", 1)
            of_bus = BusMetrics(bus)
            sampling = asyncio.create_task(of_bus.sample())
            await until(lambda: values(of_bus)["holdfast_loop_lag_seconds_count"] >= 5)
            sampling.cancel()
            told = values(of_bus)

    assert told["holdfast_redis_up"] == 0
    assert told["holdfast_redis_queue"] >= 1
    assert told["holdfast_redis_round_trip_seconds_count"] == 0


async def test_the_page_is_one_that_prometheus_reads(redis: str) -> None:
    port = free_port()
    settings = read({"REDIS_URL": redis, "METRICS_PORT": str(port)})
    async with (
        opened(redis) as bus,
        metrics(settings, bus, lambda: True, Own()),
        httpx.AsyncClient() as client,
    ):
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text

    families = {each.name: each for each in text_string_to_metric_families(page)}
    assert families["holdfast_things"].samples[0].value == 5
    assert "holdfast_redis_up" in families
    assert families["process_cpu_seconds"].samples[0].value > 0
    assert not [name for name in families if name.endswith("_created")]
