"""`replay diff`: two calls side by side, in the terminal and as a page.

Exit status: 0 the same within the tolerances, 1 not, 2 it could not be compared.
"""

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from replay import whole
from replay.bundle import SUFFIX
from replay.difference import UNSCORED, Difference, Row, Tolerances, compare, verdict
from replay.diffpage import page
from replay.errors import Unable
from replay.exchanges import Exchange
from replay.report import cause, length_ms
from replay.screen import Commands, tell, warn
from replay.source import recording_of
from replay.terminal import clean, clock, marked
from shared.settings import Settings

SAME, DIFFERENT, FAILED = 0, 1, 2

_HEAD = 10
_NARROWEST = 60


def add_parser(commands: Commands) -> None:
    """`diff`."""
    parser = commands.add_parser("diff", help="two calls side by side")
    for name in ("a", "b"):
        parser.add_argument(name, metavar=f"CALLSID|FILE{SUFFIX}")
    default = Tolerances()
    parser.add_argument("--latency-ms", type=int, default=default.latency_ms, metavar="MS")
    parser.add_argument("--total-ms", type=int, default=default.total_ms, metavar="MS")
    parser.add_argument(
        "--similarity",
        type=float,
        default=default.similarity,
        metavar="SHARE",
        help="of the words that must be the same, 0 to 1; case and punctuation never count",
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page as well")
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Compare, tell, and write the page if it is wanted."""
    try:
        a, b = [await recording_of(name, settings) for name in (asked.a, asked.b)]
    except Unable as exc:
        warn(str(exc))
        return FAILED
    except OSError as exc:
        warn(f"{exc.filename}: {exc.strerror}")
        return FAILED
    tolerances = Tolerances(asked.latency_ms, asked.total_ms, asked.similarity)
    difference = compare(a, b, tolerances)
    for told in lines(difference, max(_NARROWEST, shutil.get_terminal_size().columns)):
        tell(told)
    if asked.html:
        tell(str(whole.write(asked.html, partial(_write, page(difference)))))
    return SAME if difference.is_same else DIFFERENT


def _write(text: str, file: BinaryIO) -> None:
    file.write(text.encode())


def lines(difference: Difference, width: int) -> Iterator[str]:
    """Two calls side by side, as so many columns of text. `*` stands before what differs."""
    a, b = difference.a, difference.b
    yield from _pair("", "", a.call_sid, b.call_sid, width)
    for row in difference.rows:
        yield ""
        if not row.is_scored:
            yield f"  ({UNSCORED})"
        yield from _row(row, width)
    yield ""
    ends = cause(a) or "going on", cause(b) or "going on"
    yield from _pair(_star("end" in difference.differs_in), "end", ends[0], ends[1], width)
    ours, theirs = clock(length_ms(a)), clock(length_ms(b))
    yield from _pair(_star("total" in difference.differs_in), "total", ours, theirs, width)
    yield ""
    yield verdict(difference)


def told(exchange: Exchange | None) -> dict[str, str]:
    """An exchange as texts, by what they are."""
    if exchange is None:
        return {"caller": "-"}
    texts = {
        "caller": exchange.caller or "(the call begins)",
        "agent": marked(exchange.agent, exchange.heard),
        "tools": ", ".join(map(str, exchange.tools)),
        "barge-in": "interrupted" if exchange.was_interrupted else "",
        "latency": "" if exchange.latency_ms is None else f"{exchange.latency_ms} ms",
    }
    return {name: text for name, text in texts.items() if text}


def _row(row: Row, width: int) -> Iterator[str]:
    ours, theirs = told(row.a), told(row.b)
    for name in ("caller", "agent", "tools", "barge-in", "latency"):
        if name in ours or name in theirs:
            is_different = name in row.differs_in or (name == "caller" and "turn" in row.differs_in)
            star = _star(is_different)
            yield from _pair(star, name, ours.get(name, "-"), theirs.get(name, "-"), width)


def _pair(star: str, name: str, ours: str, theirs: str, width: int) -> Iterator[str]:
    """Two texts beside each other, as many lines as the longer needs."""
    half = (width - _HEAD - 6) // 2
    left, right = (textwrap.wrap(clean(text), half) or [""] for text in (ours, theirs))
    for number, (a, b) in enumerate(zip_longest(left, right, fillvalue="")):
        head = f"{star:<2}{name:<{_HEAD}}" if not number else " " * (_HEAD + 2)
        yield f"{head}{a:<{half}}  {b}".rstrip()


def _star(is_different: bool) -> str:
    return "*" if is_different else ""
