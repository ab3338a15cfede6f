"""Shapes: small checks, and what they say about a value that does not fit."""

from typing import Any

import pytest

from sim.agent import shapes
from sim.agent.shapes import Check, UnfitError

POINT = shapes.fields({"x": shapes.number}, {"name": shapes.text})


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (shapes.text, "word"),
        (shapes.flag, True),
        (shapes.integer, 3),
        (shapes.number, 3),
        (shapes.number, 3.5),
        (shapes.anything, None),
        (shapes.within(0, 1), 1),
        (shapes.choice("a", "b"), "b"),
        (shapes.word("a"), "a"),
        (shapes.listing(shapes.text), []),
        (shapes.one_or_many(POINT), {"x": 1}),
        (shapes.one_or_many(POINT), [{"x": 1}]),
        (shapes.mapping(shapes.text), {"any": "thing"}),
        (POINT, {"x": 10**400, "name": ""}),
    ],
)
def test_what_fits_passes(check: Check, value: Any) -> None:
    check(value, "")


@pytest.mark.parametrize(
    ("check", "value", "sentence"),
    [
        (shapes.text, None, "at: expected a string"),
        (shapes.flag, 1, "at: expected a boolean"),
        (shapes.integer, True, "at: expected an integer"),
        (shapes.integer, 1.0, "at: expected an integer"),
        (shapes.number, float("inf"), "at: expected a number"),
        (shapes.word("a"), "b", "at: expected a"),
        (shapes.listing(shapes.text), ["a", 1], "at[1]: expected a string"),
        (shapes.listing(shapes.text), {}, "at: expected an array"),
        (shapes.mapping(shapes.text), {"k": 1}, "at.k: expected a string"),
        (shapes.mapping(shapes.text), [], "at: expected an object"),
        (POINT, [], "at: expected an object"),
        (POINT, {"name": "n"}, "at: missing field x"),
        (POINT, {"x": 1, "y": 2}, "at: unknown field 'y'"),
        (POINT, {"x": None}, "at.x: expected a number"),
        (shapes.tagged("type", {"p": POINT}), {}, "at: expected an object with type"),
    ],
)
def test_a_wrong_shape_cannot_be_parsed(check: Check, value: Any, sentence: str) -> None:
    with pytest.raises(UnfitError) as unfit:
        check(value, "at")

    assert (unfit.value.code, str(unfit.value)) == ("UNPARSABLE_CLIENT_MESSAGE", sentence)


@pytest.mark.parametrize(
    ("check", "value", "sentence"),
    [
        (shapes.within(0, 1), 1.5, "at: must lie between 0 and 1"),
        (shapes.choice("a", "b"), "c", "at: must be one of a, b"),
        (shapes.one_or_many(POINT), [], "at: must not be empty"),
        (shapes.tagged("type", {"p": POINT}), {"type": "q"}, "at.type: must be one of p"),
    ],
)
def test_a_wrong_value_is_not_allowed(check: Check, value: Any, sentence: str) -> None:
    with pytest.raises(UnfitError) as unfit:
        check(value, "at")

    assert (unfit.value.code, str(unfit.value)) == ("INVALID_SETTINGS", sentence)
