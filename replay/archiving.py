"""`replay archive`: each call that is over, as files in a folder or an object store.

    <ARCHIVE>/<day of its beginning>/<CallSid>/    what `replay export` writes, and <CallSid>.call

With `--follow` it is a process of its own that looks for calls that have ended since. It shares
nothing with workers but Redis, so that an export of minutes stalls nobody's call. What it has
archived it notes in the call's hash; a second archiver does no harm but double work.

While the target cannot be written, calls wait in Redis, as long as their recordings live there.
"""

import argparse
import asyncio
import logging
import signal
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from replay.bundle import SUFFIX, save_bundle
from replay.export import fill
from replay.recording import read
from replay.screen import Commands
from replay.source import archive_at
from replay.target import Target, draft_folder
from shared import logs
from shared.bus import Archive, BusError
from shared.bus.archive import Original
from shared.calls import Call, State
from shared.settings import BadSetting, Settings

log = logging.getLogger("archive")

# How often to look for calls that have ended; rarer the longer the target or Redis is away.
LOOK_S = 2.0
LOOK_LATER_S = 60.0

# After so many calls in a row that could not be put there, the target is away for all.
AWAY_AFTER = 3


def add_parser(commands: Commands) -> None:
    """`archive`."""
    parser = commands.add_parser("archive", help="export each call that is over to ARCHIVE")
    parser.add_argument("--follow", action="store_true", help="go on, until stopped")
    parser.add_argument("--to", metavar="URL", help="a folder or a URL; default: ARCHIVE")
    parser.add_argument("--numbers", action="store_true", help="leave phone numbers unmasked")
    parser.set_defaults(run=run)


async def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Archive what is over, once or from now on. Exit status 1 if a call could not be."""
    if not (asked.to or settings.archive):
        raise BadSetting("ARCHIVE: must be set, or --to given: a folder, or s3://bucket/calls")
    if not settings.recording:
        raise BadSetting("ARCHIVE: with RECORDING=off there is nothing to archive")
    target = Target(asked.to or settings.archive)
    logs.setup(settings.log_level, settings.log_format, "archive")
    async with archive_at(settings) as archive:
        archiver = Archiver(archive, target, numbers=asked.numbers)
        if not asked.follow:
            return 1 if await archiver.look() else 0
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await archiver.follow(stop)
    return 0


class Archiver:
    """Calls on their way from Redis to a target."""

    def __init__(self, archive: Archive, target: Target, *, numbers: bool = False) -> None:
        self._archive = archive
        self._target = target
        self._numbers = numbers
        self._done: dict[str, int] = {}  # by CallSid, the time under which the index has it
        self._waiting: set[str] = set()  # also those that the index forgets meanwhile

    async def follow(self, stop: asyncio.Event) -> None:
        """Archive calls as they end, until `stop`. One that is under way is brought to its end."""
        log.info("archive started")
        wait_s = LOOK_S
        while not stop.is_set():
            try:
                failed = await self.look(stop)
            except BusError as exc:
                log.warning("cannot look for calls", extra={"error": type(exc).__name__})
                failed = 1
            wait_s = min(wait_s * 2, LOOK_LATER_S) if failed else LOOK_S
            await _pause(stop, wait_s)
        log.info("archive stopped")

    async def look(self, stop: asyncio.Event | None = None) -> int:
        """Archive what is over and has not been, the oldest first. Returns how many failed.

        Raises:
            BusDown, Refused
        """
        index = dict(await self._archive.index())
        self._done = {name: ms for name, ms in self._done.items() if name in index}
        fresh = [name for name, ms in reversed(index.items()) if self._done.get(name) != ms]
        failed = in_a_row = 0
        for call_sid in dict.fromkeys([*self._waiting, *fresh]):
            if in_a_row == AWAY_AFTER or (stop and stop.is_set()):
                break
            call = await self._archive.call(call_sid)
            if call and not await self._is_over(call_sid, call):
                self._waiting.add(call_sid)
            elif not call or await self._is_archived(call_sid, call):
                in_a_row = 0
                self._waiting.discard(call_sid)
                self._done[call_sid] = index.get(call_sid, 0)
            else:
                failed, in_a_row = failed + 1, in_a_row + 1
                self._waiting.add(call_sid)
        return failed

    async def _is_over(self, call_sid: str, call: Call) -> bool:
        return call.state is State.ENDED and not await self._archive.is_live(call_sid)

    async def _is_archived(self, call_sid: str, call: Call) -> bool:
        """Archive a call that is over, unless it has been. False if it could not be."""
        # A call that went on after its end is archived again at its next.
        note = str(call.ended_ms)
        if await self._archive.archived(call_sid) == note:
            return True
        original = await self._archive.original(call_sid)
        if original is None:
            return True
        place = _place(call_sid, call)
        try:
            await asyncio.to_thread(self._write, original, place)
        except Exception as exc:  # noqa: BLE001 (a bulkhead: each store has errors of its own)
            reason = getattr(exc, "strerror", None) or type(exc).__name__
            log.error("cannot archive", extra={"call_sid": call_sid, "error": reason})
            return False
        await self._archive.note_archived(call_sid, note)
        log.info("call archived", extra={"call_sid": call_sid, "place": str(place)})
        return True

    def _write(self, original: Original, place: PurePosixPath) -> None:
        with draft_folder() as name:
            folder = Path(name)
            save_bundle(original, folder / f"{place.name}{SUFFIX}", numbers=self._numbers)
            self._fill(original, folder)
            self._target.put(folder, place)

    def _fill(self, original: Original, folder: Path) -> None:
        """What can be worked out of a call; one that is beyond us has its bundle alone."""
        has_picture = find_spec("matplotlib") is not None
        try:
            fill(read(original), folder, numbers=self._numbers, has_picture=has_picture)
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 (a bulkhead: the call itself is safe in its bundle)
            where = {"call_sid": original.call_sid, "error": type(exc).__name__}
            log.error("cannot export, archiving the bundle alone", extra=where)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


def _place(call_sid: str, call: Call) -> PurePosixPath:
    begun = datetime.fromtimestamp(call.started_ms / 1000, UTC)
    return PurePosixPath(f"{begun:%Y-%m-%d}") / call_sid
