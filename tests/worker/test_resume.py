"""A conversation outlives its agent socket."""

import pytest

from shared import record
from shared.messages import Audio, Digit, Mark
from shared.record import Heard, Said
from tests.worker.driver import (
    APOLOGY_SOUND,
    APPLIED,
    DONE,
    HOLD_SOUND,
    LOUD_FRAME,
    ONSET,
    REFUSED,
    SETTINGS,
    WELCOME,
    Driver,
    asks,
    entries,
    injected,
    sentence,
    talking,
    words,
)
from worker.terms import State

LOST = "closed 1006"
SECOND = b"\x20" * 8000
GO_ON = "(Please go on.)"
CAP_WARNING = '{"type":"Warning","code":"MAXIMUM_SESSION_LENGTH_APPROACHING"}'


def asked() -> Driver:
    """A call in which the caller has asked something, and nothing has answered yet."""
    call = talking()
    call.says(sentence("Hello."), SECOND, DONE)
    call.listen(1.2)
    call.says(ONSET)
    call.speak_up(0.5)
    call.says(words("What cars do you have?"))
    call.forget()
    return call


def answering() -> Driver:
    """A call in which the agent is in the middle of an answer."""
    call = asked()
    call.says(sentence("We have three cars here that I like."), SECOND)
    call.listen(0.5)
    call.forget()
    return call


# -- the agent is lost --------------------------------------------------------


def test_a_new_agent_is_asked_for_at_once() -> None:
    call = asked()
    call.loses_agent(LOST)

    assert call.connects == 2
    assert call.conversation.state is State.CONNECTING
    assert entries(call, record.Trouble) == [record.Trouble("agent", LOST, False, call.sequence)]
    assert call.phone() == []


def test_a_caller_who_talks_on_over_a_backchannel_is_listened_to_from_his_beginning() -> None:
    call = talking()
    call.says(sentence("Hello."), SECOND, DONE)
    call.listen(1.2)
    began = call.sequence
    call.speak_up(0.5)
    call.says(ONSET)
    call.speak_up(2)
    call.says(sentence("Mhm.", "backchannel"), b"\x20" * 1600, DONE)
    call.speak_up(1)
    call.forget()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)

    assert call.listens_after[-1] <= began
    assert injected(call) == []


def test_it_is_told_what_was_said_and_does_not_greet() -> None:
    call = answering()
    call.says(DONE)
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME)

    (settings,) = call.told()
    assert "greeting" not in settings["agent"]
    assert [
        (each["role"], each["content"]) for each in settings["agent"]["context"]["messages"]
    ] == [
        ("assistant", "Hello."),
        ("user", "What cars do you have?"),
        ("assistant", "We have three cars here that I like."),
    ]


def test_an_agent_lost_before_its_greeting_began_greets() -> None:
    call = Driver()
    call.attach()
    call.says(WELCOME, APPLIED, sentence("Hello."))
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME)

    assert call.agent() == [SETTINGS]


def test_pauses_grow_between_attempts() -> None:
    call = talking()
    for _ in range(3):
        call.loses_agent(LOST)
    assert call.connects == 2

    call.wait(0.25)
    assert call.connects == 3
    call.loses_agent(LOST)
    call.wait(0.49)
    assert call.connects == 3
    call.wait(0.02)
    assert call.connects == 4


def test_what_a_lost_agent_still_says_until_the_next_attempt_is_nothing() -> None:
    call = talking()
    call.loses_agent(LOST)
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME, sentence("I am back."), SECOND, ONSET, words("What is it?"))

    assert (call.phone(), call.log(), call.agent()) == ([], [], [])


@pytest.mark.parametrize("code", ["http 401", "INVALID_SETTINGS"])
def test_what_would_fail_alike_is_not_tried_again(code: str) -> None:
    call = asked()
    call.loses_agent(code)

    assert call.connects == 1
    assert call.heard_by_phone() == APOLOGY_SOUND


def test_after_ten_seconds_the_caller_is_told_and_the_call_ends() -> None:
    call = asked()
    until = call.now + 8.8
    while call.now < until:
        call.loses_agent(LOST)
        call.listen(0.2)
    assert call.over == ""
    assert call.heard_by_phone() == HOLD_SOUND * 2

    call.listen(1)
    call.loses_agent(LOST)
    call.listen(2)

    assert call.heard_by_phone() == APOLOGY_SOUND
    assert call.over == "agent failed"


def test_an_agent_that_is_away_for_two_seconds_is_excused() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.listen(1.9)
    assert call.phone() == []

    call.listen(0.2)

    assert call.heard_by_phone() == HOLD_SOUND
    assert entries(call, Said)[-1].behavior == "bridge"


def test_not_while_what_the_lost_one_said_still_plays() -> None:
    call = asked()
    call.says(sentence("We have three cars."), SECOND * 4)
    call.loses_agent(LOST)
    call.forget()
    call.listen(3.9)
    assert call.phone() == []

    call.listen(1)

    assert call.heard_by_phone() == HOLD_SOUND


