"""Type hints: what is declared of them, and how what an agent sends is read."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, Optional, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from worker.schema import (
    BadArguments,
    BadHint,
    Kind,
    described,
    kind_of,
    members_of,
    object_of,
    read_json,
)


class Place(StrEnum):
    INSIDE = "inside"
    TERRACE = "terrace"


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Floor(IntEnum):
    GROUND = 0
    FIRST = 1


class Mixed(Enum):
    ONE = 1
    TWO = "two"


@dataclass(frozen=True)
class Guest:
    name: Annotated[str, "Whose table it is."]
    age: int | None
    wishes: list[str] = field(default_factory=list)
    is_child: bool = False


@dataclass
class Knot:
    inner: list["Knot"]


@dataclass
class Strange:
    good: int
    bad: complex


# -- declared -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (int | None, {"type": "integer"}),
        (Optional[str], {"type": "string"}),  # noqa: UP045 (what an operator may write)
        (date, {"type": "string", "description": "Written as 2026-05-31."}),
        (time, {"type": "string", "description": "Written as 19:30."}),
        (datetime, {"type": "string", "description": "Written as 2026-05-31T19:30."}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Place, {"type": "string", "enum": ["inside", "terrace"]}),
        (Size, {"type": "integer", "enum": [1, 2]}),
        (Floor, {"type": "integer", "enum": [0, 1]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict, {"type": "object"}),
        (dict[str, Any], {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Annotated[int, 3, "How many."], {"type": "integer", "description": "How many."}),
        (Annotated[int, 3], {"type": "integer"}),
        (
            Annotated[date, "The day."],
            {"type": "string", "description": "The day. Written as 2026-05-31."},
        ),
        (
            Guest,
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "Whose table it is."},
                    "age": {"type": "integer"},
                    "wishes": {"type": "array", "items": {"type": "string"}},
                    "is_child": {"type": "boolean"},
                },
                "required": ["name"],
            },
        ),
    ],
)
def test_a_hint_is_declared(hint: Any, schema: dict[str, Any]) -> None:
    assert kind_of(hint).schema == schema


@pytest.mark.parametrize(
    "hint",
    [
        complex,
        list,
        bytes,
        object,
        Any,
        None,
        "str",
        [int],
        tuple[int, ...],
        set[str],
        int | str,
        int | str | None,
        dict[int, str],
        list[complex],
        Mixed,
        Literal["a", 1],
        Literal[True, False],
        Callable[[], int],
    ],
)
def test_what_cannot_be_declared_is_refused(hint: Any) -> None:
    with pytest.raises(BadHint):
        kind_of(hint)


def test_a_dataclass_that_holds_itself_is_refused() -> None:
    with pytest.raises(BadHint, match="Knot holds itself"):
        kind_of(Knot)


def test_a_refusal_names_the_member() -> None:
    with pytest.raises(BadHint, match=r"^table: bad: complex cannot be declared; use str"):
        members_of({"table": Strange}, {"table": False})


def test_a_description_is_added_to_the_one_there_is() -> None:
    kind = described(described(kind_of(int), "in minutes"), "How long,")

    assert kind.schema["description"] == "How long, in minutes"
    assert described(kind_of(int), "").schema == {"type": "integer"}


# -- read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "sent", "value"),
    [
        (int, "4", 4),
        (int, "-12", -12),
        (int, 4.0, 4),
        (float, 4, 4.0),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (bool, "False", False),
        (str, 4711, "4711"),
        (int | None, None, None),
        (list[int | None], [1, None], [1, None]),
        (date, "2026-05-31", date(2026, 5, 31)),
        (time, "19:30", time(19, 30)),
        (datetime, "2026-05-31T19:30", datetime(2026, 5, 31, 19, 30)),  # noqa: DTZ001 (as sent)
        (Literal[1, 2], "2", 2),
        (Place, "terrace", Place.TERRACE),
        (Size, 2, Size.LARGE),
        (Floor, "0", Floor.GROUND),
        (dict, {"a": [1, None]}, {"a": [1, None]}),
        (Guest, {"name": "Ann"}, Guest("Ann", None)),
        (Guest, {"name": "Ann", "age": 7, "is_child": True}, Guest("Ann", 7, [], True)),
        (Guest, {"name": "Ann", "wishes": None}, Guest("Ann", None, [])),
    ],
)
def test_what_models_write_is_understood(hint: Any, sent: Any, value: Any) -> None:
    read = kind_of(hint).read(sent, "x")

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("hint", "sent", "told"),
    [
        (int, "four", "x: must be a whole number"),
        (int, 4.5, "x: must be a whole number"),
        (int, True, "x: must be a whole number"),
        (int, None, "x: must be a whole number"),
        (int, math.inf, "x: must be a whole number"),
        (float, "nan", "x: must be a number"),
        (float, False, "x: must be a number"),
        (float, math.nan, "x: must be a number of ordinary size"),
        (float, 10**400, "x: must be a number of ordinary size"),
        (bool, 1, "x: must be true or false"),
        (bool, "yes", "x: must be true or false"),
        (str, True, "x: must be a text"),
        (str, 1.5, "x: must be a text"),
        (str, ["a"], "x: must be a text"),
        (date, "tomorrow", "x: must be such as 2026-05-31"),
        (date, 20260531, "x: must be a text such as 2026-05-31"),
        (time, "7pm", "x: must be such as 19:30"),
        (Place, "roof", "x: must be one of inside, terrace"),
        (Place, ["inside"], "x: must be one of inside, terrace"),
        (list[int], "1", "x: must be a list"),
        (list[int], [1, "b"], r"x\[1\]: must be a whole number"),
        (dict[str, int], [], "x: must be a JSON object"),
        (dict[str, int], {"secret": "b"}, r"x\[0\]: must be a whole number"),
        (Guest, {}, "x.name: is missing"),
        (Guest, {"name": None}, "x.name: is missing"),
        (Guest, {"name": "A", "wishes": [[]]}, r"x.wishes\[0\]: must be a text"),
        (
            Guest,
            {"name": "A", "secret": 1},
            "x: has a member that is not known; known: name, age, wishes, is_child",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(hint: Any, sent: Any, told: str) -> None:
    with pytest.raises(BadArguments, match=f"^{told}$"):
        kind_of(hint).read(sent, "x")


NOTHING = object_of({})
ONE = object_of(members_of({"n": int}, {"n": False}))


def test_a_function_without_parameters_is_called_with_nothing() -> None:
    assert NOTHING.schema == {"type": "object", "properties": {}}
    assert read_json(NOTHING, "") == read_json(NOTHING, "{}") == {}


@pytest.mark.parametrize(
    ("kind", "sent", "told"),
    [
        (ONE, "{", "arguments: must be JSON"),
        (ONE, "[" * 100_000, "arguments: must be JSON"),
        (ONE, '{"n": ' + "9" * 5000 + "}", "arguments: must be JSON"),
        (ONE, "[1]", "arguments: must be a JSON object"),
        (ONE, "null", "arguments: must be a JSON object"),
        (ONE, "", "n: is missing"),
        (ONE, '{"n": NaN}', "n: must be a whole number"),
        (NOTHING, '{"n": 1}', "arguments: has a member that is not known; known: none"),
    ],
)
def test_arguments_that_cannot_be_read_are_refused(kind: Kind, sent: str, told: str) -> None:
    with pytest.raises(BadArguments) as refusal:
        read_json(kind, sent)

    assert str(refusal.value) == told
    assert refusal.value.__cause__ is None


def test_null_stands_for_none_where_that_is_taken_and_else_for_the_default() -> None:
    hints: dict[str, Any] = {"a": int | None, "b": int | None, "c": int}
    kind = object_of(members_of(hints, {"a": False, "b": True, "c": True}))

    assert kind.read({}, "x") == {"a": None}
    assert kind.read({"a": None, "b": None, "c": None}, "x") == {"a": None, "b": None}


# -- properties ---------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(10**20), 10**20),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    date: st.dates(),
    time: st.times(),
    datetime: st.datetimes(),
    Place: st.sampled_from(Place),
    Size: st.sampled_from(Size),
    Literal["a", "b"]: st.sampled_from("ab"),
    Literal[7, 8]: st.sampled_from([7, 8]),
    Guest: st.builds(Guest, TEXT, st.none() | st.integers(0, 120), st.lists(TEXT, max_size=2)),
}
HINTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(list(PLAIN)),
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),  # type: ignore[valid-type]
        inner.map(lambda hint: dict[str, hint]),  # type: ignore[valid-type]
        inner.map(lambda hint: hint | None),
        inner.map(lambda hint: Annotated[hint, "what it means"]),
    ),
    max_leaves=4,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just("2026-05-31"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """What a function with this hint may be given."""
    parts = get_args(hint)
    if get_origin(hint) is list:
        return st.lists(values(parts[0]), max_size=3)
    if get_origin(hint) is dict:
        return st.dictionaries(TEXT, values(parts[1]), max_size=3)
    if hint in PLAIN:
        return PLAIN[hint]
    if get_origin(hint) is Annotated:
        return values(parts[0])
    return st.none() | values(parts[0])


@given(st.data())
def test_every_value_of_a_hint_can_be_sent_and_is_read_as_itself(data: st.DataObject) -> None:
    hint = data.draw(HINTS)
    value = data.draw(values(hint))
    sent = TypeAdapter(hint).dump_json(value, by_alias=False)

    read = kind_of(hint).read(json.loads(sent), "x")

    assert read == value


@given(HINTS, JSON)
def test_whatever_is_sent_is_read_as_its_hint_says_or_refused(hint: Any, sent: Any) -> None:
    try:
        read = kind_of(hint).read(sent, "x")
    except BadArguments:
        return
    TypeAdapter(hint).validate_python(read, strict=True)


@given(HINTS)
def test_whatever_is_declared_is_json_and_says_its_type(hint: Any) -> None:
    schema = kind_of(hint).schema

    assert json.loads(json.dumps(schema)) == schema
    assert isinstance(schema["type"], str)


@given(TEXT | JSON.map(json.dumps))
def test_whatever_a_model_writes_is_read_or_refused(text: str) -> None:
    try:
        found = read_json(ONE, text)
    except BadArguments:
        return
    assert isinstance(found.pop("n"), int)
    assert found == {}
