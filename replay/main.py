"""`python -m replay`: recorded calls, listed, looked at, exported, bundled, deleted.

    python -m replay list [--agent A] [--since T] [--until T] [--from NUMBER] [--ended CAUSE] ...
    python -m replay show CALLSID|FILE.call
    python -m replay export CALLSID|FILE.call [--to FOLDER]
    python -m replay export --all [filters as for list] [--to FOLDER]
    python -m replay bundle CALLSID [--to FILE.call]
    python -m replay import FILE.call ... [--replace]
    python -m replay delete CALLSID ... [--yes]
    python -m replay archive [--follow] [--to URL]
    python -m replay run CALLSID|FILE.call [--agent FILE] [--timing tape|turns] [--times N] ...

Where Redis is, and in how many lanes calls lie, is read from REDIS_URL and LANES.
Exit status: 0 done, 1 it could not be, 2 asked or set wrongly.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from replay import archiving, bundling, check, deleting, diff, exporting, listing, run, showing
from replay.errors import Unable
from shared import logs
from shared.bus import BusError
from shared.settings import BadSetting, Settings, read

COMMANDS = (listing, showing, exporting, bundling, deleting, archiving, run, diff, check)
"""Each adds its parsers, and to each of these `run(asked, settings) -> exit status`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for. Returns the exit status."""
    asked = make_parser().parse_args(arguments)
    try:
        settings = read(os.environ)
        logs.setup("ERROR", settings.log_format, "replay")
        return asyncio.run(_run(asked, settings))
    except BadSetting as exc:
        return _complain(str(exc), 2)
    except Unable as exc:
        return _complain(str(exc), 1)
    except BusError as exc:
        return _complain(f"Redis failed: {exc}", 1)
    except OSError as exc:
        return _complain(f"{exc.filename or 'output'}: {exc.strerror or exc}", 1)
    except KeyboardInterrupt:
        return _complain("stopped", 1)


def make_parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m replay", description="Recorded calls.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


async def _run(asked: argparse.Namespace, settings: Settings) -> int:
    status: int = await asked.run(asked, settings)
    return status


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"replay: {sentence}\n")
    return status
