"""`replay show`: a conversation in the terminal."""

import argparse
import sys
from collections.abc import Iterator

from replay.recording import Recording
from replay.screen import Commands, tell
from replay.source import recording_of
from replay.terminal import line
from replay.timeline import timeline
from shared.record import Cut, Said
from shared.settings import Settings


def add_parser(commands: Commands) -> None:
    """`show`."""
    parser = commands.add_parser("show", help="a conversation in the terminal")
    parser.add_argument("call", metavar="CALLSID|FILE.call")
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Print the conversation."""
    for told in lines(await recording_of(asked.call, settings), colors=sys.stdout.isatty()):
        tell(told)
    return 0


def lines(recording: Recording, *, colors: bool = False) -> Iterator[str]:
    """The conversation; of a sentence that was cut, what was not heard stands in brackets."""
    call = timeline(recording)
    heard = iter(call.spans)
    for moment in call.moments:
        if isinstance(moment.entry, Cut):
            continue  # its sentence tells
        part = next(heard).heard if isinstance(moment.entry, Said) else None
        told = line(round(moment.ms), moment.entry, colors=colors, heard=part)
        if told is not None:
            yield told
