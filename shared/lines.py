"""Lines that can be said without an agent: mu-law, 8 kHz, no header."""

from functools import cache
from pathlib import Path

_SOUNDS = Path(__file__).parent / "sounds"


# With what files begin that are more than their sound: WAV, MP3, Ogg, FLAC, AU.
_HEADERS = (b"RIFF", b"ID3", b"OggS", b"fLaC", b".snd")


@cache
def sound_of(name: str) -> bytes:
    """The sound of a line as it comes with the product, read once."""
    return read_line(_SOUNDS / f"{name}.ulaw")


def read_line(path: str | Path) -> bytes:
    """The sound of a line in a file.

    Raises:
        OSError
        ValueError: If the file is no bare mu-law; the sentence says why.
    """
    sound = Path(path).read_bytes()
    if not sound:
        raise ValueError("is empty")
    if sound.startswith(_HEADERS):
        raise ValueError("must be bare mu-law, 8 kHz: this file has a header")
    return sound
