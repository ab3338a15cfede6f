"""`python -m sim corpus make|check`: exit status 0 done and the same, 1 not, 2 asked wrongly."""

import argparse
import asyncio
import sys
from pathlib import Path

from replay.errors import Unable
from sim.corpus.check import Finding, check
from sim.corpus.make import make
from sim.corpus.same import timeless
from sim.corpus.scenes import SCENES
from sim.stack import ROOT

FOLDER = ROOT / "tests" / "data"


def main(argv: list[str]) -> int:
    """Record the corpus, or replay it."""
    asked = _parser().parse_args(argv)
    names = asked.only or list(SCENES)
    try:
        if asked.what == "make":
            for path in asyncio.run(make(asked.folder, names)):
                print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
            return 0
        findings = asyncio.run(check(asked.folder, names))
    except (Unable, OSError, RuntimeError) as exc:
        sys.stderr.write(f"corpus: {exc}\n")
        return 1
    for finding in findings:
        print("\n".join(told(finding)))
    return 0 if all(finding.is_same for finding in findings) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sim corpus", description=__doc__)
    parser.add_argument("what", choices=("make", "check"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="+", choices=tuple(SCENES), metavar="NAME")
    return parser


def told(finding: Finding) -> list[str]:
    """A finding in lines; where the logs part, what comes next in each."""
    sound = "the same bytes" if finding.is_same_sound else "OTHER BYTES"
    log = "the same" if finding.differs_at is None else f"OTHER from entry {finding.differs_at} on"
    lines = [
        f"{finding.name:<10} to the agent: {sound}, {finding.frames} frames of the caller "
        f"(sha256 {finding.sha256[:16]}); log: {log}, {finding.entries} entries"
    ]
    if finding.differs_at is not None:
        for side, recording in (("then", finding.recorded), ("now", finding.replayed)):
            entries = timeless(recording.log)[finding.differs_at :][:3]
            lines += [f"    {side:<5}{entry}" for entry in entries]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
