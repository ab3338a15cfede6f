"""Lines that can be said without an agent: mu-law, 8 kHz, no header."""

from functools import cache
from pathlib import Path

_SOUNDS = Path(__file__).parent / "sounds"


@cache
def sound_of(name: str) -> bytes:
    """The sound of a line as it comes with the product, read once."""
    return (_SOUNDS / f"{name}.ulaw").read_bytes()
