"""The function of the corpus's agent. A replay does not run it: the recording answers."""

from worker.tools import tool


@tool
async def book_table(day: str) -> dict[str, str]:
    """Book a table.

    Args:
        day: The day of the week.
    """
    return {"booked": day}
