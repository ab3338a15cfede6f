"""Messages that stay JSON while they change: a byte flipped by chance seldom makes another one."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**64, 10**400, 0.5, float("nan"), float("inf")),
    *("", "0", "-1", "1", "x", "\x00", "\ud800", "\U0001f600", "9" * 5000, "a" * 300),
    *("user", "assistant", "end_call", "transfer_call", "collect_digits", "inbound", "outbound"),
    *("{}", "[]", '{"target":"a"}', '{"count":4,"sensitive":true}', '{"count":1e999}', "[" * 2000),
    *([], {}, [[]], [{}], {"": ""}),
)

KEYS = ("\ud800", "\x00", "x", "")
"""What a field's name may begin with instead."""

Place = tuple[Any, Any]
"""A container, and the key or index of one of its items."""


def mutated(data: bytes, random: Random) -> bytes | None:
    """This message with one or a few of its parts changed; None if it is no JSON container."""
    try:
        message = json.loads(data)
        places = list(_places(message))
    except (ValueError, RecursionError):
        return None
    if not places:
        return None
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change(*random.choice(places), places, random)
    return json.dumps(message, separators=(",", ":")).encode()


def _places(value: Any) -> Iterator[Place]:
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    keys = list(range(len(value))) if isinstance(value, list) else keys
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _change(container: Any, key: Any, places: list[Place], random: Random) -> None:
    """Drop, rename, add to, or replace one item. An earlier change may have taken it away."""
    match random.randrange(6), container:
        case 0, dict():
            container.pop(key, None)
        case 1, dict():
            container[str(random.choice(places)[1])] = container.pop(key, None)
        case 2, dict():
            container[f"{random.choice(KEYS)}{key}"] = random.choice(ODD)
        case 3 | 4, dict() if isinstance(container.get(key), str):
            within = mutated(container[key].encode(errors="replace"), random)  # JSON in a string
            container[key] = within.decode() if within else random.choice(ODD)
        case _, list():
            container.insert(key, random.choice([*container, *ODD]))
        case _:
            container[key] = random.choice(ODD)
