"""Log entries as lines for people."""

import pytest

from replay.terminal import clean, clock, line, marked
from shared import record
from shared.record import Entry


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (record.Attached("MZ1", "edge-1"), "phone   connected"),
        (record.Taken("worker-1", 7), "bridge  owned by worker-1"),
        (record.Configured("{}", "id"), "bridge  the agent is ready"),
        (record.Onset(1, barge_in=True), "caller  -- interrupts --"),
        (record.Heard("a car", 1), "caller  a car"),
        (record.Heard("", 1), "caller  (a noise)"),
        (record.Said(1, "Hello.", 1), "agent   Hello."),
        (record.Said(1, "Still there?", 1, "bridge"), "bridge  Still there?"),
        (record.Cut(1, 0, 0, "", 1), "agent   -- not heard --"),
        (record.Cut(1, 40, 900, "", 1), "agent   -- heard only nothing, 0.0 of 0.9 s --"),
        (record.Cut(1, 500, 900, "a b", 1), 'agent   -- heard only "a b", 0.5 of 0.9 s --'),
        (record.Answering(350, 812, 1), "        answered after 0.8 s (350 ms thinking)"),
        (record.ToolAsked("f", "book", "{}", 1, 1), "tool    book({})"),
        (record.ToolAnswered("f", "book", "ok", 1), "tool    book -> ok"),
        (record.ToolCancelled("f", "", 1), "tool    a function cancelled"),
        (record.Pressed("42", 1), "caller  presses 42"),
        (record.Trouble("agent", "1011", fatal=True), "bridge  agent failed: 1011"),
        (record.Trouble("agent", "SLOW", fatal=False), "bridge  agent warned: SLOW"),
        (record.Lost("MZ1", "no frames"), "phone   lost: no frames"),
        (record.Over("caller hung up"), "        over: caller hung up"),
    ],
)
def test_who_says_what_when(entry: Entry, told: str) -> None:
    assert line(65_240, entry) == f"  1:05.2  {told}"


@pytest.mark.parametrize("entry", [record.Onset(1), record.Latency({"total_latency": 1.0}, 1)])
def test_what_people_need_not_see(entry: Entry) -> None:
    assert line(0, entry) is None


def test_what_was_not_heard_stands_in_brackets() -> None:
    told = line(0, record.Said(1, "one two three", 1), heard="one")

    assert told == "  0:00.0  agent   one [two three]"


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ("one two", "one two"),
        ("one", "one [two]"),
        ("", "[one two]"),
        ("another", "another [...]"),
    ],
)
def test_heard_and_unheard_words(heard: str, told: str) -> None:
    assert marked("one two", heard) == told


def test_colours_only_where_they_are_asked_for() -> None:
    entry = record.Heard("a car", 1)

    assert "\x1b" not in (line(0, entry) or "")
    assert (line(0, entry, colors=True) or "").startswith("\x1b[36m")
    assert line(0, record.Onset(1, barge_in=True), colors=True) is not None


def test_nobody_moves_the_cursor() -> None:
    assert clean("a\x1b[2Jb\rc\u202ed") == "a [2Jb c d"


@pytest.mark.parametrize(
    ("ms", "told"), [(0, "0:00.0"), (59_960, "1:00.0"), (-1500, "-0:01.5"), (-20, "0:00.0")]
)
def test_clock(ms: int, told: str) -> None:
    assert clock(ms) == told
