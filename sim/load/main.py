"""`python -m sim load`: the command line.

python -m sim load --calls 100 --profile echo --seconds 20
python -m sim load --matrix --to bench
"""

import argparse
import signal
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import chain, product
from pathlib import Path
from typing import Any

import orjson

from shared.settings import HAND_OFFS
from sim.load import matrix, meters, report
from sim.load.plan import GUESTS, PROFILES, Plan
from sim.load.run import Result, RunFailed, Watch, measure
from sim.load.targets import Target, agent_url, bridge, edge_ready_s, guide, running
from sim.redis import RedisFailed, RedisMissing, free_port
from sim.stack import StackFailed

MOST_CALLS = 5000

BASE_GUESTS = 2
"""The base line is not held to how it takes guests: two are for comparison."""

MOST_SECONDS = 3600.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim load",
        description="Many calls at once: what the bridge adds to them, and what it costs.",
    )
    add = parser.add_argument
    add("--calls", type=_within(1, MOST_CALLS), default=20, help="how many at once (20)")
    add("--profile", choices=PROFILES, default="echo", help="what the agent does (echo)")
    add("--seconds", type=float, default=20.0, help="how long to measure (20)")
    add("--edges", type=_within(1, 16), default=1, help="edge processes (1)")
    add("--workers", type=_within(1, 16), default=1, help="worker processes (1)")
    add("--guests", type=_within(0, 100), default=GUESTS, help="calls that come and go (10)")
    add("--against", metavar="URL", default="", help="a running edge: ws://host:port/twilio")
    add("--agent-port", type=int, default=0, help="where our agent listens (any free port)")
    add("--baseline", action=argparse.BooleanOptionalAction, default=True, help="the guide, too")
    add("--json", type=Path, metavar="FILE", help="the report as JSON, too")
    add("--matrix", action="store_true", help="the whole bench: 20 to 200 calls, both profiles")
    add("--to", type=Path, metavar="DIR", default=Path("bench"), help="where its report goes")
    return parser


def _within(least: int, most: int) -> Any:
    def read(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must lie between {least} and {most}")
        return int(text)

    return read


def main(argv: list[str]) -> int:
    """Exit status 0 if all was measured and no frame of the bridge's was lost or out of order."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not 0 < options.seconds <= MOST_SECONDS:
        parser.error(f"--seconds: must lie between 0 and {MOST_SECONDS:.0f}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no processes behind
    try:
        return _matrix(options) if options.matrix else _single(options)
    except (StackFailed, RunFailed, RedisFailed, RedisMissing) as exc:
        print(f"load: {exc}", file=sys.stderr)
        return 1


def _single(options: argparse.Namespace) -> int:
    print(f"{meters.machine()}: {options.calls} calls, {options.profile}, {options.seconds:g} s")
    results = measure_all(options)
    print(f"\n{report.table(results)}\n")
    for base in results[1:]:
        print("\n".join(report.ratios(results[0], base)))
    for result in results:
        print("".join(f"{line}\n" for line in report.warnings(result)), end="")
    if options.json:
        options.json.write_bytes(as_json(results))
    return 0 if is_whole(results[0]) else 1


def _matrix(options: argparse.Namespace) -> int:
    """All loads, one after the other. What there is so far is written after each."""
    ready_s = edge_ready_s()
    cells: list[list[Result]] = []
    judged = False
    for profile, calls in product(PROFILES, matrix.CALLS):
        each = argparse.Namespace(**{**vars(options), "calls": calls, "profile": profile})
        cells.append(measure_all(each))
        judged = matrix.write(options.to, cells, ready_s)
        (options.to / "report.json").write_bytes(as_json(list(chain.from_iterable(cells))))
        if cells[-1][-1].is_cut_short:
            break
    print((options.to / matrix.REPORT).read_text())
    return 0 if judged else 1


def measure_all(options: argparse.Namespace) -> list[Result]:
    """The bridge, and what it is held against, one after the other on the same load."""
    port = options.agent_port or free_port()
    targets = [_target(options, port)]
    if options.baseline and not options.against:
        targets += [guide(port, forward=True), guide(port, forward=False)]
    results: list[Result] = []
    for context in targets:
        with context as target:
            plan = Plan(
                options.calls,
                options.profile,
                options.seconds,
                port,
                target.streams,
                target.webhooks,
                options.guests if not results else min(options.guests, BASE_GUESTS),
            )
            results.append(measure(target, plan, _progress(target.name, options.seconds)))
            if results[-1].is_cut_short:
                break
    return results


def _target(options: argparse.Namespace, port: int) -> AbstractContextManager[Target]:
    if not options.against:
        return bridge(port, options.calls, options.edges, options.workers)
    print(
        f"The agent service of this run is {agent_url(port)} on this machine.\nIts workers need"
        f" DEEPGRAM_AGENT_URL={agent_url(port)} MAX_CALLS={options.calls} or more places, and the"
        f" edge MAX_SESSIONS={options.calls + HAND_OFFS} or more; --agent-port keeps the port."
    )
    return running(options.against)


def _progress(name: str, seconds: float) -> Watch:
    def watch(message: Mapping[str, Any]) -> None:
        if message["event"] == "tick":
            up = message["up_ms"]
            delay = f", {up:.1f} ms up (p50)" if up is not None else ""
            print(
                f"{name}: {message['at']:4.0f} s, {message['live']} calls,"
                f" measured {message['measured']:.0f} of {seconds:g} s{delay}",
                flush=True,
            )

    return watch


def is_whole(result: Result) -> bool:
    """Whether every call ran, and every frame arrived where and when it should."""
    broken = ("lost", "overdue", "out_of_order", "strayed", "stale_bytes", "calls_failed")
    return result.findings.calls == result.calls and not any(map(result.findings.count, broken))


def as_json(results: list[Result]) -> bytes:
    """The report for other programs."""
    found = [asdict(result) for result in results]
    return orjson.dumps({"machine": meters.machine(), "results": found}, option=orjson.OPT_INDENT_2)
