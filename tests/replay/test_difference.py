"""Two calls compared."""

from dataclasses import replace

import pytest

from replay.difference import Tolerances, compare, similarity
from replay.recording import Recording
from shared import record
from shared.calls import Call
from shared.record import Entry

EXACT = Tolerances()


def call(
    *turns: tuple[str, str],
    latency_ms: int = 300,
    end: str = "caller hung up",
    more: Entry | None = None,
) -> Recording:
    """A call of a greeting and these turns, each (caller, agent); five seconds each."""
    log: list[tuple[int, Entry]] = [
        (0, record.Attached("MZ1", "e")),
        (0, record.Said(1, "Hello.", 2)),
    ]
    for number, (caller, agent) in enumerate(turns, 2):
        at = 5000 * number
        log += [
            (at, record.Heard(caller, 9)),
            (at, record.Answering(latency_ms, 0, 9)),
            (at, record.Said(number, agent, 9)),
        ]
    log += [(log[-1][0], more)] if more else []
    log.append((log[-1][0] + 1000, record.Over(end)))
    return Recording("CA1", log=tuple(log))


def replay_of(recording: Recording) -> Recording:
    return replace(recording, call_sid="CA2", call=Call(replays="CA1"))


TALK = call(("A table.", "For how many?"), ("Two.", "Booked."))


def test_a_call_is_the_same_as_itself() -> None:
    assert compare(TALK, TALK, EXACT).is_same


def test_spelling_does_not_count() -> None:
    other = call(("a table", "For how many"), ("Two!", "booked"))

    assert compare(TALK, other, EXACT).is_same


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (call(("A table.", "When?"), ("Two.", "Booked.")), ["agent"]),
        (call(("A chair.", "For how many?"), ("Two.", "Booked.")), ["caller"]),
        (
            call(
                ("A table.", "For how many?"),
                ("Two.", "Booked."),
                more=record.Onset(9, barge_in=True),
            ),
            ["barge-in"],
        ),
        (
            call(
                ("A table.", "For how many?"),
                ("Two.", "Booked."),
                more=record.ToolAsked("c", "book", "{}", 1, 9),
            ),
            ["tools"],
        ),
        (call(("A table.", "For how many?")), ["turn"]),
        (
            call(("A table.", "For how many?"), ("Two.", "Booked."), latency_ms=900),
            ["latency", "latency"],
        ),
    ],
)
def test_what_differs_is_told(other: Recording, wanted: list[str]) -> None:
    difference = compare(TALK, other, replace(EXACT, total_ms=60_000))

    assert [what for row in difference.rows for what in row.differs_in] == wanted
    assert not difference.is_same


def test_the_end_and_the_length_count() -> None:
    other = call(("A table.", "For how many?"), ("Two.", "Booked."), end="agent failed")
    longer = replace(TALK, log=(*TALK.log[:-1], (90_000, record.Over("caller hung up"))))

    assert compare(TALK, other, EXACT).differs_in == ("end",)
    assert compare(TALK, longer, EXACT).differs_in == ("total",)
    assert compare(TALK, longer, Tolerances(total_ms=100_000)).is_same


def test_tolerances() -> None:
    later = call(("A table.", "For how many?"), ("Two.", "Booked."), latency_ms=900)
    other = call(("A table.", "For how many people?"), ("Two.", "Booked."))

    assert compare(TALK, later, Tolerances(latency_ms=600)).is_same
    assert compare(TALK, other, Tolerances(similarity=0.8)).is_same
    assert not compare(TALK, other, Tolerances(similarity=0.9)).is_same


def test_after_an_answer_that_differs_a_replay_is_not_scored() -> None:
    other = call(("A table.", "We are closed."), ("Two.", "As I said."), end="agent failed")

    difference = compare(TALK, replay_of(other), EXACT)
    assert [row.is_scored for row in difference.rows] == [True, True, False]
    assert difference.differs_in == ()
    assert not difference.is_same


def test_two_callers_are_scored_to_the_end() -> None:
    other = call(("A table.", "We are closed."), ("Two.", "As I said."))

    assert all(row.is_scored for row in compare(TALK, other, EXACT).rows)


def test_a_turn_that_one_call_lacks_faces_nothing() -> None:
    more = call(("A table.", "For how many?"), ("Hello?", "Yes."), ("Two.", "Booked."))

    rows = compare(TALK, more, EXACT).rows
    assert [(bool(row.a), bool(row.b)) for row in rows] == [(True, True)] * 2 + [
        (False, True),
        (True, True),
    ]


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ("", "", 1.0),
        ("Don't, please!", "don't please", 1.0),
        ("one two", "one", 2 / 3),
        ("a", "", 0.0),
    ],
)
def test_similarity(a: str, b: str, share: float) -> None:
    assert similarity(a, b) == pytest.approx(share)
