"""Turn taking by energy: onsets, pauses and ends, counted in bytes."""

import pytest

from sim.agent.hearing import Heard, Hearing, Onset, Patience, Paused, TurnEnded
from tests.sim.agent.talk import quiet, speech

TURN = [Onset(), TurnEnded(words=True)]


def hear(sound: bytes, chunk: int = 160, patience: Patience | None = None) -> list[Heard]:
    ears = Hearing(patience or Patience())
    chunks = (sound[at : at + chunk] for at in range(0, len(sound), chunk))
    return [event for piece in chunks for event in ears.feed(piece)]


@pytest.mark.parametrize("chunk", [1, 159, 160, 161, 333, 3200, 100_000])
def test_a_turn_begins_and_ends_whatever_the_chunks(chunk: int) -> None:
    assert hear(quiet(100) + speech(400) + quiet(700), chunk) == TURN


def test_a_turn_begins_after_60_ms_of_speech() -> None:
    ears = Hearing(Patience())

    assert ears.feed(speech(59)) == []
    assert ears.feed(speech(1)) == [Onset()]


def test_clicks_are_no_speech() -> None:
    assert hear((speech(40) + quiet(20)) * 50) == []


def test_a_turn_ends_after_the_quiet_and_not_before() -> None:
    ears = Hearing(Patience(quiet_s=0.5))
    ears.feed(speech(300))

    assert ears.feed(quiet(480)) == []
    assert ears.feed(quiet(20)) == [TurnEnded(words=True)]


def test_a_breath_does_not_end_a_turn() -> None:
    assert hear((speech(300) + quiet(680)) * 4 + quiet(20)) == TURN


def test_a_cough_ends_at_the_timeout_and_has_no_words() -> None:
    ears = Hearing(Patience(timeout_s=3))

    assert ears.feed(speech(100) + quiet(2980)) == [Onset()]
    assert ears.feed(quiet(20)) == [TurnEnded(words=False, trigger="timeout")]


def test_speech_after_a_cough_is_the_same_turn() -> None:
    assert hear(speech(100) + quiet(2000) + speech(300) + quiet(700)) == TURN


def test_a_stream_that_stops_never_ends_a_turn() -> None:
    ears = Hearing(Patience())
    ears.feed(speech(400) + quiet(600))

    assert ears.feed(b"") == []
    assert ears.talking


def test_a_pause_may_be_a_bet_on_the_end() -> None:
    heard = hear(speech(300) + quiet(700), patience=Patience(eager_s=0.3))

    assert heard == [Onset(), Paused(), TurnEnded(words=True)]


def test_a_bet_is_lost_when_speech_goes_on() -> None:
    heard = hear(
        speech(300) + quiet(400) + speech(300) + quiet(200), patience=Patience(eager_s=0.3)
    )

    assert heard == [Onset(), Paused(), Onset(resumed=True)]


def test_turns_ended_by_hand_wait_for_the_hand() -> None:
    ears = Hearing(Patience(manual=True))

    assert ears.feed(speech(300) + quiet(3000)) == [Onset()]
    assert ears.force() == TurnEnded(words=True)
    assert ears.force() is None


def test_turns_ended_by_hand_time_out_all_the_same() -> None:
    heard = hear(speech(300) + quiet(5000), patience=Patience(manual=True))

    assert heard == [Onset(), TurnEnded(words=True, trigger="timeout")]


def test_two_turns_are_two() -> None:
    assert hear((speech(300) + quiet(700)) * 2) == TURN * 2


def test_its_repr_tells_how_it_stands() -> None:
    ears = Hearing(Patience())
    ears.feed(speech(100))

    assert repr(ears) == "<Hearing in a turn speech=0.10s quiet=0.00s>"
