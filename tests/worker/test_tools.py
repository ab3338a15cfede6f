"""Functions of the operator's own as an agent is told of them, and ours."""

import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.changes import Change, Say, Update
from worker.keypad import MAX_DIGITS
from worker.tools import (
    BUILT_IN,
    COLLECT_DIGITS,
    END_CALL,
    TRANSFER_CALL,
    BadTools,
    CallInfo,
    failed,
    is_tool,
    key_of,
    tool,
    tool_of,
    transfer_call,
)


@tool
async def hours(day: date) -> str:
    """Tell the hours of a day."""
    return str(day)


@tool(defer_until_eot=True, deadline_s=3.0, filler="Let me see.", name="book-table")
async def book(
    info: CallInfo,
    guests: Annotated[int, "Children too."],
    place: Literal["inside", "terrace"] = "inside",
) -> str:
    """Book a table.

    Args:
        guests: How many come.
        info: Whose call it is.
    """
    return f"{info.call_sid} {guests} {place}"


# -- the decorator ------------------------------------------------------------


def test_a_tool_is_declared_by_its_hints_and_its_docstring() -> None:
    assert tool_of(book).declaration == {
        "name": "book-table",
        "description": "Book a table.",
        "parameters": {
            "type": "object",
            "properties": {
                "guests": {"type": "integer", "description": "How many come. Children too."},
                "place": {"type": "string", "enum": ["inside", "terrace"]},
            },
            "required": ["guests"],
        },
        "defer_until_eot": True,
    }


def test_a_bare_tool_has_what_suits_most() -> None:
    made = tool_of(hours)

    assert (made.name, made.deadline_s, made.filler) == ("hours", 8.0, "")
    assert made.declaration["description"] == "Tell the hours of a day."
    assert "defer_until_eot" not in made.declaration


def test_options_are_kept() -> None:
    made = tool_of(book)

    assert (made.name, made.deadline_s, made.filler) == ("book-table", 3.0, "Let me see.")
    assert made.info_names == ("info",)


async def test_a_tool_stays_the_function_that_it_is() -> None:
    assert is_tool(hours)
    assert await hours(date(2026, 5, 31)) == "2026-05-31"
    assert await book(CallInfo("CA1"), 2) == "CA1 2 inside"


def test_what_is_no_tool_is_none() -> None:
    assert not any(map(is_tool, (print, tool, CallInfo, 1, None)))


def blocking() -> str:
    """Do it."""
    return ""


class Callable_:  # noqa: N801 (an object that can be called)
    async def __call__(self) -> None:
        """Do it."""


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (blocking, r"test_tools.py:\d+: blocking: must be `async def`"),
        (Callable_(), "is no function; it goes above an `async def`"),
        (CallInfo, "is no function"),
        ("name", "is no function"),
    ],
)
def test_only_async_functions_can_be_tools(function: Any, told: str) -> None:
    with pytest.raises(BadTools, match=told):
        tool(function)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "book table"}, "name: only letters"),
        ({"name": "x" * 65}, "name: only letters"),
        ({"deadline_s": 0.0}, "deadline_s: must be above 0"),
        ({"deadline_s": float("nan")}, "deadline_s: must be above 0"),
        ({"deadline_s": float("inf")}, "deadline_s: must be above 0"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, Any], told: str) -> None:
    async def function() -> None:
        """Do it."""

    with pytest.raises(BadTools, match=rf"test_tools.py:\d+: function: {told}"):
        tool(**options)(function)


def undescribed() -> Callable[..., Any]:
    @tool
    async def faulty() -> None:
        pass

    return faulty


def untyped() -> Callable[..., Any]:
    @tool
    async def faulty(a) -> None:  # type: ignore[no-untyped-def]
        """Do it."""

    return faulty


def unknown_hint() -> Callable[..., Any]:
    @tool
    async def faulty(a: int, b: complex) -> None:
        """Do it."""

    return faulty


def unresolved() -> Callable[..., Any]:
    @tool
    async def faulty(a: "Nowhere") -> None:  # type: ignore[name-defined] # noqa: F821
        """Do it."""

    return faulty


def by_place() -> Callable[..., Any]:
    @tool
    async def faulty(a: int, /) -> None:
        """Do it."""

    return faulty


def open_ended() -> Callable[..., Any]:
    @tool
    async def faulty(**more: int) -> None:
        """Do it."""

    return faulty


def misdescribed() -> Callable[..., Any]:
    @tool
    async def faulty(guests: int) -> None:
        """Do it.

        Args:
            guest: How many.
        """

    return faulty


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (undescribed, "needs a docstring"),
        (untyped, "parameter a: needs a type hint"),
        (unknown_hint, "parameter b: complex cannot be declared"),
        (unresolved, "a type hint cannot be read .*Nowhere"),
        (by_place, "parameter a: cannot be given by name"),
        (open_ended, "parameter more: cannot be given by name"),
        (misdescribed, "has no parameter guest, which its docstring names"),
    ],
)
def test_a_refusal_names_file_line_function_and_parameter(
    make: Callable[[], Callable[..., Any]], told: str
) -> None:
    with pytest.raises(BadTools, match=rf"test_tools.py:\d+: faulty: {told}"):
        tool_of(make())


def test_nobodys_number_is_in_a_repr() -> None:
    info = CallInfo("CA1", "+15550100", "+15550199", parameters={"name": "Ann"})

    assert "5550" not in repr(info)
    assert "Ann" not in repr(info)


# -- ours ---------------------------------------------------------------------


