"""WAV files in and out."""

import struct
import wave
from pathlib import Path

import pytest

from shared.sound import DECODE
from sim.phone.recording import read, write_stereo


def riff(tag: int, channels: int, rate: int, bits: int, data: bytes, *extra: bytes) -> bytes:
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, 1, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"".join(extra)
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_mulaw_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(7, 1, 8000, 8, b"\x10\x20\xff"))

    assert read(path) == b"\x10\x20\xff"


def test_pcm_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(1, 1, 8000, 16, struct.pack("<3h", DECODE[0x10], 0, DECODE[0x90])))

    assert read(path) == b"\x10\xff\x90"


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(7, 1, 8000, 8, b"\x10", b"LIST" + struct.pack("<I", 3) + b"abc\0"))

    assert read(path) == b"\x10"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a WAV file"),
        (b"ID3 something else", "is not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "has no sound"),
        (riff(1, 2, 8000, 16, b""), "must be 8000 Hz mono"),
        (riff(1, 1, 44100, 16, b""), "it is 44100 Hz"),
        (riff(1, 1, 8000, 8, b""), "8 bits"),
        (riff(0xFFFE, 1, 8000, 16, b""), "format 65534"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)

    with pytest.raises(ValueError, match=why):
        read(path)


def test_the_caller_is_left_and_the_agent_right(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    write_stereo(path, b"\x10\x20", b"\xff\x90")

    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 2)
        samples = struct.unpack("<4h", file.readframes(2))
    assert samples == (DECODE[0x10], 0, DECODE[0x20], DECODE[0x90])
