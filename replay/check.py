"""`replay check`: a folder of bundles against an agent file, each with what is expected of it.

    calls/booking.call    the recorded caller
    calls/booking.yaml    what must come of it (see `expectations`)

Exit status: 0 all is as expected, 1 not, 2 the folder or a file in it cannot be used.
"""

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path

from replay.bundle import SUFFIX, load_bundle, save_bundle
from replay.errors import BadBundle
from replay.expectations import BadExpectations, Expectations, Finding, judge, load
from replay.line import NotReplayed, Plan, replay
from replay.recording import Recording, load_original
from replay.report import counted
from replay.run import add_arguments, at_least_one, bus_of, plan_of, stoppable
from replay.screen import Commands, tell, warn
from shared.bus import Archive, Bus
from shared.settings import Settings

MET, UNMET, UNUSABLE = 0, 1, 2

# Callers at once, unless it is said otherwise: none of them may make another's agent late.
SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A bundle, and what is expected of its replay."""

    name: str
    recording: Recording
    expected: Expectations


def add_parser(commands: Commands) -> None:
    """`check`."""
    parser = commands.add_parser("check", help="a folder of bundles against an agent file")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    add_arguments(parser)
    parser.add_argument("--parallel", type=at_least_one, default=SIDE_BY_SIDE, metavar="N")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="keep the new calls' bundles")
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Replay all of them, and tell which expectations were met."""
    try:
        cases = cases_in(asked.folder)
    except (BadBundle, BadExpectations) as exc:
        warn(str(exc))
        return UNUSABLE
    if not cases:
        warn(
            f"{asked.folder}: no bundle in it has expectations beside it (NAME{SUFFIX}, NAME.yaml)"
        )
        return UNUSABLE
    if asked.to:
        asked.to.mkdir(parents=True, exist_ok=True)
    findings = await stoppable(_check_all(asked, cases, settings))
    unmet = sum(not finding.is_met for finding in findings)
    checked = f"{counted(len(findings), 'expectation')} of {counted(len(cases), 'call')}"
    tell(f"{checked}: {f'{unmet} not met' if unmet else 'all met'}")
    return UNMET if unmet else MET


def cases_in(folder: Path) -> list[Case]:
    """The bundles with expectations beside them. Raises: BadBundle, BadExpectations, OSError."""
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    return [
        Case(path.stem, load_bundle(path), load(beside))
        for path in paths
        if (beside := path.with_suffix(".yaml")).is_file()
    ]


async def _check_all(
    asked: argparse.Namespace, cases: list[Case], settings: Settings
) -> list[Finding]:
    places = asyncio.Semaphore(asked.parallel)
    async with bus_of(asked, settings) as bus:

        async def one(case: Case) -> list[Finding]:
            async with places:
                findings = await _check(case, bus, plan_of(asked), settings, asked.to)
            for finding in findings:
                tell(f"{'ok  ' if finding.is_met else 'FAIL'} {case.name:<16} {finding.what}")
            return findings

        checked = await asyncio.gather(*map(one, cases))
    return [finding for findings in checked for finding in findings]


async def _check(
    case: Case, bus: Bus, plan: Plan, settings: Settings, folder: Path | None
) -> list[Finding]:
    try:
        replayed = await replay(bus, case.recording, plan, settings)
    except NotReplayed as exc:
        return [Finding(f"is replayed ({exc})", is_met=False)]
    if folder:
        original = await load_original(Archive(bus), replayed.recording.call_sid)
        save_bundle(original, folder / f"{case.name}{SUFFIX}")
    return judge(case.expected, replayed)
