"""A recording as files that others can open: sound, transcript, subtitles, a picture, a report.

    call.wav          stereo, 16 bit, 8 kHz: the caller left, right the agent as he heard it
    transcript.jsonl  an object a line, by time: what was said, heard, answered, done
    transcript.vtt    WebVTT, to be read along with the sound
    timeline.png      the call at a glance
    report.json       its figures

Each file is written under another name and then renamed, so what is there is whole.
"""

import json
import os
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from replay import picture
from replay.recording import Recording
from replay.report import report, title
from replay.timeline import Timeline, timeline
from replay.transcript import objects, subtitles
from shared.sound import DECODE, RATE

_LOW = bytes(sample & 0xFF for sample in DECODE)
_HIGH = bytes(sample >> 8 & 0xFF for sample in DECODE)


@dataclass(frozen=True, slots=True)
class Exported:
    """Where everything is."""

    sound: Path
    transcript: Path
    subtitles: Path
    picture: Path
    report: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return self.sound, self.transcript, self.subtitles, self.picture, self.report


def export(recording: Recording, folder: Path, *, numbers: bool = False) -> Exported:
    """Write a recording's files into a folder, which is made if need be.

    Args:
        numbers: Whether the report shows phone numbers as they are.

    Raises:
        OSError: If a file cannot be written.
    """
    call = timeline(recording)
    figures = report(recording, call, numbers=numbers)
    folder.mkdir(parents=True, exist_ok=True)
    return Exported(
        sound=_write(folder / "call.wav", partial(write_stereo, call)),
        transcript=_write(folder / "transcript.jsonl", _text(_lines(objects(call)))),
        subtitles=_write(folder / "transcript.vtt", _text(subtitles(call))),
        picture=_write(
            folder / "timeline.png", partial(picture.draw, call, title(recording, call))
        ),
        report=_write(folder / "report.json", _text(json.dumps(figures, indent=2) + "\n")),
    )


def write_stereo(call: Timeline, file: BinaryIO) -> None:
    """The call's sound as a WAV file, the caller left, the agent right."""
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(_interleaved(call))


def _interleaved(call: Timeline) -> bytes:
    """Both sides as pairs of 16-bit samples, low byte first, as WAV has them."""
    left, right = (side.render(call.duration_ms) for side in (call.caller, call.agent))
    samples = bytearray(4 * len(left))
    for offset, side in ((0, left), (2, right)):
        samples[offset::4] = side.translate(_LOW)
        samples[offset + 1 :: 4] = side.translate(_HIGH)
    return bytes(samples)


def _write(path: Path, fill: Callable[[BinaryIO], None]) -> Path:
    """Write a file whole, or leave what was there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            fill(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _text(text: str) -> Callable[[BinaryIO], None]:
    data = text.encode()

    def fill(file: BinaryIO) -> None:
        file.write(data)

    return fill


def _lines(all_of: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in all_of)
