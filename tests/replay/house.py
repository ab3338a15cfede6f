"""A Redis and a worker whose agent is the corpus's stand-in, for replays of the corpus."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from replay import check, run
from shared.bus import Archive, Bus, open_bus
from shared.record import Entry, Over
from shared.settings import Settings
from sim.agent import AgentServer, Script
from sim.corpus.check import await_ready
from sim.corpus.main import FOLDER
from sim.corpus.make import environ_of
from sim.corpus.scenes import QUICK, SCRIPT
from sim.redis import RedisServer
from sim.stack import Process


@dataclass(frozen=True, slots=True)
class House:
    """What replays need."""

    redis: RedisServer
    agent: AgentServer
    bus: Bus
    worker: Process

    @property
    def settings(self) -> Settings:
        return Settings(redis_url=self.redis.url)

    @property
    def archive(self) -> Archive:
        return Archive(self.bus)

    @property
    def environ(self) -> dict[str, str]:
        """Settings for further processes."""
        return {**environ_of(FOLDER, self.agent.url), "REDIS_URL": self.redis.url}

    async def has_logged(self, call_sid: str, kind: type[Entry] = Over) -> Entry:
        """Wait for the first entry of this kind in a call's log."""
        async for _, entry in self.archive.follow_log(call_sid):
            if isinstance(entry, kind):
                return entry
        raise AssertionError(f"the call ended without {kind.__name__}")


@asynccontextmanager
async def house(folder: Path, script: Script = SCRIPT) -> AsyncIterator[House]:
    """All of it, for as long as the block runs."""
    with RedisServer() as redis:
        async with AgentServer(script=script, timing=QUICK) as agent:
            environ = {**environ_of(FOLDER, agent.url), "REDIS_URL": redis.url}
            worker = Process("worker", "worker", environ, folder)
            try:
                async with open_bus(redis.url, "test") as bus:
                    await await_ready(bus, workers=1)
                    yield House(redis, agent, bus, worker)
            finally:
                worker.stop()


def asked(*arguments: str) -> argparse.Namespace:
    """A command line, understood."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for command in (run, check):
        command.add_parser(commands)
    return parser.parse_args(arguments)
