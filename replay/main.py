"""`python -m replay`: list recordings, look at one, export one.

    python -m replay list
    python -m replay show CALLSID
    python -m replay export CALLSID [--to FOLDER]

Where Redis is, and in how many lanes calls lie, is read from REDIS_URL and LANES.
Exit status: 0 done, 1 it could not be, 2 asked or set wrongly.
"""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from replay.export import export
from replay.recording import NoSuchRecording, Recording, load
from replay.report import cause, counted, length_ms, masked, started
from replay.terminal import clean, clock, line
from replay.timeline import timeline
from shared import logs
from shared.bus import BusError, open_bus
from shared.bus.archive import Archive
from shared.calls import Call
from shared.record import Cut, Heard, Onset, Said
from shared.settings import BadSetting, Settings, read

# For a person at a terminal a Redis that does not answer within this is not there.
ANSWER_S = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for. Returns the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        settings = read(os.environ).checked_for_edge()
    except BadSetting as exc:
        return _complain(str(exc), 2)
    logs.setup("ERROR", settings.log_format, "replay")
    try:
        return asyncio.run(_run(asked, settings))
    except KeyboardInterrupt:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m replay", description="Recorded calls.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all recordings, newest first")
    show = commands.add_parser("show", help="a conversation in the terminal")
    exporting = commands.add_parser("export", help="sound, transcript, picture and report")
    for command in (show, exporting):
        command.add_argument("call_sid", metavar="CALLSID")
    exporting.add_argument("--to", metavar="FOLDER", type=Path, help="default: ./CALLSID")
    exporting.add_argument("--numbers", action="store_true", help="show phone numbers unmasked")
    return parser


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"replay: {sentence}\n")
    return status


async def _run(asked: argparse.Namespace, settings: Settings) -> int:
    process = f"replay-{secrets.token_hex(4)}"
    async with open_bus(settings.redis_url, process, settings.lanes) as bus:
        try:
            async with asyncio.timeout(ANSWER_S):
                await bus.link.ask("PING")
            await _do(asked, Archive(bus))
        except TimeoutError:
            return _complain("Redis does not answer; it is looked for at REDIS_URL", 1)
        except BusError as exc:
            return _complain(f"Redis failed: {exc}", 1)
        except NoSuchRecording as exc:
            return _complain(str(exc), 1)
        except OSError as exc:
            return _complain(f"{exc.filename or 'output'}: {exc.strerror}", 1)
    return 0


async def _do(asked: argparse.Namespace, archive: Archive) -> None:
    match asked.command:
        case "list":
            await _list(archive)
        case "show":
            _show(await load(archive, asked.call_sid))
        case "export":
            folder = asked.to or Path(asked.call_sid)
            exported = export(await load(archive, asked.call_sid), folder, numbers=asked.numbers)
            for path in exported.paths:
                _print(str(path))


async def _list(archive: Archive) -> None:
    """A line a call. Those of which nothing is left but the name are left out."""
    for call_sid, _ in await archive.index():
        call, log = await archive.call(call_sid), await archive.log(call_sid)
        if call or log:
            _print(summary(Recording(call_sid, call or Call(), tuple(log))))


def summary(recording: Recording) -> str:
    """A call in a line, from its hash and its log alone: its sound need not be read for that."""
    call, entries = recording.call, [entry for _, entry in recording.log]
    turns = sum(isinstance(entry, Heard) and bool(entry.text.strip()) for entry in entries)
    barge_ins = sum(isinstance(entry, Onset) and entry.barge_in for entry in entries)
    return "  ".join(
        (
            started(recording) or "?",
            recording.call_sid,
            f"{clock(length_ms(recording)):>8}",
            f"{masked(call.caller) or '-':<6}",
            f"{call.agent or 'default':<12}",
            f"{counted(turns, 'turn'):>9}",
            f"{counted(barge_ins, 'barge-in'):>12}",
            clean(cause(recording) or "going on"),
        )
    )


def _show(recording: Recording) -> None:
    """The conversation; of a sentence that was cut, what was not heard stands in brackets."""
    call = timeline(recording)
    heard = iter(call.spans)
    colors = sys.stdout.isatty()
    for moment in call.moments:
        if isinstance(moment.entry, Cut):
            continue  # its sentence tells
        part = next(heard).heard if isinstance(moment.entry, Said) else None
        told = line(round(moment.ms), moment.entry, colors=colors, heard=part)
        if told is not None:
            _print(told)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
