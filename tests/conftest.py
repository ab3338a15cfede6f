"""The real Redis for whoever needs one, and how often a property is tried."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from redis import Redis

from sim.redis import RedisServer

# In the gate the same examples each time; `make fuzz` looks for others, and for longer.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("gate")


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(_shared_redis: RedisServer) -> str:
    """The URL of an empty Redis. It serves all tests: who breaks one starts a RedisServer."""
    with Redis.from_url(_shared_redis.url) as client:
        client.flushall()
    return _shared_redis.url


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A program that is run in a test sets up its logs; the next test's are as they were."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
