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

Three things are changed on the way in. Of sensitive passages nothing is in it (see `passages`).
Tokens that would have let a phone socket in are left out. Phone numbers (of the caller, the
called, and whom the call was passed on to) are masked, in the hash and wherever the log has
them, unless they are asked for. What was said, and keys that were pressed, stay: they are the
call. Secrets of an agent file never were in it.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from replay import whole
from replay.errors import BadBundle
from replay.masking import without_numbers
from replay.passages import without_passages
from replay.recording import Recording, read
from shared.bus.archive import Entries, Original, OriginalStream

SUFFIX = ".call"
MAGIC = b"holdfast call "
VERSION = 1

# A bundle comes by mail, so nothing is unpacked beyond these. An hour of a call is 70 MB; an hour
# of nothing but silence shrinks to a 31st of it, while zlib could go to a thousandth.
MAX_BYTES = 1 << 30
MAX_RATIO = 100

# Far above what a process of ours ever writes.
MAX_MESSAGE = 1 << 20

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
    kept = without_passages(original if numbers else without_numbers(original))
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
        original = _original(_unsqueezed(data[header.end() :]))
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
    content = opened.decompress(data, min(MAX_BYTES, MAX_RATIO * (len(data) + MAX_MESSAGE)))
    if not opened.eof or opened.unused_data:
        raise ValueError
    return content


def _original(content: bytes) -> Original:
    """What was unpacked, if every part of it is what it must be.

    Read piece by piece: a byte that says "empty map" would become 70 bytes of memory.

    Raises:
        ValueError, TypeError, msgpack.UnpackException
    """
    # Arrays and maps of no items: those that belong here are entered by their headers.
    source = msgpack.Unpacker(
        BytesIO(content), max_array_len=0, max_map_len=0, max_bin_len=MAX_MESSAGE
    )
    original = Original(*_array(source, _name, _hash, _entries, _streams))
    if source.tell() != len(content):
        raise ValueError
    return original


def _array(source: msgpack.Unpacker, *readers: Callable[[msgpack.Unpacker], Any]) -> list[Any]:
    """The items of an array, each by its reader; further ones are passed over."""
    further = source.read_array_header() - len(readers)
    items = [read_item(source) for read_item in readers]
    if further < 0:
        raise ValueError
    for _ in range(further):
        source.skip()
    return items


def _streams(source: msgpack.Unpacker) -> tuple[OriginalStream, ...]:
    return tuple(_stream(source) for _ in range(source.read_array_header()))


def _stream(source: msgpack.Unpacker) -> OriginalStream:
    return OriginalStream(*_array(source, _name, _entries, _entries))


def _hash(source: msgpack.Unpacker) -> dict[bytes, bytes]:
    return {_bytes(source): _bytes(source) for _ in range(source.read_map_header())}


def _bytes(source: msgpack.Unpacker) -> bytes:
    value = source.unpack()
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _name(source: msgpack.Unpacker) -> str:
    """A name that becomes part of a key: nothing but letters and digits."""
    value = source.unpack()
    if not _NAME.fullmatch(value):
        raise ValueError
    return str(value)


def _entries(source: msgpack.Unpacker) -> Entries:
    """Entries whose ids Redis will take: each above the one before."""
    last, entries = (0, 0), []
    for _ in range(source.read_array_header()):
        entry_id, message = _array(source, _bytes, _bytes)
        matched = _ID.fullmatch(entry_id)
        number = (int(matched[1]), int(matched[2])) if matched else last
        if number <= last or max(number) > _MAX_ID:
            raise ValueError
        entries.append((entry_id, message))
        last = number
    return tuple(entries)