def test_ours_are_declared_as_deepgram_wants_them() -> None:
    for name, declared in BUILT_IN.items():
        assert declared["name"] == name
        assert declared["description"]
        assert declared["parameters"]["type"] == "object"


def test_what_cannot_be_undone_waits_for_the_end_of_the_turn() -> None:
    deferred = {name for name, each in BUILT_IN.items() if each.get("defer_until_eot")}

    assert deferred == {END_CALL, TRANSFER_CALL}


def test_a_transfer_goes_only_to_whom_the_agent_file_names() -> None:
    declared = transfer_call({"sales": "+15550100", "host": "+15550101"})

    assert declared["parameters"]["properties"]["target"]["enum"] == ["sales", "host"]
    assert declared["parameters"]["required"] == ["target"]
    assert "5550" not in json.dumps(declared)


def test_digits_are_asked_for_as_many_as_there_can_be() -> None:
    properties = BUILT_IN[COLLECT_DIGITS]["parameters"]["properties"]

    assert properties["count"]["maximum"] == MAX_DIGITS
    assert properties["sensitive"]["type"] == "boolean"


def test_a_failure_is_json() -> None:
    assert failed("there is no such function") == '{"error": "there is no such function"}'


# -- keys ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    ['{"b":2,"a":[1,{"d":1,"c":2}]}', ' { "a" : [1.0, {"c": 2, "d": 1}], "b": 2.0 } '],
)
def test_the_same_request_has_the_same_key_however_it_is_written(arguments: str) -> None:
    key = key_of("CA1", 3, "book", '{"a": [1, {"c": 2, "d": 1}], "b": 2}')

    assert key_of("CA1", 3, "book", arguments) == key


def test_no_arguments_are_an_empty_object() -> None:
    assert key_of("CA1", 1, "hours", "") == key_of("CA1", 1, "hours", "{}")


def test_requests_that_differ_have_keys_that_do() -> None:
    requests = [
        ("CA1", 1, "book", "{}"),
        ("CA2", 1, "book", "{}"),
        ("CA1", 2, "book", "{}"),
        ("CA1", 1, "hours", "{}"),
        ("CA1", 1, "book", '{"a": 1}'),
        ("CA1", 1, "book", '{"a": "1"}'),
        ("CA1", 1, "book", '{"a": true}'),
        ("CA1", 1, "book", '{"a": [1, 2]}'),
        ("CA1", 1, "book", '{"a": [2, 1]}'),
        ("CA1", 1, "book", "{"),
        ("CA1", 1, "book", "{{"),
    ]

    assert len({key_of(*each) for each in requests}) == len(requests)


def test_what_the_caller_said_does_not_show_in_a_key() -> None:
    assert "4711" not in key_of("CA1", 1, "book", '{"pin": "4711"}')


def test_a_key_is_the_same_in_every_process() -> None:
    # Written down: a worker of the next version must find what this one has done.
    assert key_of("CA1", 1, "book", '{"a": 1}') == "e6eddd83e363da9a4d81f158e5d331cb"


# -- changes in mid-call ------------------------------------------------------------

WISHES: dict[str, Callable[[CallInfo, Any], None]] = {
    "say": CallInfo.say,
    "prompt": CallInfo.add_to_prompt,
    "think": CallInfo.use_think,
    "speak": CallInfo.use_speak,
    "voice": CallInfo.use_voice,
}


@pytest.mark.parametrize(
    ("wish", "wrong", "sentence"),
    [
        ("say", None, "must be a text, not NoneType"),
        ("say", b"Hi.", "must be a text, not bytes"),
        ("prompt", 4, "must be a text, not int"),
        ("prompt", "\ud800", "surrogates not allowed"),
        ("voice", None, "must be a text, not NoneType"),
        ("think", "gpt", "must be a block or a list of blocks, each a mapping"),
        ("think", ["gpt"], "must be a block or a list of blocks, each a mapping"),
        ("think", None, "must be a block or a list of blocks, each a mapping"),
        ("think", {"provider": {1, 2}}, "not JSON serializable"),
        ("speak", [], "must be a block or a list of blocks, each a mapping"),
        ("speak", [{}, 7], "must be a block or a list of blocks, each a mapping"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_where_it_is_made(
    wish: str, wrong: Any, sentence: str
) -> None:
    wishes: list[Change] = []
    info = CallInfo("CA1", change=wishes.append)

    with pytest.raises((TypeError, ValueError), match=sentence):
        WISHES[wish](info, wrong)

    assert wishes == []


def test_a_wish_that_can_be_goes_to_the_call() -> None:
    wishes: list[Change] = []
    info = CallInfo("CA1", change=wishes.append)
    info.say("Hi.")
    info.use_think([{"prompt": "Be short."}])
    info.use_speak(({}, {}))

    assert wishes == [
        Say("Hi."),
        Update("think", '[{"prompt": "Be short."}]'),
        Update("speak", "[{}, {}]"),
    ]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def turned(value: Any) -> Any:
    """The same value with the members of its objects in the other order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_order_and_spacing_do_not_matter(arguments: dict[str, Any]) -> None:
    tight = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)
    wide = json.dumps(turned(arguments), indent=3)

    assert key_of("CA1", 1, "f", tight) == key_of("CA1", 1, "f", wide)


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    assert len(key_of("CA1", 1, "f", text)) == 32


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '"\ud800"', '"\\ud800"', "1e999"])
def test_what_is_hard_to_read_has_a_key_too(text: str) -> None:
    assert len(key_of("CA1", 1, "f", text)) == 32
