"""What can be expected of a replay, and whether it was so."""

from pathlib import Path

import pytest

from replay.expectations import BadExpectations, Called, Expectations, judge, load
from replay.line import Replayed
from shared import record
from tests.replay.tape import Log, down, recording, sequence_at, up

HEARD = up(6, [(1100, "m0"), (1500, "m1")], loud=(200, 800))
AT = {ms: sequence_at(HEARD, ms) for ms in (200, 800, 1000, 3000)}

LOG: Log = [
    (0, record.Attached("MZ1", "edge-1")),
    (300, record.Onset(AT[200])),
    (900, record.Heard("A table on Monday.", AT[800])),
    (950, record.ToolAsked("c1", "book", '{"day": "Monday", "guests": 2}', 1, AT[800])),
    (960, record.ToolAnswered("c1", "book", "done", AT[800])),
    (1000, record.Said(1, "It is booked for ten o'clock.", AT[1000])),
    (1000, record.Answering(180, 200, AT[1000])),
    (3000, record.Over("agent ended the call", AT[3000])),
]


def met(expected: Expectations, log: Log = LOG, unanswered: int = 0) -> list[bool]:
    replayed = Replayed(recording((HEARD, down("a100 m0 a400 m1")), log=log), unanswered=unanswered)
    return [finding.is_met for finding in judge(expected, replayed)]


@pytest.mark.parametrize(
    ("expected", "is_met"),
    [
        (Expectations(calls=(Called("book"),)), True),
        (Expectations(calls=(Called("book", {"day": "Monday"}),)), True),
        (Expectations(calls=(Called("book", {"day": "Friday"}),)), False),
        (Expectations(calls=(Called("cancel"),)), False),
        (Expectations(calls_not=(Called("cancel"),)), True),
        (Expectations(calls_not=(Called("book"),)), False),
        (Expectations(says=("BOOKED .* ten",)), True),
        (Expectations(says=("sorry",)), False),
        (Expectations(says_not=("sorry",)), True),
        (Expectations(says_not=("booked",)), False),
        (Expectations(answers_within_ms=200), True),
        (Expectations(answers_within_ms=100), False),
        (Expectations(never_interrupts=True), True),
        (Expectations(answers_all=True), True),
        (Expectations(ends="agent ended the call"), True),
        (Expectations(ends="caller hung up"), False),
    ],
)
def test_an_expectation_is_met_or_not(expected: Expectations, is_met: bool) -> None:
    assert met(expected) == [is_met]


@pytest.mark.parametrize("arguments", ["", "{", "7", "[" * 100_000], ids=lambda text: text[:3])
def test_a_function_asked_for_without_json_is_not_the_one_expected(arguments: str) -> None:
    log = [*LOG, (960, record.ToolAsked("c2", "cancel", arguments, 1, AT[800]))]

    assert met(Expectations(calls=(Called("cancel", {"day": "Monday"}),)), log) == [False]


def test_an_agent_that_speaks_over_the_caller_interrupts() -> None:
    heard = up(6, [(500, "m0"), (1500, "m1")], loud=(200, 2000))
    log: Log = [
        (0, record.Attached("MZ1", "edge-1")),
        (200, record.Onset(sequence_at(heard, 200))),
        (500, record.Said(1, "Let me tell you.", sequence_at(heard, 500))),
        (2000, record.Heard("No.", sequence_at(heard, 2000))),
    ]
    call = recording((heard, down("a20 m0 a980 m1")), log=log)

    (finding,) = judge(Expectations(never_interrupts=True), Replayed(call))
    assert not finding.is_met
    assert finding.what == "never interrupts (1 times it was not so)"


def test_a_caller_who_was_left_without_an_answer() -> None:
    assert met(Expectations(answers_all=True), unanswered=1) == [False]


def test_an_agent_that_never_answers_does_not_answer_in_time() -> None:
    silent: Log = [(0, record.Attached("MZ1", "edge-1"))]

    assert met(Expectations(answers_within_ms=1000), silent) == [False]


def test_a_file_with_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "calls: [book, {name: book, arguments: {day: Monday}}]\n"
        "calls_not: [cancel]\nsays: ['ten (o.clock|am)']\nsays_not: [sorry]\n"
        "answers_within_ms: 1500\nnever_interrupts: true\n"
        "answers_all: true\nends: agent ended the call\n"
    )

    assert load(path) == Expectations(
        calls=(Called("book"), Called("book", {"day": "Monday"})),
        calls_not=(Called("cancel"),),
        says=("ten (o.clock|am)",),
        says_not=("sorry",),
        answers_within_ms=1500,
        never_interrupts=True,
        answers_all=True,
        ends="agent ended the call",
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "must be a mapping"),
        ("- says", "must be a mapping"),
        ("{", "not YAML"),
        ("say: [x]", "say: is not known; known: answers_all"),
        ("says: x", "says: must be a list of regular"),
        ("says: ['(']", "says: must be a list of regular"),
        ("calls: [{day: Monday}]", "calls: must be a list of functions"),
        ("calls: [{name: 5}]", "calls: must be a list of functions"),
        ("answers_within_ms: fast", "answers_within_ms: must be a whole number"),
        ("never_interrupts: 1", "never_interrupts: must be true or false"),
        ("ends: 5", "ends: must be a text"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)

    with pytest.raises(BadExpectations) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {what}")
