"""What tests of the bus look at Redis with, and a Redis of their own to break."""

from collections.abc import Iterator

import pytest

from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from tests.shared.bus.help import Peek, peeking


@pytest.fixture
def peek(redis: str) -> Iterator[Peek]:
    with peeking(redis) as client:
        yield client


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to stop, kill and restart; it keeps what it was told."""
    with RedisServer(appendonly=True) as running:
        yield running


@pytest.fixture(scope="session")
def _shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as running:
        yield running


@pytest.fixture
def cluster(_shared_cluster: RedisCluster) -> RedisCluster:
    """An empty cluster, for tests that leave its nodes as they are."""
    for lane in ("calls", *range(16)):
        with peeking(_shared_cluster.master_of(f"{{{lane}}}").url) as client:
            client("FLUSHALL")
    return _shared_cluster


@pytest.fixture
def mortal_cluster() -> Iterator[RedisCluster]:
    """A cluster of the test's own, to kill nodes of."""
    with RedisCluster() as running:
        yield running
