"""A Redis and a worker of one's own, to try an agent file without a live call being touched.

Any worker claims any call, so an agent file that the workers in service do not have needs
a bus of its own. Redis is started here if this machine has a redis-server; else `--redis`
names one that nobody uses, such as another database number of the one there is.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from replay.errors import Unable
from replay.source import bus_at
from shared.bus import Bus, Registry
from shared.settings import Settings
from sim.guard import Guard
from sim.redis import RedisMissing, RedisServer

# A worker is there within a second; on a busy machine it takes longer.
READY_S = 20.0
STOP_S = 5.0
LOOK_S = 0.02

# Replays at once.
PLACES = 32

DEFAULT = "default.yaml"


@asynccontextmanager
async def scratch(agent: Path, redis_url: str, settings: Settings) -> AsyncIterator[Bus]:
    """A bus on which one worker serves, with this agent file alone.

    Args:
        redis_url: A Redis without workers; empty: one is started.

    Raises:
        BadSetting: If there is no way to an agent service.
        Unable: If there is no Redis, or the worker does not start: with the agent file's fault.
    """
    with _redis(redis_url) as url, TemporaryDirectory(prefix="holdfast-replay-") as folder:
        own = replace(settings, redis_url=url, lanes=1, recording=True, archive="")
        own.checked_for_worker()
        agents = _agents(agent, Path(folder))
        async with bus_at(own) as bus:
            if redis_url and await Registry(bus).alive():
                raise Unable("--redis: workers serve this Redis; name one that nobody uses")
            log = Path(folder, "worker.log")
            with _worker(url, agents, log) as worker:
                await _await_ready(bus, worker, log, agent)
                yield bus


@contextmanager
def _redis(url: str) -> Iterator[str]:
    if url:
        yield url
        return
    server = RedisServer()
    try:
        server.start()
    except RedisMissing:
        raise Unable(
            "--agent needs a Redis of its own: install redis-server, or name one that "
            "nobody uses, for example --redis redis://127.0.0.1:6379/1"
        ) from None
    try:
        yield server.url
    finally:
        server.stop()


def _agents(agent: Path, folder: Path) -> Path:
    """A folder with this file alone, also as the default, and its sounds beside it."""
    if not agent.is_file():
        raise Unable(f"{agent}: no such file")
    agents = folder / "agents"
    agents.mkdir()
    for beside in agent.absolute().parent.iterdir():
        if beside.suffix != ".yaml":
            (agents / beside.name).symlink_to(beside)
    for name in {DEFAULT, f"{agent.stem}.yaml"}:
        (agents / name).symlink_to(agent.absolute())
    return agents


@contextmanager
def _worker(url: str, agents: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as in production, on this Redis and with these agents; it ends with the block."""
    changed = {
        "REDIS_URL": url,
        "AGENTS": str(agents),
        "LANES": "1",
        "MAX_CALLS": str(PLACES),
        "RECORDING": "on",
        "METRICS_PORT": "0",
        "DRAIN_S": "0",
    }
    # `env` changes what the worker inherits; our own environment is the main module's to read.
    command = ["env", *(f"{name}={value}" for name, value in changed.items())]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a fixed list of arguments
            [*command, sys.executable, "-m", "worker"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    guard = Guard(process.pid, log.parent)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        guard.dismiss()


async def _await_ready(bus: Bus, worker: subprocess.Popen[bytes], log: Path, agent: Path) -> None:
    """Wait until the worker takes calls. Raises: Unable, with what is wrong with the agent file."""
    registry = Registry(bus)
    try:
        async with asyncio.timeout(READY_S):
            while worker.poll() is None:
                if await registry.alive():
                    return
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Unable(f"the worker is not ready after {READY_S:.0f} s") from None
    raise Unable(_last_word(log, agent))


def _last_word(log: Path, agent: Path) -> str:
    """What the worker said when it did not start, with the agent file's name as it is known."""
    said = log.read_text(errors="replace").strip().rpartition("\n")[2]
    for name in (DEFAULT, f"{agent.stem}.yaml"):
        said = said.replace(str(log.parent / "agents" / name), str(agent))
    return said or "the worker did not start"
