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


def test_of_what_is_early_the_newest_sixteen_are_kept() -> None:
    injections = Injections()
    for letter in "abcdefghijklmnopqr":
        injections.send(letter)

    assert injections.ready() == list("cdefghijklmnopqr")


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

    assert injections.refuse() is None
    assert injections.again() == ["a"]
    assert injections.refuse() == ""
    assert injections.again() == []


def test_all_that_were_refused_are_tried_once_more_in_order(injections: Injections) -> None:
    for letter in "abc":
        injections.send(letter, line=f"{letter} is said.")
    assert [injections.refuse() for _ in "abc"] == [None] * 3

    assert injections.again() == ["a", "b", "c"]
    assert [injections.refuse() for _ in "abcd"] == ["c is said.", "b is said.", "a is said.", ""]


def test_what_the_agent_has_taken_is_not_what_it_refuses(injections: Injections) -> None:
    injections.send("a", line="One moment.")
    injections.send("b", words="Yes.")
    injections.send("c", line="A is here. So is B.")
    assert injections.behavior_of("One moment.") == "bridge"
    assert injections.behavior_of("A is here.") == "bridge"
    assert injections.is_ours("Yes.")

    assert injections.refuse() == ""
    assert injections.again() == []


def test_a_line_is_known_though_the_agent_trims_it(injections: Injections) -> None:
    injections.send("a", line=" One moment.  I ask. ", behavior="injected")

    assert injections.behavior_of("One moment. ") == "injected"
    assert injections.behavior_of(" I ask.") == "injected"
    assert injections.behavior_of("I ask.") == ""


def test_a_line_that_waits_for_the_next_agent_is_known_when_that_says_it() -> None:
    injections = Injections()
    injections.send("a", line="One moment.")
    injections.lost()

    assert injections.ready() == ["a"]
    assert injections.behavior_of("One moment.") == "bridge"


def test_an_early_one_that_is_refused_is_tried_once_more_too() -> None:
    injections = Injections()
    injections.send("a")
    injections.ready()

    assert injections.refuse() is None
    assert injections.again() == ["a"]


def test_what_was_not_refused_is_not_repeated(injections: Injections) -> None:
    injections.send("a")

    assert injections.again() == []


def test_a_refusal_out_of_the_blue_is_nothing(injections: Injections) -> None:
    assert injections.refuse() == ""
    assert injections.again() == []


def test_a_line_may_be_given_up_before_it_is_refused_or_after(injections: Injections) -> None:
    for letter in "ab":
        injections.send(letter, line=f"{letter} is said.")
    injections.give_up("b is said.")
    assert injections.refuse() == "b is said."
    assert injections.refuse() is None
    injections.give_up("a is said.")

    assert injections.again() == []


def test_one_that_is_given_up_takes_no_other_with_it(injections: Injections) -> None:
    for letter in "ab":
        injections.send(letter, line=f"{letter} is said.")
    injections.refuse()
    injections.refuse()
    injections.give_up("b is said.")

    assert injections.again() == ["a"]
    assert injections.behavior_of("a is said.") == "bridge"


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
