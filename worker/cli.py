"""`python -m worker [COMMAND]`: a worker, or what one can be asked before it serves."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from worker import operator
from worker.agents import editors, listing
from worker.main import main as serve

Command = Callable[[Sequence[str], Mapping[str, str]], int]
"""Takes its arguments and the environment, and returns the exit status."""

COMMANDS: dict[str, tuple[str, Command]] = {
    "agents": ("check the agent files, and tell what each does", listing.main),
    "schema": ("print the JSON Schema of agent files", editors.main),
    **{name: (what, partial(operator.main, name)) for name, what in operator.PURPOSES.items()},
}


def main(argv: Sequence[str]) -> int:
    """Serve, without arguments; else what the first of them names."""
    if not argv:
        return serve(argv, os.environ)
    _, command = COMMANDS.get(argv[0], ("", _usage))
    return command(argv[1:], os.environ)


def _usage(_arguments: Sequence[str], _environ: Mapping[str, str]) -> int:
    lines = [f"  python -m worker {name:<8} {what}" for name, (what, _) in COMMANDS.items()]
    head = f"  python -m worker {'':<8} serve calls, until SIGTERM"
    sys.stderr.write("\n".join(["usage:", head, *lines, ""]))
    return 2
