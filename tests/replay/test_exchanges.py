"""A call as exchanges."""

from replay.exchanges import Request, exchanges
from shared import record
from shared.record import Entry

LOG: list[Entry] = [
    record.Attached("MZ1", "edge"),
    record.Said(1, "Hello.", 2),
    record.Onset(50),
    record.Heard(" ", 60),
    record.Onset(70),
    record.Heard("A table, please.", 100),
    record.ToolAsked("c1", "book", '{"b":1, "a":2}', 1, 100),
    record.Answering(300, 700, 110),
    record.Said(2, "I have booked", 110),
    record.Answering(900, 900, 111),
    record.Said(3, "a table for you.", 111),
    record.Said(4, "One moment, please.", 111, "bridge"),
    record.Said(7, "Mhm.", 111, "backchannel"),
    record.Onset(150, barge_in=True),
    record.Cut(3, 500, 1500, "a table", 150),
    record.Said(5, "too late", 151),
    record.Cut(5, 0, 0, "", 151),
    record.Pressed("12", 200),
    record.Said(6, "Thank you.", 210),
]


def test_the_first_begins_with_the_call_and_each_other_with_the_caller() -> None:
    assert [each.caller for each in exchanges(LOG)] == ["", "A table, please.", "(presses 12)"]


def test_what_the_agent_said_and_what_was_heard_of_it() -> None:
    greeting, booking, thanks = exchanges(LOG)

    assert (greeting.agent, greeting.heard) == ("Hello.", "Hello.")
    assert booking.agent == "I have booked a table for you."
    assert booking.heard == "I have booked a table"
    assert thanks.agent == "Thank you."


def test_tools_interruptions_and_the_first_sound_of_the_answer() -> None:
    greeting, booking, _ = exchanges(LOG)

    assert booking.tools == [Request("book", '{"a": 2, "b": 1}')]
    assert str(booking.tools[0]) == 'book({"a": 2, "b": 1})'
    assert (greeting.was_interrupted, booking.was_interrupted) == (False, True)
    assert (booking.latency_ms, booking.silence_ms) == (300, 700)
    assert greeting.latency_ms is None


def test_a_call_without_a_word() -> None:
    (only,) = exchanges([])

    assert (only.caller, only.agent, only.tools) == ("", "", [])
