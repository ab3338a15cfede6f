"""`replay run`: a recorded caller calls again.

Without `--agent` the workers of REDIS_URL answer, with the agent that answered then. With
it, one worker is started for this alone, on a Redis of its own (see `scratch`); as that
Redis goes, the new recording is kept as a bundle.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from replay.bundle import SUFFIX, save_bundle
from replay.difference import Tolerances, compare
from replay.line import Line, Plan, Replayed
from replay.listing import summary
from replay.recording import Recording, load_original
from replay.report import counted
from replay.scratch import scratch
from replay.screen import Commands, tell, warn
from replay.source import bus_at, recording_of
from replay.terminal import line
from shared.bus import Archive, Bus
from shared.settings import Settings

# How much faster than speech `--speed max` goes: beyond, a stand-in's answer takes longer than
# the pauses that end its turns.
FASTEST = 8.0

_ANY_LENGTH_MS = 24 * 3600 * 1000

T = TypeVar("T")


def add_parser(commands: Commands) -> None:
    """`run`."""
    parser = commands.add_parser("run", help="a recorded caller calls again")
    parser.add_argument("call", metavar=f"CALLSID|FILE{SUFFIX}")
    add_arguments(parser)
    parser.add_argument(
        "--times", type=at_least_one, default=1, metavar="N", help="one after the other"
    )
    parser.add_argument(
        "--to",
        metavar="FILE",
        type=Path,
        help="bundle of the new call; with --agent ./CALLSID.call",
    )
    parser.add_argument("--numbers", action="store_true", help="leave phone numbers in it unmasked")
    parser.set_defaults(run=run)


def at_least_one(text: str) -> int:
    """A number of times. Raises: ValueError."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` and `check` have in common: how to replay, and to whom."""
    parser.add_argument("--agent", metavar="FILE", type=Path, help="agent file (YAML) to try")
    parser.add_argument(
        "--redis", metavar="URL", default="", help="for --agent, where no redis-server is installed"
    )
    parser.add_argument(
        "--timing",
        choices=("tape", "turns"),
        help="as it was, to the byte; or each utterance as long after the agent's turn as then. "
        "Default: turns with --agent, else tape",
    )
    parser.add_argument("--speed", choices=("1", "max"), default="1", help="max: for a stand-in")
    parser.add_argument(
        "--tools",
        choices=("recorded", "live"),
        default="recorded",
        help="whether functions answer as they did, or are run again",
    )


def plan_of(asked: argparse.Namespace) -> Plan:
    """How to replay, by the command line."""
    timing = asked.timing or ("turns" if asked.agent else "tape")
    return Plan(
        on_tape=timing == "tape",
        speed=FASTEST if asked.speed == "max" else 1.0,
        agent=asked.agent.stem if asked.agent else None,
        runs_tools=asked.tools == "live",
    )


@asynccontextmanager
async def bus_of(asked: argparse.Namespace, settings: Settings) -> AsyncIterator[Bus]:
    """Where those are who answer."""
    if asked.agent:
        async with scratch(asked.agent, asked.redis, settings) as bus:
            yield bus
    else:
        async with bus_at(settings) as bus:
            yield bus


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Replay, and tell what is said and where it is recorded."""
    recorded = await recording_of(asked.call, settings)
    return await stoppable(_run(asked, recorded, settings))


async def stoppable(work: Coroutine[Any, Any, T]) -> T:
    """Do this work; Ctrl-C has it hang up first, so that nobody goes on talking to nobody.

    Raises:
        KeyboardInterrupt
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _run(asked: argparse.Namespace, recorded: Recording, settings: Settings) -> int:
    same = 0
    async with bus_of(asked, settings) as bus:
        for number in range(asked.times):
            if number:
                tell("")
            replaying = Line(bus, recorded, plan_of(asked), settings)
            warn(f"{recorded.call_sid} calls again, as {replaying.call_sid}")
            replayed = await _watched(replaying, bus)
            _conclude(replayed)
            await _keep(asked, replaying.call_sid, Archive(bus))
            same += _is_same(recorded, replayed)
    if asked.times > 1:
        tell(f"{same} of {asked.times} went as the recording did")
    return 0


def _is_same(recorded: Recording, replayed: Replayed) -> bool:
    """Whether the same was said and done; how long that took depends on the speed."""
    return compare(recorded, replayed.recording, Tolerances(total_ms=_ANY_LENGTH_MS)).is_same


async def _watched(replaying: Line, bus: Bus) -> Replayed:
    """Replay, and show the conversation as it goes."""
    showing = asyncio.create_task(_show(replaying.call_sid, Archive(bus)), name="show")
    try:
        replayed = await replaying.run()
        await asyncio.wait({showing}, timeout=1.0)
        return replayed
    finally:
        showing.cancel()


async def _show(call_sid: str, archive: Archive) -> None:
    began = 0
    async for at_ms, entry in archive.follow_log(call_sid):
        began = began or at_ms
        if told := line(at_ms - began, entry, colors=sys.stdout.isatty()):
            tell(told)
            sys.stdout.flush()


def _conclude(replayed: Replayed) -> None:
    tell(summary(replayed.recording))
    if replayed.unanswered:
        warn(f"the agent left {counted(replayed.unanswered, 'utterance')} unanswered")
    if replayed.unsaid:
        warn(f"{counted(replayed.unsaid, 'utterance')} came not about: the call was over")


async def _keep(asked: argparse.Namespace, call_sid: str, archive: Archive) -> None:
    """Write the new call's bundle, where it is wanted or its Redis goes."""
    if asked.agent is None and asked.to is None:
        return
    path = asked.to if asked.to and asked.times == 1 else Path(f"{call_sid}{SUFFIX}")
    if asked.to and asked.times > 1:
        path = asked.to.with_name(f"{asked.to.stem}-{call_sid}{SUFFIX}")
    original = await load_original(archive, call_sid)
    tell(str(save_bundle(original, path, numbers=asked.numbers)))