def test_the_hold_line_lets_nothing_of_a_cut_answer_through() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED, ONSET)
    call.listen(2.1)
    call.says(SECOND)

    assert call.heard_by_phone() == HOLD_SOUND


def test_not_once_there_is_an_agent_again() -> None:
    call = talking()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)
    call.listen(5)

    assert call.phone() == []


# -- what the caller says meanwhile -------------------------------------------


def test_the_caller_is_listened_to_again_from_what_the_agent_was_given_last() -> None:
    call = asked()
    heard = call.sequence
    call.loses_agent(LOST)

    assert call.listens_after[-1] == heard


def test_from_a_second_before_an_open_utterance() -> None:
    call = talking()
    call.listen(3)
    onset = call.sequence
    call.says(ONSET)
    call.speak_up(1)
    call.loses_agent(LOST)

    assert call.listens_after[-1] == onset - 50


def test_never_from_more_than_a_minute_back() -> None:
    call = talking()
    call.listen(2)
    call.says(ONSET)
    call.speak_up(62)
    call.loses_agent(LOST)

    assert call.listens_after[-1] == call.sequence - 3000


def test_further_attempts_listen_from_there_too() -> None:
    """What is said while no agent is there has been read, and has been given to nobody."""
    call = asked()
    heard = call.sequence
    for _ in range(3):
        call.loses_agent(LOST)
        call.speak_up(1)

    assert call.listens_after[-3:] == [heard] * 3
    call.says(WELCOME)
    assert call.conversation.cursor == heard


def hear_again(call: Driver, frames: int, mulaw: bytes) -> None:
    """The stream is read again from where the conversation wants it."""
    after = call.listens_after[-1]
    for number in range(frames):
        call.conversation.from_caller(after + 1 + number, Audio(mulaw, number * 20), call.now)
        call._take()


def test_all_that_was_said_meanwhile_follows_at_twice_the_speed_of_speech() -> None:
    call = talking()
    call.loses_agent(LOST)
    hear_again(call, 100, LOUD_FRAME)
    call.says(WELCOME)
    call.forget()
    call.says(APPLIED)
    call.wait(0.5)

    assert call.agent() == [LOUD_FRAME] * 52
    call.wait(0.6)
    assert call.agent() == [LOUD_FRAME] * 48
    assert call.conversation.cursor == call.listens_after[-1] + 100


# -- whose turn it is ---------------------------------------------------------


def test_a_turn_that_is_owed_an_answer_is_put_again_if_nobody_speaks() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME)
    assert [each["content"] for each in call.context()] == ["Hello."]

    call.says(APPLIED)

    assert injected(call) == ["What cars do you have?"]


def test_with_more_of_it_in_the_gap_it_is_part_of_the_context() -> None:
    call = asked()
    call.loses_agent(LOST)
    hear_again(call, 20, LOUD_FRAME)
    call.forget()
    call.says(WELCOME)
    assert [each["content"] for each in call.context()] == ["Hello.", "What cars do you have?"]

    call.says(APPLIED)

    assert injected(call) == []


def test_a_turn_to_be_put_again_is_not_if_more_of_it_is_heard_before_the_next_attempt() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.says(WELCOME)
    call.loses_agent(LOST)
    call.wait(0.25)
    hear_again(call, 20, LOUD_FRAME)
    call.says(WELCOME)
    call.forget()
    call.says(APPLIED)

    assert injected(call) == []


def test_a_turn_put_again_is_not_said_twice() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED, words("What cars do you have?"), sentence("Three."), SECOND)

    assert entries(call, Heard) == []
    assert SECOND in call.heard_by_phone()


def test_nor_lost_if_the_caller_says_the_same_later() -> None:
    call = asked()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)
    call.loses_agent("closed 1011")
    call.wait(0.3)
    call.says(WELCOME, APPLIED, words("What cars do you have?"), DONE)
    call.forget()
    call.says(words("What cars do you have?"))

    assert len(entries(call, Heard)) == 1


def test_an_agent_that_was_cut_off_is_told_to_go_on() -> None:
    call = answering()
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME)
    assert call.context()[-1]["content"] == "We have three"

    call.says(APPLIED)

    assert injected(call) == [GO_ON]


def test_that_is_not_logged_as_the_callers_words() -> None:
    call = answering()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)
    call.forget()
    call.says(words(GO_ON))
    assert call.log() == []

    call.says(sentence("Two are red."), SECOND, DONE)

    assert [each.text for each in entries(call, Said)] == ["Two are red."]


def test_what_the_phone_has_is_played_before_the_next_agents_words() -> None:
    call = answering()
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED, sentence("Two are red."), SECOND)

    assert [each for each in call.phone() if not isinstance(each, Audio | Mark)] == []


def test_an_interrupted_answer_is_not_gone_on_with() -> None:
    call = answering()
    call.says(ONSET, words(""))
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME, APPLIED)

    assert injected(call) == []


