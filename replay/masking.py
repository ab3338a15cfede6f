"""Phone numbers, as far as they are shown."""

import re
from dataclasses import replace
from typing import Any

import msgpack

from shared.bus.archive import Original, unpacked
from shared.record import ENTRIES, Transferring

_SHOWN = 3
_MASK = "***"

# The hash's fields that hold numbers.
_FIELDS = (b"from", b"to", b"transfer")

# What is looked for in texts must be a number or an address, not a short word of them.
_TELLING = re.compile(r"\+?\d{7,}|.*\S@\S.*")


def masked(number: str) -> str:
    """A phone number by its last digits; a short one, or a name, not at all."""
    if not number or number.startswith(_MASK):
        return number
    return f"{_MASK}{number[-_SHOWN:]}" if len(number) > 2 * _SHOWN else _MASK


def without_numbers(original: Original) -> Original:
    """A call with its numbers masked, wherever its hash and its log have them."""
    numbers = {
        entry.target for _, entry in unpacked(ENTRIES, original.log) if type(entry) is Transferring
    }
    fields = dict(original.fields)
    for name in _FIELDS:
        if name in fields:
            number = fields[name].decode()
            numbers.add(number)
            fields[name] = masked(number).encode()
    if pattern := _pattern(numbers):
        fields = {name: _text(pattern, value) for name, value in fields.items()}
        log = tuple((entry_id, _message(pattern, data)) for entry_id, data in original.log)
        return replace(original, fields=fields, log=log)
    return replace(original, fields=fields)


def _pattern(numbers: set[str]) -> re.Pattern[str] | None:
    """What finds any of these, with or without its "+", and not as a part of a longer number."""
    telling = sorted(filter(_TELLING.fullmatch, numbers), key=len, reverse=True)
    parts = "|".join(re.escape(number.lstrip("+")) for number in telling)
    return re.compile(rf"(?<!\d)\+?({parts})(?!\d)") if parts else None


def _text(pattern: re.Pattern[str], value: bytes) -> bytes:
    try:
        return bytes(_hidden(pattern, value.decode()).encode())
    except UnicodeDecodeError:
        return value


def _message(pattern: re.Pattern[str], data: bytes) -> bytes:
    """A log entry with the numbers in its texts masked; the same bytes if it has none."""
    try:
        content = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException):
        return data
    changed = _hidden(pattern, content)
    return data if changed == content else bytes(msgpack.packb(changed))


def _hidden(pattern: re.Pattern[str], value: Any) -> Any:
    match value:
        case str():
            return pattern.sub(lambda found: masked(found[0]), value)
        case list():
            return [_hidden(pattern, each) for each in value]
        case dict():
            return {name: _hidden(pattern, each) for name, each in value.items()}
        case _:
            return value
