"""`python -m edge [COMMAND]`: an edge, or what an operator asks of one.

Each command is imported when it is asked for: an edge starts without Twilio's REST client.
"""

import os
import sys
from collections.abc import Sequence

USAGE = """usage:
  python -m edge           serve phones, until SIGTERM
  python -m edge check     tell what is in the way between Twilio, edge, Redis and agent
  python -m edge dial      place calls (--help: how)
"""


def main(argv: Sequence[str]) -> int:
    """Serve, without arguments; else what the first of them names. Returns the exit status."""
    match argv:
        case []:
            from edge import main as serving  # noqa: PLC0415

            return serving.main(os.environ)
        case ["check", *rest]:
            from edge.doctor import main as checking  # noqa: PLC0415

            return checking.main(rest, os.environ)
        case ["dial", *rest]:
            from edge import dial  # noqa: PLC0415

            return dial.main(rest, os.environ)
    sys.stderr.write(USAGE)
    return 2
