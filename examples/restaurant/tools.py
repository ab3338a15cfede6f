"""What the agent of a small restaurant can do: tell the opening hours, and book a table.

Run it with

    AGENTS=examples/restaurant TOOLS=examples/restaurant/tools.py python -m worker

The bookings are in an SQLite file, which all workers of one machine share.
"""

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Literal

from worker.tools import CallInfo, ToolError, tool

BOOK = Path(os.environ.get("BOOKINGS") or Path(tempfile.gettempdir()) / "bookings.sqlite")

SEATS = {"inside": 24, "terrace": 12}

# Monday first; the kitchen is closed on Mondays.
HOURS: list[tuple[time, time] | None] = [
    None,
    *[(time(17), time(22))] * 4,
    *[(time(12), time(23))] * 2,
]


@tool
async def today() -> str:
    """Tell today's date. Call this before you work out the date of "tomorrow" or "Saturday"."""
    return f"{datetime.now().astimezone():%A, %Y-%m-%d}"


@tool
async def opening_hours(day: date) -> str:
    """Tell when the restaurant is open on a day.

    Args:
        day: The day that the caller asks for.
    """
    hours = HOURS[day.weekday()]
    if hours is None:
        return f"Closed on {day:%A}s."
    return f"On {day:%A}s from {hours[0]:%H:%M} to {hours[1]:%H:%M}."


@tool(defer_until_eot=True, deadline_s=5.0, filler="One moment, I am looking at the book.")
async def book_table(
    info: CallInfo,
    day: date,
    at: time,
    guests: int,
    name: str,
    where: Literal["inside", "terrace"] = "inside",
) -> dict[str, str]:
    """Book a table. Call this once day, time, number of guests and name are known.

    Args:
        day: The day of the visit.
        at: When the guests come.
        guests: How many people come.
        name: In whose name the table is kept.
        where: Where they want to sit.
    """
    hours = HOURS[day.weekday()]
    if hours is None or not hours[0] <= at < hours[1]:
        raise ToolError(f"we are not open then; {await opening_hours(day)}")
    if not 1 <= guests <= SEATS[where]:
        raise ToolError(f"there are {SEATS[where]} seats {where}")
    row = (info.idempotency_key, day.isoformat(), f"{at:%H:%M}", guests, name, where)
    if not await asyncio.to_thread(_book, row):
        raise ToolError(f"nothing is free {where} that evening")
    return {"booked": f"{day:%A}, {day.isoformat()}, {at:%H:%M}", "where": where}


def _book(row: tuple[str, str, str, int, str, str]) -> bool:
    """Write a booking, once for each key. Returns whether there was room."""
    key, day, _, guests, _, where = row
    with closing(sqlite3.connect(BOOK, isolation_level=None)) as book:
        book.execute(
            "CREATE TABLE IF NOT EXISTS bookings"
            " (key TEXT PRIMARY KEY, day TEXT, at TEXT, guests INTEGER, name TEXT, place TEXT)"
        )
        # One statement, so that two calls at the same moment cannot book the same seats.
        book.execute(
            "INSERT OR IGNORE INTO bookings SELECT ?, ?, ?, ?, ?, ? WHERE ? + "
            "(SELECT coalesce(sum(guests), 0) FROM bookings WHERE day = ? AND place = ?) <= ?",
            (*row, guests, day, where, SEATS[where]),
        )
        return bool(book.execute("SELECT 1 FROM bookings WHERE key = ?", (key,)).fetchone())
