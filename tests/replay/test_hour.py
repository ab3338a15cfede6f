"""Long calls: what they take of Redis, and an export that is stopped."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from sim.redis import RedisServer
from tests.replay import hour

SECONDS = 600
BUDGET = 1.25
"""Bytes of Redis a byte of sound."""


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[str, int, int]]:
    """Ten minutes of a call: where, what they took of Redis, and the sound in them."""
    with RedisServer() as server, Redis.from_url(server.url) as redis:
        held, sound = hour.put(redis, SECONDS)
        yield server.url, held, sound


def test_a_recording_takes_no_more_memory_than_promised(recorded: tuple[str, int, int]) -> None:
    _, held, sound = recorded

    assert sound > SECONDS * 8000
    assert held <= BUDGET * sound


def test_an_export_that_is_stopped_leaves_nothing(
    recorded: tuple[str, int, int], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", "export", hour.CALL, "--to", str(tmp_path / "out")],
        env={"REDIS_URL": recorded[0]},
        cwd=hour.ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()

    assert (process.returncode, told) == (1, "replay: stopped\n")
    assert list(tmp_path.iterdir()) == []
