"""`replay bundle` and `replay import`: a call out of one Redis, as a file, into another."""

import argparse
from pathlib import Path

from replay.bundle import SUFFIX, load_original, save_bundle
from replay.errors import Unable
from replay.recording import load_original as read_original
from replay.screen import Commands, progress, tell
from replay.source import archive_at
from shared.bus import Archive
from shared.bus.archive import Original
from shared.settings import Settings


def add_parser(commands: Commands) -> None:
    """`bundle` and `import`."""
    making = commands.add_parser("bundle", help="a call as one file")
    making.add_argument("call", metavar="CALLSID")
    making.add_argument("--to", metavar="FILE", type=Path, help=f"default: ./CALLSID{SUFFIX}")
    making.add_argument("--numbers", action="store_true", help="leave phone numbers in it unmasked")
    making.set_defaults(run=make)
    importing = commands.add_parser("import", help="bundles into Redis")
    importing.add_argument("files", metavar=f"FILE{SUFFIX}", type=Path, nargs="+")
    importing.add_argument("--replace", action="store_true", help="also if the call is there")
    importing.set_defaults(run=put)


async def make(asked: argparse.Namespace, settings: Settings) -> int:
    """Write a bundle, and print where it is."""
    path = asked.to or Path(f"{asked.call}{SUFFIX}")
    if path.suffix != SUFFIX:
        raise Unable(f"{path}: a bundle's name must end with {SUFFIX}")
    async with archive_at(settings) as archive:
        original = await read_original(archive, asked.call)
    tell(str(save_bundle(original, path, numbers=asked.numbers)))
    return 0


async def put(asked: argparse.Namespace, settings: Settings) -> int:
    """Put bundles into Redis, where they stay as long as if they had been recorded now."""
    async with archive_at(settings) as archive:
        done: list[str] = []
        try:
            for path in progress(asked.files, "bundles"):
                original = load_original(path)
                await _check(archive, original, path, replace=asked.replace)
                await archive.restore(original, keep_for_s=settings.recording_ttl_s)
                done.append(original.call_sid)
        finally:
            for call_sid in done:
                tell(call_sid)
    return 0


async def _check(archive: Archive, original: Original, path: Path, *, replace: bool) -> None:
    call_sid = original.call_sid
    if await archive.is_live(call_sid):
        raise Unable(f"{path}: {call_sid} is going on, and cannot be replaced")
    is_there = await archive.call(call_sid) or await archive.log(call_sid)
    if is_there and not replace:
        raise Unable(f"{path}: {call_sid} is there already; --replace puts this in its place")
