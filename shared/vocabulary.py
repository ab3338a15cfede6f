"""How messages become bytes on the bus: msgpack arrays, `[code, field, field, ...]`.

Two versions of the product share a bus while it is being deployed, so a reader
ignores codes that it does not know and fields beyond those that it knows; a
field that an older writer did not send takes its default. Therefore a code is
never given a new meaning, and a new field goes to the end and has a default.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgpack

M = TypeVar("M")

_pack: Callable[[Any], bytes] = msgpack.Packer(autoreset=True).pack


class BadMessage(ValueError):
    """What arrived cannot be read. Says which kind of fault, and never quotes what arrived."""


class Vocabulary(Generic[M]):
    """The messages that one kind of stream carries, each a dataclass with its code."""

    def __init__(self, codes: Mapping[int, type[M]]) -> None:
        self._readers = {code: _reader(kind) for code, kind in codes.items()}
        self._writers = {kind: _writer(code, kind) for code, kind in codes.items()}

    def pack(self, message: M) -> bytes:
        """The bytes of a message."""
        return self._writers[type(message)](message)

    def unpack(self, data: bytes) -> M | None:
        """The message in these bytes, or None if a newer version wrote what this one does not know.

        Raises:
            BadMessage: If the bytes are no message, lack a field, or have one of another type.
        """
        try:
            code, *values = msgpack.unpackb(data)
            reader = self._readers.get(code)
            return reader(values) if reader else None
        except (ValueError, TypeError, msgpack.UnpackException) as exc:
            raise BadMessage(f"bus: {type(exc).__name__}") from None


def _reader(kind: type[M]) -> Callable[[list[Any]], M]:
    """A function that makes one kind of message of what was unpacked."""
    hints = [field.type for field in fields(kind)]  # type: ignore[arg-type]
    count = len(hints)

    def read(values: list[Any]) -> M:
        # Comparing all types at once passes what our own version writes, frames above all.
        if list(map(type, values)) == hints:
            return kind(*values)
        for value, hint in zip(values, hints, strict=False):
            _check(value, hint)
        return kind(*values[:count])

    return read


def _check(value: Any, hint: Any) -> None:
    """Refuse a value of another type; a whole number serves as a fraction."""
    if get_origin(hint) is dict:
        _check(value, dict)
        for name, item in value.items():
            _check(name, str)
            _check(item, get_args(hint)[1])
    elif not isinstance(value, (float, int) if hint is float else hint):
        raise TypeError


def _writer(code: int, kind: type[M]) -> Callable[[M], bytes]:
    """A function that packs one kind of message."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not names:
        constant = _pack((code,))
        return lambda _: constant
    take = attrgetter(*names)
    if len(names) == 1:
        return lambda message: _pack((code, take(message)))
    return lambda message: _pack((code, *take(message)))
