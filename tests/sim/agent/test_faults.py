"""Faults: read by name, and due at their moment."""

import pytest

from sim.agent import faults
from sim.agent.faults import BadFault, Close, Dead, Drop, End, Fail, Faults, from_key, read


def test_faults_are_read_by_name() -> None:
    asked = faults.read_pairs(["drop", "after_turn=2", "think_s=1.5", "error=FAILED_TO_THINK"])

    assert read(asked) == Faults(drop=True, after_turn=2, think_s=1.5, error="FAILED_TO_THINK")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"dorp": True}, "no fault 'dorp': there are"),
        ({"drop": "maybe"}, "fault drop: expected a bool"),
        ({"close": "soon"}, "fault close: expected a int"),
        ({"think_s": None}, "fault think_s: expected a float"),
        ({"think_s": -1}, "fault think_s: must not be negative"),
    ],
)
def test_a_bad_fault_is_refused_by_name(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadFault, match=sentence):
        read(values)


def test_a_fault_is_named_once() -> None:
    with pytest.raises(BadFault, match="twice"):
        faults.read_pairs(["drop", "drop=false"])


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("abc123", None),
        ("fault-429", Faults(reject=429)),
        ("fault-close=1011,after_s=2", Faults(close=1011, after_s=2)),
    ],
)
def test_a_key_may_ask_for_faults(key: str, asked: Faults | None) -> None:
    assert from_key(key) == asked


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (Faults(), None),
        (Faults(error="FAILED_TO_SPEAK"), Fail("FAILED_TO_SPEAK")),
        (Faults(close=1011), Close(1011)),
        (Faults(drop=True), Drop()),
        (Faults(dead=True), Dead()),
    ],
)
def test_a_session_may_end_of_it(asked: Faults, end: End | None) -> None:
    assert asked.end() == end


def test_it_is_due_when_all_that_it_waits_for_is_there() -> None:
    asked = Faults(after_s=2, after_turn=1, during_speech=True)

    assert asked.due(2.0, 1, True)
    assert not asked.due(1.9, 1, True)
    assert not asked.due(2.0, 0, True)
    assert not asked.due(2.0, 1, False)


def test_what_is_on_is_described() -> None:
    assert faults.describe(Faults()) == "none"
    assert faults.describe(Faults(drop=True, after_turn=2)) == "drop=True, after_turn=2"
