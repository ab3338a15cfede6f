"""WAV files: what the caller says out of one, what both were heard to say into one.

Read are the two forms a telephone recording has at 8 kHz mono, 16-bit PCM and mu-law; the standard
library's reader knows only the first, so the chunks are walked here.
"""

import struct
import wave
from array import array
from functools import cache
from pathlib import Path

from shared.sound import DECODE, RATE, encode_table

PCM16 = (1, 1, RATE, 16)
MULAW = (7, 1, RATE, 8)
"""Format tag, channels, rate, bits a sample, as the `fmt ` chunk has them."""

# RIFF header, chunk header, and the part of `fmt ` that all formats share.
_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


def read(path: Path) -> bytes:
    """A WAV file's sound as mu-law.

    Raises:
        ValueError: If it is not 8 kHz mono PCM16 or mu-law, with a sentence that says so.
    """
    data = path.read_bytes()
    if len(data) < _RIFF.size or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError(f"{path} is not a WAV file")
    chunks = _chunks(data)
    if len(chunks.get(b"fmt ", b"")) < _FORMAT.size or b"data" not in chunks:
        raise ValueError(f"{path} has no sound in it")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    match (tag, channels, rate, bits):
        case form if form == MULAW:
            return chunks[b"data"]
        case form if form == PCM16:
            return _compress(chunks[b"data"])
        case _:
            raise ValueError(
                f"{path} must be 8000 Hz mono, 16-bit PCM or mu-law; it is {rate} Hz,"
                f" {channels} channel(s), {bits} bits, format {tag}"
            )


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Two mu-law tracks of one length as a 16-bit stereo WAV."""
    samples = array("h", bytes(2 * (len(left) + len(right))))
    samples[0::2] = array("h", [DECODE[byte] for byte in left])
    samples[1::2] = array("h", [DECODE[byte] for byte in right])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def _chunks(data: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    offset = _RIFF.size
    while offset + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, offset)
        offset += _CHUNK.size
        chunks.setdefault(name, data[offset : offset + size])
        offset += size + size % 2
    return chunks


def _compress(pcm: bytes) -> bytes:
    table = _table()
    return bytes(table[sample] for (sample,) in struct.iter_unpack("<H", pcm[: len(pcm) & ~1]))


@cache
def _table() -> bytes:
    return encode_table()
