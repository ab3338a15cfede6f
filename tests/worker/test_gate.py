"""The gate: sound of an interrupted turn stays out, and the next turn comes in."""

import pytest

from worker.gate import Gate


@pytest.fixture
def gate() -> Gate:
    """A gate that the caller closed by speaking, at 10 s."""
    gate = Gate()
    gate.close(10.0)
    return gate


def test_sound_flows_until_the_caller_speaks() -> None:
    gate = Gate()

    assert gate.sound(0.0)
    assert gate.text(0.1)


def test_late_sound_of_the_cut_turn_is_dropped(gate: Gate) -> None:
    assert not gate.sound(10.0)
    assert not gate.sound(10.4)


def test_sound_without_any_text_stays_out_for_good(gate: Gate) -> None:
    assert not gate.sound(1000.0)


def test_a_text_right_behind_the_onset_is_the_cut_turns_own(gate: Gate) -> None:
    assert not gate.text(10.499)
    assert not gate.sound(10.499)


def test_a_text_half_a_second_after_the_onset_opens(gate: Gate) -> None:
    assert gate.text(10.5)
    assert gate.sound(10.5)


def test_a_late_text_does_not_keep_the_next_one_out(gate: Gate) -> None:
    gate.text(10.1)

    assert gate.text(10.6)


@pytest.mark.parametrize("between", ["done or injected", "confirmed"])
def test_a_text_that_something_called_for_opens_at_once(gate: Gate, between: str) -> None:
    if between == "confirmed":
        gate.confirm(10.1)
    else:
        gate.expect_answer()

    assert gate.text(10.2)
    assert gate.sound(10.2)


def test_sound_a_second_after_the_confirmed_words_opens(gate: Gate) -> None:
    gate.confirm(10.6)

    assert not gate.sound(11.599)
    assert gate.sound(11.601)


def test_sound_that_follows_the_fail_safe_flows(gate: Gate) -> None:
    gate.confirm(10.6)
    gate.sound(11.7)

    assert gate.sound(11.7)
    assert gate.is_open


def test_a_new_onset_forgets_what_the_old_one_allowed(gate: Gate) -> None:
    gate.confirm(10.6)
    gate.close(11.0)

    assert not gate.text(11.1)
    assert not gate.sound(13.0)


def test_words_confirmed_while_it_is_open_do_not_weaken_the_next_onset() -> None:
    gate = Gate()
    gate.confirm(1.0)
    gate.expect_answer()
    gate.close(2.0)

    assert not gate.text(2.1)
    assert not gate.sound(9.0)


def test_an_onset_at_the_very_start_of_the_clock_closes_too() -> None:
    gate = Gate()
    gate.close(0.0)

    assert not gate.text(0.2)
    assert gate.text(0.5)
