"""Sound that says what it is: each 20 ms frame carries its call, turn and number in its bytes.

A tag is 15 bytes: then it is 20 characters of base64 without padding, and the carrier can put it
before a constant rest. Whoever joins frames into one message, or cuts a message into frames,
changes nothing here: sound is read in pieces of 160 bytes, wherever they came from.
"""

from base64 import b64encode
from struct import Struct
from typing import NamedTuple

from shared.sound import FRAME_BYTES, SILENCE

CALLER = 1
"""A frame of the caller's, and in the echo profile the same frame on its way back."""

AGENT = 2
"""A frame of the agent's own."""

UNBOUND = 0xFFFF
"""The call of what an agent says before it has heard whom it serves."""

_LAYOUT = Struct(">4sBHII")
_MAGIC = b"HfLd"
_FILLER = SILENCE * (FRAME_BYTES - _LAYOUT.size)
_FILLER_BASE64 = b64encode(_FILLER)
_FRAME = Struct(f"{_LAYOUT.format}{len(_FILLER)}x")


class Tag(NamedTuple):
    """What a frame says of itself."""

    kind: int
    call: int
    turn: int
    number: int


def frame(kind: int, call: int, turn: int, number: int) -> bytes:
    """One frame of tagged sound."""
    return _LAYOUT.pack(_MAGIC, kind, call, turn, number) + _FILLER


def frame_base64(kind: int, call: int, turn: int, number: int) -> bytes:
    """The same as base64, at the cost of its first 15 bytes."""
    return b64encode(_LAYOUT.pack(_MAGIC, kind, call, turn, number)) + _FILLER_BASE64


def read(sound: bytes) -> list[Tag | None]:
    """The tag of every frame in a piece of sound; None for one that is not ours, or not whole."""
    whole = len(sound) // FRAME_BYTES * FRAME_BYTES
    frames = _FRAME.iter_unpack(sound[:whole] if whole < len(sound) else sound)
    tags: list[Tag | None] = [Tag(*rest) if magic == _MAGIC else None for magic, *rest in frames]
    return tags if whole == len(sound) else [*tags, None]
