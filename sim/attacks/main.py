"""`python -m sim attacks`: the command line."""

import argparse
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from sim.attacks.report import table
from sim.attacks.siege import besiege
from sim.redis import RedisMissing, find_server


def main(argv: list[str]) -> int:
    """Exit status 0 if no attack got through, 1 if one did, 2 if there is nothing to attack."""
    parser = argparse.ArgumentParser(
        prog="python -m sim attacks",
        description="Attack a real edge, and show what each attack got.",
    )
    parser.add_argument(
        "--open", action="store_true", help="an edge that checks nothing: what would get through"
    )
    options = parser.parse_args(argv)
    try:
        find_server()
    except RedisMissing as exc:
        print(f"attacks: {exc}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no processes behind
    since = time.monotonic()
    with TemporaryDirectory(prefix="holdfast-attacks-") as folder:
        outcomes = uvloop.run(besiege(Path(folder), is_guarded=not options.open))
    print(f"{table(outcomes)}\nin {time.monotonic() - since:.0f} s")
    return 0 if all(each.has_failed for each in outcomes) else 1
