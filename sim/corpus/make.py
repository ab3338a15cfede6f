"""Record the corpus: each scene a real call through real processes."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

from replay.bundle import SUFFIX, save_bundle
from replay.recording import load_original, read
from shared.bus import Archive, Bus, open_bus
from shared.record import Onset, Taken
from sim.agent import AgentServer
from sim.corpus.same import is_same_sound
from sim.corpus.scenes import QUICK, SCENES, SCRIPT, Scene
from sim.phone.call import Call
from sim.phone.caller import Caller, Say
from sim.stack import Process, Stack
from sim.voice import speak

CALL_WITHIN_S = 60.0


def environ_of(folder: Path, agent_url: str) -> dict[str, str]:
    """The settings of edge and workers; the agent file and its functions lie with the bundles."""
    return {
        "DEEPGRAM_AGENT_URL": agent_url,
        "DEEPGRAM_API_KEY": "stand-in",
        "AGENTS": str(folder / "agents"),
        "TOOLS": str(folder / "tools.py"),
        "LEASE_S": "1",
        # While it is said the agent gets ready, so each call begins alike.
        "NOTICE": "Please hold the line.",
    }


def number(name: str) -> str:
    """A caller's number for each scene: its last digits, which a bundle keeps, tell it."""
    return f"+1555123{list(SCENES).index(name):04d}"


def sessions_of(server: AgentServer, name: str) -> list[bytes]:
    """What the agent's sessions for this caller heard."""
    wanted = number(name)[-3:] + "."
    found = (each for each in server.sessions if wanted in json.dumps(each.settings))
    return [bytes(each.heard) for each in found]


async def make(folder: Path, names: Iterable[str]) -> list[Path]:
    """Record these scenes. Returns their bundles. Raises: RuntimeError, StackFailed."""
    async with AgentServer(script=SCRIPT, timing=QUICK) as server:
        with Stack(workers=2, environ=environ_of(folder, server.url)) as stack:
            async with open_bus(stack.redis.url, "corpus") as bus:
                return [await _record(stack, bus, server, name, folder) for name in names]


async def _record(stack: Stack, bus: Bus, server: AgentServer, name: str, folder: Path) -> Path:
    scene = SCENES[name]
    call = Call(caller=Caller(scene.steps(_say)), webhook=stack.webhook, from_=number(name))
    archive = Archive(bus)
    async with asyncio.timeout(CALL_WITHIN_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(call.run(), name="call")
        tasks.create_task(see_to(scene, archive, call.call_sid, stack.workers), name="fate")
    original = await load_original(archive, call.call_sid)
    if not is_same_sound(read(original), sessions_of(server, name)):
        raise RuntimeError(f"{name}: the agent did not hear what the recording holds")
    return save_bundle(original, folder / f"{name}{SUFFIX}")


async def see_to(scene: Scene, archive: Archive, call_sid: str, workers: list[Process]) -> None:
    """Follow a call to its end; where its worker is to die, kill it as the caller speaks."""
    owner, is_doomed = "", scene.is_taken_over
    async for _, entry in archive.follow_log(call_sid):
        match entry:
            case Taken(worker):
                owner = worker
            case Onset() if is_doomed:
                is_doomed = False
                next(each for each in workers if owner in each.log).kill()


def _say(text: str) -> Say:
    return Say(speak(text, "caller"), text)
