"""What tests of the bus look at Redis with, and a Redis of their own to break."""

from collections.abc import Iterator

import pytest

from sim.redis import RedisServer
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
