"""`replay list`: a line a call."""

import argparse

from replay import choice
from replay.choice import GOING_ON
from replay.masking import masked
from replay.recording import Recording, load
from replay.report import barge_ins, cause, counted, length_ms, sound_bytes, started, take_overs
from replay.report import turns as turns_of
from replay.screen import Commands, tell
from replay.source import archive_at
from replay.terminal import clean, clock
from shared.bus import Archive
from shared.settings import Settings

_MB = 1_000_000


def add_parser(commands: Commands) -> None:
    """`list`."""
    parser = commands.add_parser("list", help="recordings, newest first")
    choice.add_arguments(parser)
    parser.add_argument("--numbers", action="store_true", help="show phone numbers unmasked")
    parser.add_argument(
        "--size",
        action="store_true",
        help="show memory by Redis' own reckoning (some tenth too much), and per byte of sound",
    )
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Print a line for each recording that is meant."""
    held = sound = 0
    async with archive_at(settings) as archive:
        async for recording in choice.chosen(archive, choice.choice_of(asked)):
            told = summary(recording, numbers=asked.numbers)
            if asked.size:
                size = await _size(archive, recording)
                held, sound = held + size[0], sound + size[1]
                told = f"{told}  {_sizes(*size)}"
            tell(told)
    if asked.size:
        tell(f"all of them: {_sizes(held, sound).strip()}")
    return 0


def summary(recording: Recording, *, numbers: bool = False) -> str:
    """A call in a line, from its hash and its log alone: its sound need not be read for that."""
    call = recording.call
    return "  ".join(
        (
            started(recording) or "?",
            recording.call_sid,
            f"{clock(length_ms(recording)):>8}",
            clean(f"{(call.caller if numbers else masked(call.caller)) or '-':<6}"),
            f"{call.agent or 'default':<12}",
            f"{counted(turns_of(recording), 'turn'):>9}",
            f"{counted(barge_ins(recording), 'barge-in'):>12}",
            f"{counted(take_overs(recording), 'take-over'):>12}",
            clean(cause(recording) or GOING_ON)
            + (f"  (of {call.replays})" if call.replays else ""),
        )
    )


async def _size(archive: Archive, recording: Recording) -> tuple[int, int]:
    """Memory that a call takes, and the sound in it, bytes."""
    held = await archive.memory(recording.call_sid)
    return held, sound_bytes(await load(archive, recording.call_sid))


def _sizes(held: int, sound: int) -> str:
    return f"{held / _MB:6.1f} MB  {held / sound if sound else 0:5.2f} x sound"
