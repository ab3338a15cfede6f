"""`python -m sim agent`: the stand-in as a process, until SIGINT or SIGTERM."""

import argparse
import asyncio
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from sim.agent import faults
from sim.agent.faults import BadFault, Faults
from sim.agent.script import BadScript, load
from sim.agent.server import AgentServer
from sim.agent.timing import Timing

PORT = 8080
"""Where Deepgram's own self-hosted service listens."""

USAGE_ERROR = 2


def main(argv: list[str]) -> int:
    """Serve as these arguments say, and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        server = _server(options)
    except (BadFault, BadScript, OSError, yaml.YAMLError) as error:
        print(f"sim agent: {error}", file=sys.stderr)
        return USAGE_ERROR
    asyncio.run(serve(server))
    return 0


async def serve(server: AgentServer) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        on = faults.describe(server.faults)
        print(f"agent stand-in listens on {server.url} (faults: {on})", flush=True)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sim agent", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=PORT, help="0: any free one")
    parser.add_argument("--script", type=Path, help="YAML; default: a call to a car dealer")
    parser.add_argument("--profile", choices=("talk", "echo"), default="talk")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="YAML: name to value")
    parser.add_argument("--timing", action="append", default=[], metavar="NAME=SECONDS")
    parser.add_argument(
        "--stored", action="append", default=[], metavar="UUID=FILE", help="a stored agent, YAML"
    )
    parser.add_argument("--api-key", action="append", metavar="KEY", help='default: any; "": none')
    return parser


def _server(options: argparse.Namespace) -> AgentServer:
    return AgentServer(
        options.host,
        options.port,
        script=load(options.script),
        faults=_faults(options),
        timing=_timing(options.timing),
        profile=options.profile,
        api_keys=frozenset(options.api_key) if options.api_key else None,
        record=False,
        agents={
            name: yaml.safe_load(Path(file).read_text("utf-8"))
            for name, file in faults.read_pairs(options.stored).items()
        },
    )


def _faults(options: argparse.Namespace) -> Faults:
    """Those of the file, and those of the command line above them."""
    document = yaml.safe_load(options.faults.read_text("utf-8")) if options.faults else {}
    if not isinstance(document, dict):
        raise BadFault(f"{options.faults}: expected a mapping")
    return faults.read({**document, **faults.read_pairs(options.fault)})


def _timing(pairs: list[str]) -> Timing:
    known = {field.name: field.type for field in fields(Timing)}
    values: dict[str, Any] = {}
    for name, value in faults.read_pairs(pairs).items():
        if known.get(name) not in (float, int):
            raise BadFault(f"no timing {name!r}")
        values[name] = _amount(name, value, whole=known[name] is int)
    return Timing(**values)


def _amount(name: str, value: str, *, whole: bool) -> float:
    try:
        return int(value) if whole else float(value)
    except ValueError:
        raise BadFault(f"timing {name}: expected a number") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
