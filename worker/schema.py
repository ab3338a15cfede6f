"""What a function takes: as JSON Schema for the agent, and as a reader of what the agent sends.

A type hint becomes a `Kind`, which is both at once, so that what is declared and what
is taken cannot drift apart:

    str  int  float  bool              as they are; a number in quotes is a number too
    date  time  datetime               ISO texts
    Literal["a", "b"], an Enum         one of its values
    list[X]  dict[str, X]  dict        X is any of these
    a dataclass                        an object with its fields
    X | None                           may be left out
    Annotated[X, "what it means"]      X, with a description

The schema is kept to what every provider of language models takes: no `format`, no
`additionalProperties: false`, no `null` beside another type.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date, datetime, time
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Read = Callable[[Any, str], Any]
"""Makes the value of a parameter of what came as JSON; the text says where it stood."""

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


class BadHint(TypeError):
    """A type hint that has no schema. Says which, and what would do."""


class BadArguments(ValueError):
    """Arguments that cannot be used. The sentence is for the agent, and quotes no value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of value: what it is declared as, and how it is read. Raises: BadArguments."""

    schema: dict[str, Any]
    read: Read
    takes_null: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter of a function, or a field of a dataclass."""

    kind: Kind
    has_default: bool = False


def described(kind: Kind, text: str) -> Kind:
    """This kind with a description before the one that it may have."""
    both = " ".join(each for each in (text, kind.schema.get("description")) if each)
    return replace(kind, schema={**kind.schema, "description": both}) if both else kind


