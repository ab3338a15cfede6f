"""A goodbye: heard to its end, and never waited for without end."""

import pytest

from worker.goodbye import Goodbye


@pytest.fixture
def silent() -> Goodbye:
    """Asked for at 10 s by an agent that had not spoken in this turn."""
    return Goodbye("agent ended the call", 10.0, said_already=False)


@pytest.fixture
def spoken() -> Goodbye:
    """A goodbye whose sound came at 11 s."""
    goodbye = Goodbye("agent ended the call", 10.0, said_already=False)
    goodbye.sound(11.0)
    return goodbye


def test_it_is_over_once_it_is_done_and_heard_out(spoken: Goodbye) -> None:
    spoken.done(11.1)

    assert not spoken.is_over(11.2, is_heard_out=False)
    assert spoken.is_over(11.2, is_heard_out=True)


def test_heard_out_is_not_over_while_more_may_come(spoken: Goodbye) -> None:
    assert not spoken.is_over(12.1, is_heard_out=True)


def test_without_audio_done_it_is_over_after_a_while_without_news(spoken: Goodbye) -> None:
    assert not spoken.is_over(12.19, is_heard_out=True)
    assert spoken.is_over(12.21, is_heard_out=True)


def test_a_marks_echo_is_news(spoken: Goodbye) -> None:
    spoken.news(13.0)

    assert not spoken.is_over(14.1, is_heard_out=True)
    assert spoken.is_over(14.3, is_heard_out=True)


def test_audio_done_of_the_turn_before_does_not_end_it(silent: Goodbye) -> None:
    silent.done(10.1)
    silent.sound(11.0)

    assert not silent.is_over(11.1, is_heard_out=True)


def test_sound_after_audio_done_is_a_further_sentence(spoken: Goodbye) -> None:
    spoken.done(11.1)
    spoken.sound(11.5)

    assert not spoken.is_over(11.6, is_heard_out=True)


def test_what_was_said_before_counts_when_nothing_follows_within_four_seconds() -> None:
    goodbye = Goodbye("agent ended the call", 10.0, said_already=True)

    assert not goodbye.is_over(13.9, is_heard_out=True)
    assert goodbye.is_over(14.1, is_heard_out=True)
    assert not goodbye.wants_words(14.1)


def test_what_was_said_before_is_heard_out_too() -> None:
    goodbye = Goodbye("agent ended the call", 10.0, said_already=True)

    assert not goodbye.is_over(14.1, is_heard_out=False)


def test_with_no_word_at_all_it_wants_some_after_four_seconds(silent: Goodbye) -> None:
    assert not silent.wants_words(13.9)
    assert silent.wants_words(14.0)
    assert not silent.is_over(14.0, is_heard_out=True)


def test_it_wants_words_only_once(silent: Goodbye) -> None:
    silent.inject(14.0)

    assert silent.was_injected
    assert not silent.wants_words(30.0)


def test_injected_words_that_never_come_are_waited_for_four_seconds(silent: Goodbye) -> None:
    silent.inject(14.0)

    assert not silent.is_over(17.9, is_heard_out=True)
    assert silent.is_over(18.0, is_heard_out=True)


@pytest.mark.parametrize("is_heard_out", [True, False])
def test_it_is_over_after_fifteen_seconds_whatever_happens(
    spoken: Goodbye, *, is_heard_out: bool
) -> None:
    spoken.sound(24.9)

    assert not spoken.is_over(24.95, is_heard_out=is_heard_out)
    assert spoken.is_over(25.0, is_heard_out=is_heard_out)
