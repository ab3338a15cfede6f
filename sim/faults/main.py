"""`python -m sim faults`: the command line.

python -m sim faults
python -m sim faults --only worker-killed-agent-speaks --to faults
"""

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from sim.faults import report, rows
from sim.faults.run import SIDE_BY_SIDE, Outcome, run
from sim.faults.scenario import SCENARIOS, Scenario
from sim.faults.stage import FULL, SOAK, Scale
from sim.redis import RedisMissing, find_server

WIDTH = 132
"""Of the table, where nobody says how wide the terminal is."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim faults",
        description="Do every harm to real processes, and measure what callers hear of it.",
    )
    add = parser.add_argument
    add("--only", nargs="+", metavar="NAME", help="these scenarios, or all whose names begin so")
    add("--list", action="store_true", help="the scenarios' names, and no more")
    add("--to", type=Path, metavar="DIR", help="write each call's sound there (WAV, stereo)")
    add(
        "--soak", action="store_true", help="10,000 dropped calls, a minute's talk after each fault"
    )
    add("--json", type=Path, metavar="FILE", help="the findings as JSON, too")
    add("--at-once", type=int, default=SIDE_BY_SIDE, metavar="N", help="side by side (4)")
    return parser


def main(argv: list[str]) -> int:
    """Exit status 0 if everything held, 1 if not, 2 if there is nothing to play."""
    assert rows.__all__, "importing the rows is what registers them"
    parser = _parser()
    options = parser.parse_args(argv)
    chosen = select(options.only)
    if not chosen:
        parser.error(f"--only: no such scenario; there are {', '.join(SCENARIOS)}")
    if options.list:
        print("\n".join(f"{each.name:<40} {each.fault}" for each in chosen))
        return 0
    try:
        find_server()
    except RedisMissing as exc:
        print(f"faults: {exc}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no processes behind
    return _play(chosen, options)


def select(names: Sequence[str] | None) -> list[Scenario]:
    """The scenarios with these names, or with names that begin like them; all for None."""
    if names is None:
        return list(SCENARIOS.values())
    return [each for name, each in SCENARIOS.items() if name.startswith(tuple(names))]


def _play(chosen: Sequence[Scenario], options: argparse.Namespace) -> int:
    outcomes: list[Outcome] = []
    since = time.monotonic()
    is_whole = False
    try:
        uvloop.run(_run(chosen, options, SOAK if options.soak else FULL, outcomes))
        is_whole = True
    except KeyboardInterrupt:
        print("\nCut short.")
    print(f"\n{report.table(outcomes, shutil.get_terminal_size((WIDTH, 0)).columns)}")
    print(f"in {time.monotonic() - since:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(outcomes), indent=2))
    return 0 if is_whole and all(each.is_good for each in outcomes) else 1


async def _run(
    chosen: Sequence[Scenario], options: argparse.Namespace, scale: Scale, outcomes: list[Outcome]
) -> None:
    with TemporaryDirectory(prefix="holdfast-faults-") as folder:
        playing = run(chosen, Path(folder), scale, options.to, options.at_once)
        async for outcome in playing:
            outcomes.append(outcome)
            print(report.progress(outcome), flush=True)
            for failure in outcome.finding.failures:
                print(f"      ! {failure}", flush=True)
