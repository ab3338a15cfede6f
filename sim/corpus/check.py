"""Replay the corpus on tape, side by side, and compare with what was recorded."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from replay.bundle import SUFFIX, load_bundle
from replay.line import Line, Plan
from replay.recording import Recording
from shared.bus import Archive, Bus, Registry, open_bus
from shared.settings import Settings
from shared.sound import FRAME_BYTES
from sim.agent import AgentServer
from sim.corpus.make import environ_of, see_to, sessions_of
from sim.corpus.same import caller_sound, is_same_sound, timeless
from sim.corpus.scenes import QUICK, SCENES, SCRIPT
from sim.redis import RedisServer
from sim.stack import Process

READY_WITHIN_S = 20.0
CALL_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one bundle."""

    name: str
    frames: int
    sha256: str
    """Of the caller's sound, as it is in the bundle."""
    is_same_sound: bool
    entries: int
    differs_at: int | None
    """Index of the first log entry that is another; None: the logs are the same."""
    recorded: Recording
    replayed: Recording

    @property
    def is_same(self) -> bool:
        return self.is_same_sound and self.differs_at is None


async def check(folder: Path, names: Iterable[str]) -> list[Finding]:
    """Replay these bundles. One whose worker dies has workers of its own, lest others suffer."""
    ordered = list(names)
    recorded = {name: load_bundle(folder / f"{name}{SUFFIX}") for name in ordered}
    alone = [name for name in ordered if SCENES[name].is_taken_over]
    together = [name for name in ordered if name not in alone]
    groups = [[name] for name in alone] + ([together] if together else [])
    async with AgentServer(script=SCRIPT, timing=QUICK) as server:
        environ = environ_of(folder, server.url)
        checks = (
            _check_group({name: recorded[name] for name in group}, environ, server)
            for group in groups
        )
        found = await asyncio.gather(*checks)
    by_name = {finding.name: finding for group in found for finding in group}
    return [by_name[name] for name in ordered]


async def _check_group(
    bundles: dict[str, Recording], environ: dict[str, str], server: AgentServer
) -> list[Finding]:
    workers = 1 + any(SCENES[name].is_taken_over for name in bundles)
    with _house(workers, environ) as (url, processes):
        async with open_bus(url, "corpus") as bus:
            await await_ready(bus, workers)

            async def one(name: str, recorded: Recording) -> Finding:
                line = Line(bus, recorded, Plan(), Settings(redis_url=url))
                async with asyncio.timeout(CALL_WITHIN_S), asyncio.TaskGroup() as tasks:
                    replaying = tasks.create_task(line.run(), name=name)
                    fate = see_to(SCENES[name], Archive(bus), line.call_sid, processes)
                    tasks.create_task(fate, name=f"fate of {name}")
                replayed = replaying.result().recording
                return finding_of(name, recorded, replayed, sessions_of(server, name))

            return list(await asyncio.gather(*(one(*each) for each in bundles.items())))


async def await_ready(bus: Bus, workers: int) -> None:
    """Wait until so many workers take calls. Raises: TimeoutError."""
    async with asyncio.timeout(READY_WITHIN_S):
        while not bus.is_up or len(await Registry(bus).alive()) < workers:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@contextmanager
def _house(workers: int, settings: dict[str, str]) -> Iterator[tuple[str, list[Process]]]:
    """Redis and so many workers. No edge: the replay is one."""
    with RedisServer() as redis, TemporaryDirectory(prefix="holdfast-corpus-") as folder:
        environ = {**settings, "REDIS_URL": redis.url}
        processes = [
            Process(f"worker-{n}", "worker", environ, Path(folder)) for n in range(workers)
        ]
        try:
            yield redis.url, processes
        finally:
            for process in processes:
                process.stop()


def finding_of(
    name: str, recorded: Recording, replayed: Recording, heard: Sequence[bytes]
) -> Finding:
    """Compare a replay, and what the agent heard in it, with what was recorded."""
    sound = caller_sound(recorded)
    ours, theirs = timeless(recorded.log), timeless(replayed.log)
    pairs = enumerate(zip(ours, theirs, strict=False))
    differs_at = next((n for n, (a, b) in pairs if a != b), None)
    if differs_at is None and len(ours) != len(theirs):
        differs_at = min(len(ours), len(theirs))
    return Finding(
        name=name,
        frames=len(sound) // FRAME_BYTES,
        sha256=sha256(sound).hexdigest(),
        is_same_sound=is_same_sound(recorded, heard),
        entries=len(ours),
        differs_at=differs_at,
        recorded=recorded,
        replayed=replayed,
    )
