"""Words of ours: early ones wait, refused ones are tried once more, and none is the caller's."""

import pytest

from worker.injections import Injections


@pytest.fixture
def injections() -> Injections:
    """With an agent that is ready."""
    injections = Injections()
    injections.ready()
    return injections


def test_a_ready_agent_is_told_at_once(injections: Injections) -> None:
    assert injections.send("a") == ["a"]


def test_what_is_early_waits_for_the_agent_in_order_and_goes_once() -> None:
    injections = Injections()

    assert injections.send("a") + injections.send("b") == []
    assert injections.ready() == ["a", "b"]
    assert injections.ready() == []


def test_the_same_waits_only_once() -> None:
    injections = Injections()
    injections.send("a", "words")
    injections.send("a", "words")

    assert injections.ready() == ["a"]


def test_of_what_is_early_the_newest_eight_are_kept() -> None:
    injections = Injections()
    for number in range(10):
        injections.send(str(number))

    assert injections.ready() == list("23456789")


def test_without_an_agent_words_wait_for_the_next(injections: Injections) -> None:
    injections.lost()

    assert injections.send("a") == []
    assert injections.ready() == ["a"]


def test_what_is_taken_back_is_not_sent() -> None:
    injections = Injections()
    injections.send("a", "one")
    injections.send("b", "two")
    injections.take_back("one")

    assert injections.ready() == ["b"]
    assert not injections.is_ours("one")
    assert injections.is_ours("two")


def test_refused_words_are_tried_once_more(injections: Injections) -> None:
    injections.send("a")

    assert injections.refuse()
    assert injections.again() == ["a"]
    assert not injections.refuse()
    assert injections.again() == []


def test_an_early_one_that_is_refused_is_tried_once_more_too() -> None:
    injections = Injections()
    injections.send("a")
    injections.ready()

    assert injections.refuse()
    assert injections.again() == ["a"]


def test_what_was_not_refused_is_not_repeated(injections: Injections) -> None:
    injections.send("a")

    assert injections.again() == []


def test_a_refusal_out_of_the_blue_is_nothing(injections: Injections) -> None:
    assert not injections.refuse()
    assert injections.again() == []


def test_a_refused_one_may_be_given_up(injections: Injections) -> None:
    injections.send("a")
    injections.refuse()
    injections.forget_refused()

    assert injections.again() == []


def test_words_that_come_back_are_ours_once(injections: Injections) -> None:
    injections.send("a", "Please go on.")

    assert injections.is_ours("Please go on.")
    assert not injections.is_ours("Please go on.")


def test_what_the_agent_is_to_say_never_comes_back_as_the_callers(injections: Injections) -> None:
    injections.send("a")

    assert not injections.is_ours("")


def test_what_a_lost_agent_was_told_will_not_come_back(injections: Injections) -> None:
    injections.send("a", "Yes.")
    injections.lost()

    assert not injections.is_ours("Yes.")


def test_what_waits_for_the_next_agent_will() -> None:
    injections = Injections()
    injections.send("a", "Yes.")
    injections.lost()

    assert injections.ready() == ["a"]
    assert injections.is_ours("Yes.")
