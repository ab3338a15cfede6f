"""Lines that can be said without an agent: mu-law files, 8 kHz, no header."""

from functools import cache
from pathlib import Path

_SOUNDS = Path(__file__).parent / "sounds"


@cache
def sound_of(path: str, name: str) -> bytes:
    """The sound of a line, read once: of the file, or of ours by that name where there is none."""
    return (Path(path) if path else _SOUNDS / f"{name}.ulaw").read_bytes()
