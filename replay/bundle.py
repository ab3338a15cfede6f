"""A call as one file, to be mailed and loaded into another Redis.

    holdfast call 1\\n     in ASCII: what this is, and the version of its form
    ...                   zlib, to the end of the file, of one msgpack array:

    [CallSid,
     {name: value},                                 the call's hash
     [[id, message], ...],                          its log
     [[StreamSid, [[id, message], ...],             each stream: up,
                  [[id, message], ...]], ...]]      and down

CallSid and StreamSids are strings; names, values, ids and messages are the bytes that
Redis held, so what goes in comes out, also what this version cannot read. A reader
ignores further items of the arrays; anything else that changes raises the version.

Two things are changed on the way in. Tokens that would have let a phone socket in are
left out. Phone numbers (of the caller, the called, and whom the call was passed on to) are
masked, in the hash and wherever the log has them, unless they are asked for. What was said,
and keys that were pressed, stay: they are the call. Secrets of an agent file never were in it.
"""

import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from replay import whole
from replay.errors import BadBundle
from replay.masking import without_numbers
from replay.recording import Recording, read
from shared.bus.archive import Entries, Original, OriginalStream

SUFFIX = ".call"
MAGIC = b"holdfast call "
VERSION = 1

# A bundle comes by mail. Unpacked, an hour of a call is 70 MB; nothing is unpacked beyond this.
MAX_BYTES = 1 << 30

_HEADER = re.compile(rb"holdfast call (\d{1,9})\n")
_NAME = re.compile(r"[A-Za-z0-9]{1,64}")
_ID = re.compile(rb"(\d{1,20})-(\d{1,20})")
_MAX_ID = (1 << 64) - 1


def is_bundle(name: str) -> bool:
    """Whether a command line means a bundle by this, not a CallSid."""
    return name.endswith(SUFFIX)


def save_bundle(original: Original, path: Path, *, numbers: bool = False) -> Path:
    """Write a call into a file.

    Args:
        numbers: Whether phone numbers stay as they are.

    Raises:
        OSError: If the file cannot be written; then it is as it was before.
    """
    return whole.write(path, partial(write_bundle, original, numbers=numbers))


def write_bundle(original: Original, file: BinaryIO, *, numbers: bool = False) -> None:
    """Write a call as a bundle."""
    kept = original if numbers else without_numbers(original)
    packer, squeeze = msgpack.Packer(), zlib.compressobj()
    file.write(MAGIC + b"%d\n" % VERSION)
    for part in _parts(packer, kept):
        file.write(squeeze.compress(part))
    file.write(squeeze.flush())


def load_bundle(path: Path) -> Recording:
    """The call in a bundle. Raises: BadBundle, OSError."""
    return read(load_original(path))


def load_original(path: Path) -> Original:
    """The call in a bundle, byte for byte. Raises: BadBundle, OSError."""
    data = path.read_bytes()
    header = _HEADER.match(data)
    if not header:
        raise BadBundle(f"{path} is no bundle: make one with `python -m replay bundle CALLSID`")
    version = int(header[1])
    if version != VERSION:
        raise BadBundle(
            f"{path} is a bundle of version {version}, and this Holdfast reads version {VERSION}: "
            f"use {'a newer one' if version > VERSION else 'the one that made it'}"
        )
    try:
        original = _original(msgpack.unpackb(_unsqueezed(data[header.end() :])))
        read(original)
    except (ValueError, TypeError, zlib.error, msgpack.UnpackException):
        raise BadBundle(f"{path} is damaged, or cut short: have it sent or made again") from None
    return original


def _parts(packer: msgpack.Packer, original: Original) -> Iterator[bytes]:
    """The array of a bundle, piece by piece."""
    yield packer.pack_array_header(4)
    yield packer.pack(original.call_sid)
    yield packer.pack(_fields(original))
    yield from _listed(packer, original.log)
    yield packer.pack_array_header(len(original.streams))
    for stream in original.streams:
        yield packer.pack_array_header(3)
        yield packer.pack(stream.stream_sid)
        yield from _listed(packer, stream.up)
        yield from _listed(packer, stream.down)


def _fields(original: Original) -> dict[bytes, bytes]:
    fields = original.fields.items()
    return {name: value for name, value in fields if not name.startswith(b"token:")}


def _listed(packer: msgpack.Packer, entries: Entries) -> Iterator[bytes]:
    yield packer.pack_array_header(len(entries))
    for entry in entries:
        yield packer.pack(entry)


def _unsqueezed(data: bytes) -> bytes:
    opened = zlib.decompressobj()
    content = opened.decompress(data, MAX_BYTES)
    if not opened.eof or opened.unused_data:
        raise ValueError
    return content


def _original(value: Any) -> Original:
    """What was unpacked, if every part of it is what it must be. Raises: ValueError, TypeError."""
    call_sid, fields, log, streams, *_ = value
    if not all(isinstance(part, bytes) for pair in dict(fields).items() for part in pair):
        raise TypeError
    return Original(_name(call_sid), dict(fields), _entries(log), tuple(map(_stream, streams)))


def _stream(value: Any) -> OriginalStream:
    stream_sid, up, down, *_ = value
    return OriginalStream(_name(stream_sid), _entries(up), _entries(down))


def _name(value: Any) -> str:
    """A name that becomes part of a key: nothing but letters and digits."""
    if not _NAME.fullmatch(value):
        raise ValueError
    return str(value)


def _entries(value: Any) -> Entries:
    """Entries whose ids Redis will take: each above the one before."""
    last, entries = (0, 0), []
    for entry_id, message, *_ in value:
        matched = _ID.fullmatch(entry_id)
        number = (int(matched[1]), int(matched[2])) if matched else last
        if number <= last or max(number) > _MAX_ID or not isinstance(message, bytes):
            raise ValueError
        entries.append((entry_id, message))
        last = number
    return tuple(entries)
