"""Shapes of JSON, as values: what a message must look like before anybody reads it.

A `Check` takes a value and the path to it and either returns or raises `UnfitError`. Small
checks are composed into large ones, so the schema of a message is one expression.

Two kinds of wrong are told apart, since the service answers them differently: a value of the
wrong *shape* (type, missing or unknown field) cannot be parsed at all, while a *value* out of
its range or list was understood and is not allowed. Sentences name the path, never the value.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

UNPARSABLE = "UNPARSABLE_CLIENT_MESSAGE"
INVALID = "INVALID_SETTINGS"

Check = Callable[[Any, str], None]


class UnfitError(Exception):
    """A value does not fit its shape."""

    def __init__(self, code: str, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}" if path else sentence)
        self.code = code


def misshapen(path: str, sentence: str) -> UnfitError:
    """The error for a value of the wrong shape."""
    return UnfitError(UNPARSABLE, path, sentence)


def not_allowed(path: str, sentence: str) -> UnfitError:
    """The error for a value which was understood and is out of its range or list."""
    return UnfitError(INVALID, path, sentence)


def anything(_value: Any, _path: str) -> None:
    """Fits whatever JSON can hold."""


def text(value: Any, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise misshapen(path, "expected a string")


def flag(value: Any, path: str) -> None:
    """A boolean."""
    if not isinstance(value, bool):
        raise misshapen(path, "expected a boolean")


def integer(value: Any, path: str) -> None:
    """A whole number, written without a fraction."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise misshapen(path, "expected an integer")


def number(value: Any, path: str) -> None:
    """A finite number."""
    if isinstance(value, float) and math.isfinite(value):
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise misshapen(path, "expected a number")


def word(*words: Any) -> Check:
    """One of a few constants that the shape itself knows, such as a message's `type`."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or value not in words:
            raise misshapen(path, f"expected {' or '.join(words)}")

    return check


def choice(*allowed: str) -> Check:
    """A string out of a list of allowed values."""

    def check(value: Any, path: str) -> None:
        text(value, path)
        if value not in allowed:
            raise not_allowed(path, f"must be one of {', '.join(allowed)}")

    return check


def within(low: float, high: float, kind: Check = number) -> Check:
    """A number in a closed range."""

    def check(value: Any, path: str) -> None:
        kind(value, path)
        if not low <= value <= high:
            raise not_allowed(path, f"must lie between {low:g} and {high:g}")

    return check


def listing(item: Check) -> Check:
    """An array of items."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise misshapen(path, "expected an array")
        for index, element in enumerate(value):
            item(element, f"{path}[{index}]")

    return check


def one_or_many(item: Check) -> Check:
    """One object, or a non-empty array of them in order of preference."""

    def check(value: Any, path: str) -> None:
        (listing(item) if isinstance(value, list) else item)(value, path)
        if value == []:
            raise not_allowed(path, "must not be empty")

    return check


def mapping(item: Check) -> Check:
    """An object with any keys."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise misshapen(path, "expected an object")
        for key, element in value.items():
            item(element, f"{path}.{key}")

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise misshapen(path, "expected an object")
        if missing := [name for name in required if name not in value]:
            raise misshapen(path, f"missing field {missing[0]}")
        for name, element in value.items():
            if name not in known:
                raise misshapen(path, f"unknown field {name[:40]!r}")
            known[name](element, f"{path}.{name}" if path else name)

    return check


def tagged(tag: str, kinds: Mapping[str, Check]) -> Check:
    """An object whose field `tag` says which of several shapes it has."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict) or tag not in value:
            raise misshapen(path, f"expected an object with {tag}")
        choice(*kinds)(value[tag], f"{path}.{tag}")
        kinds[value[tag]](value, path)

    return check


def ruled(shape: Check, *rules: Check) -> Check:
    """A shape, and then rules about what its fields mean together."""

    def check(value: Any, path: str) -> None:
        shape(value, path)
        for rule in rules:
            rule(value, path)

    return check
