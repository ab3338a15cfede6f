"""`replay export`: one recording, or many, as files that others can open."""

import argparse
import signal
from pathlib import Path

from replay import choice
from replay.errors import NoSuchRecording
from replay.export import export
from replay.recording import load
from replay.report import counted
from replay.screen import Commands, progress, tell, warn
from replay.source import archive_at, recording_of
from shared.bus import Archive
from shared.settings import Settings


def add_parser(commands: Commands) -> None:
    """`export`."""
    parser = commands.add_parser("export", help="sound, transcript, picture and report")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("call", metavar="CALLSID|FILE.call", nargs="?")
    which.add_argument("--all", action="store_true", help="each into a folder of its name")
    parser.add_argument(
        "--to",
        metavar="FOLDER",
        type=Path,
        help="default: ./CALLSID; with --all the folder of them",
    )
    parser.add_argument("--numbers", action="store_true", help="show phone numbers unmasked")
    choice.add_arguments(parser)
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Write the files, and print where they are."""
    # Ctrl-C stops also what is being worked out, not only what is being waited for.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked.all:
        async with archive_at(settings) as archive:
            return await _all(asked, archive)
    recording = await recording_of(asked.call, settings)
    folder = asked.to or Path(recording.call_sid)
    for path in export(recording, folder, numbers=asked.numbers).paths:
        tell(str(path))
    return 0


async def _all(asked: argparse.Namespace, archive: Archive) -> int:
    """Every call that is meant and over. One that has expired meanwhile does not stop the rest."""
    meant = [each.call_sid async for each in choice.chosen(archive, choice.choice_of(asked))]
    calls = [call_sid for call_sid in meant if not await archive.is_live(call_sid)]
    done: list[Path] = []
    try:
        for call_sid in progress(calls, "calls"):
            try:
                recording = await load(archive, call_sid)
            except NoSuchRecording as exc:
                warn(str(exc))
                continue
            folder = (asked.to or Path()) / call_sid
            export(recording, folder, numbers=asked.numbers)
            done.append(folder)
    finally:
        # Not before, since lines would go through the bar.
        for folder in done:
            tell(str(folder))
    if live := len(meant) - len(calls):
        warn(f"{counted(live, 'call')} left out, still going on")
    return 0 if len(done) == len(calls) else 1