def test_a_function_that_was_asked_is_not_asked_for_again() -> None:
    call = asked()
    call.says(asks("fly"))
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME)
    (_, turn, functions) = call.context()
    assert turn["content"] == "What cars do you have?"
    assert functions["function_calls"][0]["response"] == '{"error": "there is no such function"}'

    call.says(APPLIED)

    assert injected(call) == [GO_ON]


# -- keys ---------------------------------------------------------------------


def test_keys_are_not_acted_on_twice() -> None:
    call = talking()
    call.caller(Digit("1"))
    call.caller(Digit("#"))
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)
    call.forget()
    for number, key in enumerate("1#"):
        call.conversation.from_caller(number + 1, Digit(key), call.now)
    call._take()

    assert (call.log(), call.told()) == ([], [])


def test_keys_pressed_without_an_agent_wait_for_the_next() -> None:
    call = talking()
    call.loses_agent(LOST)
    call.caller(Digit("1"))
    call.caller(Digit("#"))
    call.forget()
    call.says(WELCOME, APPLIED)

    assert "(The caller pressed 1 on the keypad.)" in injected(call)


def test_of_keys_that_no_agent_answered_the_next_is_told_once() -> None:
    call = talking()
    call.caller(Digit("1"))
    call.caller(Digit("#"))
    call.loses_agent(LOST)
    call.forget()
    call.says(WELCOME, APPLIED)

    assert injected(call) == ["(The caller pressed 1 on the keypad.)"]


def test_words_that_were_refused_for_good_may_be_the_callers_next_time() -> None:
    call = talking()
    call.says(ONSET, words("Yes."))
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED)
    assert injected(call) == ["Yes."]
    call.says(ONSET, REFUSED, words("Are you there?"))
    assert injected(call) == ["Yes."]
    call.says(ONSET, REFUSED, words("Hello?"), sentence("Shall I book?"), SECOND, DONE)
    call.forget()
    call.says(ONSET, words("Yes."))

    assert [each.text for each in entries(call, Heard)] == ["Yes."]


def test_what_is_still_on_the_wire_is_no_answer_to_a_number() -> None:
    call = talking()
    call.says(sentence("For sales press one."), SECOND)
    call.caller(Digit("1"))
    call.caller(Digit("#"))
    call.forget()
    call.says(sentence("For service press two."), ONSET, REFUSED, words("Hello?"))

    assert injected(call) == ["(The caller pressed 1 on the keypad.)"]


def test_so_may_words_that_were_answered_and_did_not_come_back() -> None:
    call = talking()
    call.says(ONSET, words("Yes."))
    call.loses_agent(LOST)
    call.says(WELCOME, APPLIED, sentence("Shall I book?"), SECOND, DONE)
    call.listen(1.2)
    call.forget()
    call.says(ONSET, words("Yes."))

    assert [each.text for each in entries(call, Heard)] == ["Yes."]


# -- the cap ------------------------------------------------------------------


def test_before_its_time_is_up_an_agent_is_replaced_in_a_quiet_moment() -> None:
    call = answering()
    call.says(CAP_WARNING)
    call.listen(0.3)
    assert call.connects == 1

    call.says(DONE)
    call.listen(0.5)

    assert call.connects == 2
    call.forget()
    call.says(WELCOME, APPLIED)
    assert injected(call) == []


def test_the_pause_between_two_sentences_is_no_quiet_moment() -> None:
    call = answering()
    call.says(CAP_WARNING)
    call.listen(3)
    assert call.connects == 1

    call.says(sentence("The second one is red."), SECOND, DONE)
    call.listen(1.5)

    assert call.connects == 2


def test_an_agent_that_does_not_say_it_is_done_is_replaced_some_time_after() -> None:
    call = answering()
    call.says(CAP_WARNING)
    call.listen(8)

    assert call.connects == 2


def test_nobody_is_replaced_while_the_caller_is_loud() -> None:
    call = talking()
    call.speak_up(0.2)
    call.says(CAP_WARNING)
    call.speak_up(0.3)
    assert call.connects == 1

    call.listen(0.6)

    assert call.connects == 2


def test_a_sentence_without_sound_does_not_keep_it_for_ever() -> None:
    call = answering()
    call.says(CAP_WARNING)
    call.listen(0.3)
    call.says(sentence("Nothing comes of this."))
    call.listen(8)

    assert call.connects == 2


def test_a_car_that_goes_by_does_not_keep_it() -> None:
    call = talking()
    call.says(CAP_WARNING)
    for _ in range(3):
        call.listen(0.4)
        call.speak_up(0.04)

    assert call.connects == 2


def test_it_is_replaced_once() -> None:
    call = talking()
    call.says(CAP_WARNING)
    call.listen(0.1)
    call.says(WELCOME, APPLIED)
    call.listen(1)

    assert call.connects == 2


def test_keys_pressed_while_it_is_replaced_wait_for_the_next() -> None:
    call = talking()
    call.says(CAP_WARNING)
    call.listen(0.1)
    call.forget()
    call.caller(Digit("1"))
    call.caller(Digit("#"))

    assert call.agent() == []
