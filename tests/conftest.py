"""The real Redis for whoever needs one."""

import logging
from collections.abc import Iterator

import pytest
from redis import Redis

from sim.redis import RedisServer


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
