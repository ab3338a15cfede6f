"""`python -m sim NAME ...`: start a stand-in; what follows its name is its own affair.

A stand-in is imported when it is named, so that one does not need what another is built on.
"""

import sys
from importlib import import_module

STAND_INS = {
    "demo": ("sim.demo", "a whole call on this machine, without accounts"),
    "phone": ("sim.phone.cli", "the carrier and a caller: rings the bridge"),
    "agent": ("sim.agent.cli", "the agent service: answers the bridge"),
    "faults": ("sim.faults.main", "every harm done to real processes: what callers hear of it"),
    "attacks": ("sim.attacks.main", "every way in that is none: what each attack got"),
    "corpus": ("sim.corpus.main", "a recorded call of each kind: makes them, or repeats them"),
    "load": ("sim.load.main", "many calls at once: what the bridge adds, and costs"),
}
"""Name to the module whose `main(argv) -> exit code` it is, and what it does."""

USAGE_ERROR = 2

INTERRUPTED = 128 + 2
"""What a shell reports of a program that SIGINT ended."""


def usage() -> str:
    """The help text: one line a stand-in."""
    lines = [f"  {name:<8}{purpose}" for name, (_, purpose) in STAND_INS.items()]
    return "\n".join(["usage: python -m sim NAME [OPTIONS]", "", *lines])


def main(argv: list[str]) -> int:
    """Run the stand-in that argv names, and return its exit code."""
    match argv:
        case ["-h" | "--help", *_]:
            print(usage())
            return 0
        case [name, *options] if name in STAND_INS:
            return _run(STAND_INS[name][0], options)
        case _:
            print(usage(), file=sys.stderr)
            return USAGE_ERROR


def _run(module: str, options: list[str]) -> int:
    try:
        return int(import_module(module).main(options))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
