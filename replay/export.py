"""A recording as files that others can open: sound, transcript, subtitles, a picture, a report.

    call.wav          stereo, 16 bit, 8 kHz: the caller left, right the agent as he heard it
    transcript.jsonl  an object a line, by time: what was said, heard, answered, done
    transcript.vtt    WebVTT, to be read along with the sound
    timeline.png      the call at a glance
    report.json       its figures

The folder is complete or not there, and a file in it is whole. Without matplotlib (which the
image does not have) there is no picture.
"""

import json
import wave
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from replay import picture, whole
from replay.clock import BYTES_PER_MS
from replay.recording import Recording
from replay.report import report, title
from replay.timeline import Timeline, timeline
from replay.transcript import objects, subtitles
from shared.sound import DECODE, RATE

SOUND = "call.wav"
TRANSCRIPT = "transcript.jsonl"
SUBTITLES = "transcript.vtt"
PICTURE = "timeline.png"
REPORT = "report.json"

# Sound is written so many bytes a side at a time: a minute of it.
_WINDOW = 60 * RATE

_LOW = bytes(sample & 0xFF for sample in DECODE)
_HIGH = bytes(sample >> 8 & 0xFF for sample in DECODE)


@dataclass(frozen=True, slots=True)
class Exported:
    """Where everything is. `picture` is None where none can be drawn."""

    sound: Path
    transcript: Path
    subtitles: Path
    picture: Path | None
    report: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        paths = [getattr(self, each.name) for each in fields(self)]
        return tuple(path for path in paths if path)


def export(recording: Recording, folder: Path, *, numbers: bool = False) -> Exported:
    """Write a recording's files into a folder, which is made if need be.

    Args:
        numbers: Whether the report shows phone numbers as they are.

    Raises:
        OSError: If a file cannot be written; then the folder is as it was before.
    """
    has_picture = find_spec("matplotlib") is not None
    with whole.folder(folder) as draft:
        fill(recording, draft, numbers=numbers, has_picture=has_picture)
    return Exported(
        sound=folder / SOUND,
        transcript=folder / TRANSCRIPT,
        subtitles=folder / SUBTITLES,
        picture=folder / PICTURE if has_picture else None,
        report=folder / REPORT,
    )


def fill(recording: Recording, folder: Path, *, numbers: bool, has_picture: bool) -> None:
    """Write the files where they are."""
    call = timeline(recording)
    figures = report(recording, call, numbers=numbers)
    with (folder / SOUND).open("wb") as file:
        write_stereo(call, file)
    (folder / TRANSCRIPT).write_text(_lines(objects(call)), "utf-8")
    (folder / SUBTITLES).write_text(subtitles(call), "utf-8")
    if has_picture:
        with (folder / PICTURE).open("wb") as file:
            picture.draw(call, title(recording, call), file)
    (folder / REPORT).write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def write_stereo(call: Timeline, file: BinaryIO) -> None:
    """The call's sound as a WAV file, the caller left, the agent right."""
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        length = round(call.duration_ms * BYTES_PER_MS)
        sound.setnframes(length)
        for first in range(0, length, _WINDOW):
            sound.writeframesraw(_interleaved(call, first, min(length, first + _WINDOW)))


def _interleaved(call: Timeline, first: int, last: int) -> bytes:
    """A part of both sides as pairs of 16-bit samples, low byte first, as WAV has them."""
    samples = bytearray(4 * (last - first))
    for offset, side in ((0, call.caller), (2, call.agent)):
        mulaw = side.window(first, last)
        samples[offset::4] = mulaw.translate(_LOW)
        samples[offset + 1 :: 4] = mulaw.translate(_HIGH)
    return bytes(samples)


def _lines(all_of: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in all_of)
