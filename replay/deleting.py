"""`replay delete`: forget recordings now, before their time is over."""

import argparse

from replay.errors import NoSuchRecording, Unable
from replay.report import counted
from replay.screen import Commands, is_agreed, tell
from replay.source import archive_at
from shared.bus import Archive
from shared.settings import Settings


def add_parser(commands: Commands) -> None:
    """`delete`."""
    parser = commands.add_parser("delete", help="forget recordings now")
    parser.add_argument("calls", metavar="CALLSID", nargs="+")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Delete all of them, or none if one of them cannot be."""
    async with archive_at(settings) as archive:
        for call_sid in asked.calls:
            await _check(archive, call_sid)
        if not asked.yes and not _is_agreed(len(asked.calls)):
            raise Unable("nothing is deleted")
        for call_sid in asked.calls:
            await archive.delete(call_sid)
            tell(f"deleted {call_sid}")
    return 0


async def _check(archive: Archive, call_sid: str) -> None:
    if await archive.is_live(call_sid):
        raise Unable(f"{call_sid} is going on: it can be deleted when it is over")
    if not (await archive.call(call_sid) or await archive.log(call_sid)):
        raise NoSuchRecording(
            f"there is no recording of {call_sid}: no such call, or it has expired"
        )


def _is_agreed(count: int) -> bool:
    answer = is_agreed(f"Delete {counted(count, 'recording')} for good?")
    if answer is None:
        raise Unable("there is nobody to ask: say --yes")
    return answer
