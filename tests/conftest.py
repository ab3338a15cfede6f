"""The real Redis for whoever needs one, the machine for those who judge times, and how often a
property is tried."""

import fcntl
import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis

from sim.redis import RedisServer

# In the gate the same examples each time; `make fuzz` looks for others, and for longer.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("gate")


class Machine:
    """All processes of a run test side by side, but while one tests `alone` the others wait.

    A test takes a place in the room at the door. Who would be alone waits for the room to empty and
    keeps the door shut meanwhile; so nobody waits for ever. Both locks end with their process.
    """

    def __init__(self, folder: Path) -> None:
        self._door = (folder / "door").open("w")
        self._room = (folder / "room").open("w")
        self._is_alone = False

    def enter(self, *, alone: bool) -> None:
        if alone and self._is_alone:
            return
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        self._is_alone = alone

    def leave(self) -> None:
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._is_alone = False


MACHINE = pytest.StashKey[Machine]()


def pytest_configure(config: pytest.Config) -> None:
    assert config.cache
    config.stash[MACHINE] = Machine(config.cache.mkdir("machine"))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # so that no test's own time runs while it waits
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    machine = item.config.stash[MACHINE]
    alone = _is_alone(item)
    machine.enter(alone=alone)
    try:
        return (yield)
    finally:
        # The tests of a file that are alone follow each other: the room is emptied for them once.
        if not (alone and nextitem and nextitem.path == item.path and _is_alone(nextitem)):
            machine.leave()


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


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
