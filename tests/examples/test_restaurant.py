"""The example: a restaurant whose agent tells the opening hours and books tables."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.calls import Ringing
from worker.agents import load_folder
from worker.toolbox import Toolbox, load
from worker.tools import CallInfo

FOLDER = Path(__file__).parents[2] / "examples" / "restaurant"
TUESDAY = "2026-06-02"
MONDAY = "2026-06-01"

Book = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    """The restaurant's functions, with a book of its own."""
    monkeypatch.setenv("BOOKINGS", str(tmp_path / "bookings.sqlite"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return load(str(FOLDER / "tools.py"))


@pytest.fixture
def book(box: Toolbox) -> Book:
    """Asks for a table on Tuesday at seven, unless it is told otherwise."""

    async def ask(key: str, **other: Any) -> str:
        arguments = {"day": TUESDAY, "at": "19:00", "guests": 4, "name": "Ann", **other}
        info = CallInfo("CA1", idempotency_key=key)
        return await box.run("book_table", json.dumps(arguments), info)

    return ask


def test_the_agent_file_and_the_functions_fit(box: Toolbox) -> None:
    agents, warnings = load_folder(FOLDER, box)

    message = json.loads(agents["default"].settings_for(Ringing("CA1", "", ""), box))
    functions = {each["name"]: each for each in message["agent"]["think"]["functions"]}

    assert warnings == []
    assert list(functions) == [
        "today",
        "opening_hours",
        "book_table",
        "collect_digits",
        "transfer_call",
        "end_call",
    ]
    assert functions["book_table"]["defer_until_eot"] is True
    assert functions["transfer_call"]["parameters"]["properties"]["target"]["enum"] == ["host"]
    assert functions["book_table"]["parameters"]["required"] == ["day", "at", "guests", "name"]


async def test_it_tells_the_hours(box: Toolbox) -> None:
    asked = [json.dumps({"day": day}) for day in (MONDAY, TUESDAY)]

    assert [await box.run("opening_hours", each, CallInfo("CA1")) for each in asked] == [
        "Closed on Mondays.",
        "On Tuesdays from 17:00 to 22:00.",
    ]


async def test_it_knows_what_day_it_is(box: Toolbox) -> None:
    told = await box.run("today", "{}", CallInfo("CA1"))

    day = date.fromisoformat(told.split(", ")[1])
    assert told == f"{day:%A}, {day}"


async def test_a_table_is_booked_and_a_repeat_books_no_other(book: Book) -> None:
    told = [await book("a", guests=20), await book("a", guests=20)]

    assert told == ['{"booked":"Tuesday, 2026-06-02, 19:00","where":"inside"}'] * 2
    assert "booked" in await book("b", guests=4)
    assert await book("c", guests=1) == '{"error": "nothing is free inside that evening"}'


async def test_what_cannot_be_is_said_to_the_agent(book: Book) -> None:
    assert await book("a", day=MONDAY) == ('{"error": "we are not open then; Closed on Mondays."}')
    assert "not open then" in await book("b", at="22:00")
    assert await book("c", guests=13, where="terrace") == (
        '{"error": "there are 12 seats terrace"}'
    )


async def test_two_calls_at_one_moment_do_not_get_the_same_seats(book: Book) -> None:
    told = await asyncio.gather(*(book(str(key), guests=12) for key in range(4)))

    assert sum("booked" in each for each in told) == 2
