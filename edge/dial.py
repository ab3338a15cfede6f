"""`python -m edge dial`: place calls through Twilio, and say what became of each request.

    numbers --one a second--> POST .../Calls.json --> Twilio dials, and asks this deployment's edges

Nothing else of the system is needed here: agent and parameters travel in the addresses that
Twilio is given, and come back to an edge when the call rings. Numbers show with their last two
digits only.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from edge import outbound
from edge.rest import Placed, Plan, Refused, Rest
from shared.settings import BadSetting, Settings, is_number, read

# Twilio's own limit for an account that has no other; more waits in a queue there.
CALLS_A_SECOND = 1.0

# A call that Twilio takes no more of just now is placed again, after so long.
BUSY_PAUSES_S = (2.0, 5.0, 10.0)

# Twilio lets it ring for five seconds more than it is told.
BUFFER_S = 5

# It takes no more.
MAX_RING_S = 600


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Place the calls. Exit status: 0 all placed, 1 some refused, 2 nothing was tried."""
    options = _parser().parse_args(argv)
    try:
        settings = read(environ).checked_for_dialing()
        numbers = _numbers(options)
        plan = _plan(options, settings)
    except (BadSetting, ValueError, OSError) as exc:
        sys.stderr.write(f"dial: {exc}\n")
        return 2
    with Rest(settings) as rest:
        refused = dial(rest, plan, numbers, options.rate)
    print(f"{len(numbers) - refused} of {len(numbers)} placed")
    return 1 if refused else 0


def dial(
    rest: Rest,
    plan: Plan,
    numbers: Sequence[str],
    rate: float,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Place the calls, so many a second. Returns how many were not placed."""
    refused, due = 0, time.monotonic()
    for count, number in enumerate(numbers, 1):
        sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic()) + 1 / rate
        try:
            placed = _place(rest, plan, number, sleep)
        except Refused as no:
            refused += 1
            print(f"{count}/{len(numbers)} {masked(number)} not placed: {no}", flush=True)
            if no.concerns_all:
                return refused + len(numbers) - count
        else:
            print(f"{count}/{len(numbers)} {masked(number)} {placed.call_sid}", flush=True)
    return refused


def _place(rest: Rest, plan: Plan, number: str, sleep: Callable[[float], None]) -> Placed:
    for pause_s in BUSY_PAUSES_S:
        try:
            return rest.place(plan, number)
        except Refused as no:
            if not no.is_passing:
                raise
        sleep(pause_s)
    return rest.place(plan, number)


def masked(number: str) -> str:
    """A number for people who may not know it."""
    return f"…{number[-2:]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m edge dial", description="Place calls, with an agent for whoever answers."
    )
    add = parser.add_argument
    add("numbers", nargs="*", metavar="+15551230000", help="whom to call; -: one a line from stdin")
    add("--file", type=Path, metavar="FILE", help="numbers, one a line; # begins a remark")
    add("--agent", default="", metavar="NAME", help="the agent file (default: default)")
    add("--from", dest="caller", default="", metavar="NUMBER", help="default: TWILIO_FROM")
    add("--param", action="append", default=[], metavar="K=V", help="for ${K} in the agent file")
    add("--amd", action="store_true", help="leave bridge.voicemail on answering machines")
    add("--ring", type=int, metavar="S", help="let it ring so long (default: RING_S less 5)")
    add("--rate", type=float, default=CALLS_A_SECOND, metavar="N", help="calls a second (1)")
    return parser


def _numbers(options: argparse.Namespace) -> list[str]:
    """Whom to call, each once. Raises: ValueError, OSError."""
    given = [("argument", each) for each in options.numbers if each != "-"]
    if options.file:
        given += _lines(options.file.name, options.file.read_text().splitlines())
    if "-" in options.numbers:
        given += _lines("stdin", sys.stdin)
    for place, number in given:
        if not is_number(number):
            raise ValueError(f"{place}: no phone number; one looks like +15551230000")
    if not given:
        raise ValueError("whom to call? Give numbers, --file FILE, or - for stdin")
    return list(dict.fromkeys(number for _, number in given))


def _lines(name: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    """(where it stands, number) of those lines that have one."""
    numbers = [line.partition("#")[0].strip() for line in lines]
    return [(f"{name}:{at}", number) for at, number in enumerate(numbers, 1) if number]


def _plan(options: argparse.Namespace, settings: Settings) -> Plan:
    """What the calls have in common. Raises: ValueError."""
    caller = options.caller or settings.twilio_from
    if not is_number(caller):
        raise ValueError("--from, or TWILIO_FROM: must be a number of your account, +15551230000")
    folder = Path(settings.agents)
    if options.agent and folder.is_dir() and not (folder / f"{options.agent}.yaml").is_file():
        raise ValueError(f"--agent: there is no {options.agent}.yaml in {folder}")
    ring_s = options.ring or min(MAX_RING_S, max(BUFFER_S, int(settings.ring_s) - BUFFER_S))
    if not BUFFER_S <= ring_s <= settings.ring_s:
        raise ValueError(f"--ring: must lie between {BUFFER_S} and RING_S ({settings.ring_s:g})")
    if ring_s > MAX_RING_S:
        raise ValueError(f"--ring: Twilio takes no more than {MAX_RING_S}")
    if not 0 < options.rate <= 100:
        raise ValueError("--rate: must lie between 0 and 100")
    query = urlencode(_query(options))
    return Plan(caller, f"?{query}" if query else "", ring_s, detects_machines=options.amd)


def _query(options: argparse.Namespace) -> dict[str, str]:
    """What an edge is told by the addresses that Twilio asks."""
    query = {outbound.AGENT: options.agent} if options.agent else {}
    for each in options.param:
        name, has_value, value = each.partition("=")
        if not name or not has_value:
            raise ValueError("--param: must be NAME=VALUE")
        query[f"{outbound.PARAMETER}{name}"] = value
    return query