def kind_of(hint: Any, within: tuple[Any, ...] = ()) -> Kind:
    """The kind of a type hint. `within`: the dataclasses around it.

    Raises:
        BadHint: If it has no schema.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        texts = (each for each in parts[1:] if isinstance(each, str))
        return described(kind_of(parts[0], within), next(texts, ""))
    if origin in (Union, UnionType) and NoneType in parts and len(parts) == 2:
        return _or_none(kind_of(next(each for each in parts if each is not NoneType), within))
    if origin is Literal:
        return _one_of(hint, {each: each for each in parts})
    if origin is list:
        return _list(kind_of(parts[0], within))
    if origin is dict and parts[0] is str:
        return _mapping(_ANYTHING if parts[1] is Any else kind_of(parts[1], within))
    if isinstance(hint, type):
        return _of_type(hint, within)
    raise BadHint(f"{hint!r} cannot be declared; {WANTED}")


def members_of(
    hints: Mapping[str, Any], defaults: Mapping[str, bool], within: tuple[Any, ...] = ()
) -> dict[str, Member]:
    """Members by name. `defaults`: which there are, and whether each has one.

    Raises:
        BadHint: It begins with the member's name.
    """
    found = {}
    for name, has_default in defaults.items():
        try:
            found[name] = Member(kind_of(hints[name], within), has_default)
        except BadHint as bad:
            raise BadHint(f"{name}: {bad}") from None
    return found


def object_of(members: Mapping[str, Member]) -> Kind:
    """An object with these members. It is read as a dict; what has a default may lack in it."""
    needed = [
        name
        for name, member in members.items()
        if not (member.has_default or member.kind.takes_null)
    ]
    properties = {name: member.kind.schema for name, member in members.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if needed:
        schema["required"] = needed

    def read(value: Any, where: str) -> dict[str, Any]:
        _must(isinstance(value, dict), where, "must be a JSON object")
        for name in value:
            known = ", ".join(members) or "none"
            _must(name in members, where, f"has a member that is not known; known: {known}")
        found = {}
        for name, member in members.items():
            if value.get(name) is not None:
                found[name] = member.kind.read(value[name], _inside(where, name))
            elif member.kind.takes_null and (name in value or not member.has_default):
                found[name] = None
            else:
                _must(member.has_default, _inside(where, name), "is missing")
        return found

    return Kind(schema, read)


def read_json(kind: Kind, text: str) -> Any:
    """What a function's arguments, JSON in a text, are as this kind.

    Raises:
        BadArguments: In words for the agent.
    """
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise BadArguments(f"{ARGUMENTS}: must be JSON") from None
    return kind.read(value, ARGUMENTS)


ARGUMENTS = "arguments"
"""How the whole of what a function is given is called towards the agent."""

WANTED = (
    "use str, int, float, bool, date, time, datetime, Literal, an Enum, list[...], "
    "dict[str, ...], a dataclass, any of them `| None`, or Annotated[..., 'what it means']"
)


def _must(is_good: bool, where: str, wanted: str) -> None:
    if not is_good:
        raise BadArguments(f"{where}: {wanted}")


def _inside(where: str, name: str) -> str:
    return name if where == ARGUMENTS else f"{where}.{name}"


# -- plain values ---------------------------------------------------------------


def _str(value: Any, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a code or a phone number that was written without quotes
    _must(isinstance(value, str), where, "must be a text")
    return str(value)


def _int(value: Any, where: str) -> int:
    is_whole = (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
        or (isinstance(value, str) and _WHOLE.fullmatch(value) is not None)
    )
    _must(is_whole, where, "must be a whole number")
    return int(value)


def _float(value: Any, where: str) -> float:
    is_number = (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    )
    _must(is_number, where, "must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    _must(math.isfinite(number), where, "must be a number of ordinary size")
    return number


def _bool(value: Any, where: str) -> bool:
    known = {"true": True, "false": False}
    found = known.get(value.lower()) if isinstance(value, str) else value
    _must(isinstance(found, bool), where, "must be true or false")
    return bool(found)


def _iso(kind: type[date] | type[time], sample: str) -> Kind:
    """A date or a time: models write them as texts."""

    def read(value: Any, where: str) -> Any:
        _must(isinstance(value, str), where, f"must be a text such as {sample}")
        try:
            return kind.fromisoformat(value)
        except ValueError:
            raise BadArguments(f"{where}: must be such as {sample}") from None

    return Kind({"type": "string", "description": f"Written as {sample}."}, read)


_ANYTHING = Kind({}, lambda value, _: value)

_PLAIN: dict[type, Kind] = {
    str: Kind({"type": "string"}, _str),
    int: Kind({"type": "integer"}, _int),
    float: Kind({"type": "number"}, _float),
    bool: Kind({"type": "boolean"}, _bool),
    date: _iso(date, "2026-05-31"),
    time: _iso(time, "19:30"),
    datetime: _iso(datetime, "2026-05-31T19:30"),
}


# -- what holds other values --------------------------------------------------------


def _or_none(kind: Kind) -> Kind:
    """May be left out; null says the same."""
    read = kind.read
    return Kind(kind.schema, lambda v, where: None if v is None else read(v, where), True)


def _one_of(hint: Any, choices: Mapping[Any, Any]) -> Kind:
    """One of these values, which are all texts or all whole numbers."""
    types = {type(each) for each in choices}
    base = _PLAIN[types.pop()] if types in ({str}, {int}) else None
    if base is None:
        raise BadHint(f"{hint!r} must hold texts only, or whole numbers only")
    listed = ", ".join(str(each) for each in choices)

    def read(value: Any, where: str) -> Any:
        try:
            return choices[base.read(value, where)]
        except (BadArguments, KeyError):
            raise BadArguments(f"{where}: must be one of {listed}") from None

    return Kind({**base.schema, "enum": list(choices)}, read)


def _list(item: Kind) -> Kind:
    def read(value: Any, where: str) -> list[Any]:
        _must(isinstance(value, list), where, "must be a list")
        return [item.read(each, f"{where}[{number}]") for number, each in enumerate(value)]

    return Kind({"type": "array", "items": item.schema}, read)


def _mapping(item: Kind) -> Kind:
    def read(value: Any, where: str) -> dict[str, Any]:
        _must(isinstance(value, dict), where, "must be a JSON object")
        # By place, not by name: the names are the agent's, or the caller's.
        return {
            name: item.read(each, f"{where}[{number}]")
            for number, (name, each) in enumerate(value.items())
        }

    more = {"additionalProperties": item.schema} if item.schema else {}
    return Kind({"type": "object", **more}, read)


def _of_type(hint: type, within: tuple[Any, ...]) -> Kind:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is dict:
        return _mapping(_ANYTHING)
    if issubclass(hint, Enum):
        return _one_of(hint, {each.value: each for each in hint})
    if is_dataclass(hint):
        return _dataclass(hint, within)
    raise BadHint(f"{hint.__qualname__} cannot be declared; {WANTED}")


def _dataclass(hint: type, within: tuple[Any, ...]) -> Kind:
    if hint in within:
        raise BadHint(f"{hint.__qualname__} holds itself, which cannot be declared")
    defaults = {
        each.name: (each.default, each.default_factory) != (MISSING, MISSING)
        for each in fields(hint)
        if each.init
    }
    hints = get_type_hints(hint, include_extras=True)
    whole = object_of(members_of(hints, defaults, (*within, hint)))
    return Kind(whole.schema, lambda value, where: hint(**whole.read(value, where)))
