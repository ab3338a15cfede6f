"""Pasts that are easily misread: of what was unheard, out of order, or of another phone."""

import json
from typing import Any

from shared import record
from shared.messages import Digit
from tests.worker.driver import (
    APPLIED,
    DONE,
    ONSET,
    WELCOME,
    Driver,
    asks,
    injected,
    sentence,
    talking,
    words,
)
from tests.worker.test_functions import asks_with
from tests.worker.test_history import past_of
from worker.history import fold
from worker.terms import Inherited, State

LOST = "closed 1006"
LONG = b"\x20" * 40_000


def renewed(call: Driver) -> Driver:
    """The agent is lost, and another is there."""
    call.loses_agent(LOST)
    call.wait(1)
    call.says(WELCOME, APPLIED)
    return call


def interrupted_late() -> Driver:
    """The caller speaks into an answer, of which a last sentence comes when he has begun."""
    call = talking()
    call.says(ONSET, words("What cars do you have?"), sentence("We have three."), LONG)
    call.listen(3)
    call.says(ONSET)
    call.listen(0.1)
    call.says(sentence("The first is red."))
    call.speak_up(5)
    call.forget()
    return call


def test_a_late_sentence_of_the_cut_turn_does_not_end_the_caller_s_utterance() -> None:
    call = interrupted_late()
    onset = call.sequence - 5 * 50 - 5
    renewed(call)

    assert call.listens_after[-1] <= onset - 40
    assert injected(call) == []  # it is not for the agent to go on: the caller speaks


def test_nor_does_it_for_a_successor() -> None:
    call = interrupted_late()
    log = [(0, record.Attached("MZ1", "e1")), *call.conversation._common.history]
    past = fold(log, {})

    assert past.onset > 0
    assert not past.was_cut_off


def test_an_onset_lies_where_the_agent_hears_though_it_is_behind() -> None:
    call = talking()
    call.says(ONSET)
    call.speak_up(4)
    call.loses_agent(LOST)
    call.speak_up(4)
    call.says(WELCOME, APPLIED, sentence("Yes?"), LONG[:1600], DONE)  # so it is worth another
    call.speak_up(1)
    heard_at, came_at = call.conversation.cursor, call.sequence
    call.says(ONSET)
    call.speak_up(2)
    call.loses_agent(LOST)
    call.wait(3)

    assert len(call.listens_after) == 3
    assert heard_at < came_at - 50
    assert call.listens_after[-1] <= heard_at - 40


def test_what_waits_has_no_number_on_the_phone_s_next_stream() -> None:
    call = talking()
    call.loses_agent(LOST)
    call.speak_up(4)
    call.says(WELCOME, APPLIED)
    call.speak_up(1)
    call.detach()
    call.attach()
    call.listen(0.3)

    assert call.conversation.cursor <= call.sequence


def test_the_loss_of_a_former_phone_is_none_of_the_next_one_s() -> None:
    past = past_of(
        record.Attached("MZ1", "e1"),
        record.Taken("w1", 1),
        record.Heard("What do you have?", 5),
        record.Attached("MZ2", "e2"),
        record.Lost("MZ1", "no frames"),  # that edge noticed late
        record.Said(1, "We have two cars.", 3),
        record.Finished(9),
        record.Taken("w2", 2),
    )

    assert past.owed == ""
    assert [each["content"] for each in past.messages] == ["What do you have?", "We have two cars."]


def test_what_counts_on_a_former_stream_makes_nobody_deaf() -> None:
    log = (
        record.Attached("MZ1", "e1"),
        record.Taken("w1", 1),
        record.Attached("MZ2", "e2"),
        record.Finished(15_000),  # its owner had not heard of the new phone yet
    )
    inherited = Inherited(log=[(0, each) for each in log], newest=900, cursor=850)
    call = Driver(inherited=inherited)
    call.sequence = 900
    call.conversation.rejoined(call.now)
    call.says(WELCOME, APPLIED)
    call.forget()
    call.caller(Digit("5", 0))
    call.caller(Digit("#", 0))

    assert call.listens_after == [850]
    assert [each.digits for each in call.log() if isinstance(each, record.Pressed)] == ["5"]


def test_an_answer_without_a_sound_is_none() -> None:
    call = talking()
    call.says(ONSET, words("What time is it?"), sentence("It is five."), DONE)
    call.forget()
    renewed(call)
    settings = [each for each in call.told() if each["type"] == "Settings"]
    call2 = talking()
    call2.says(ONSET, words("What time is it?"), sentence("It is five."), LONG, DONE)
    call2.listen(6)
    call2.forget()
    renewed(call2)

    assert "It is five." not in json.dumps(settings)
    assert injected(call2) == []


def test_the_caller_s_question_is_put_again_if_its_answer_had_no_sound() -> None:
    call = talking()
    call.says(ONSET, words("What time is it?"), sentence("It is five."), DONE)
    call.forget()
    renewed(call)

    assert injected(call) == ["What time is it?"]


def test_words_that_a_function_was_asked_for_come_before_it() -> None:
    call = talking(own_tools={"book": ""})
    call.says(ONSET, asks_with("book", day="Monday"), words("Book it."))
    call.answers("booked")
    call.forget()
    call.loses_agent(LOST)
    call.wait(1)
    call.says(WELCOME)
    first, second = call.context()
    call.says(APPLIED)

    assert first["content"] == "Book it."
    assert second["function_calls"][0]["response"] == "booked"
    assert injected(call) == ["(Please go on.)"]


def test_a_function_of_a_former_turn_stays_before_the_next_words() -> None:
    call = talking(own_tools={"book": ""})
    call.says(ONSET, words("Book it."), asks_with("book"))
    call.answers("booked")
    call.says(sentence("Done."), LONG, DONE)
    call.listen(6)
    call.says(ONSET, words("Thanks."), sentence("Welcome."), LONG, DONE)
    call.listen(6)
    call.forget()
    call.loses_agent(LOST)
    call.wait(1)
    call.says(WELCOME)

    kinds = [each.get("content", "function") for each in call.context()]
    assert kinds == ["Book it.", "function", "Done.", "Thanks.", "Welcome."]


def keyed(call: Driver, digits: str) -> None:
    for digit in digits:
        call.caller(Digit(digit, call.clock))
    call.forget()


def test_keys_are_a_turn_in_which_a_function_runs_again() -> None:
    call = talking(own_tools={"status": ""})
    call.says(ONSET, words("How is it?"), asks_with("status", "a"))
    call.answers("pending")
    call.says(sentence("Press 1 to ask again."), LONG, DONE)
    call.listen(6)
    keyed(call, "1#")
    call.says(asks_with("status", "b"))

    assert len(call.runs) == 2


def test_a_goodbye_from_before_a_key_is_none() -> None:
    call = talking()
    call.says(ONSET, words("Hello."), sentence("Press 1 to hang up."), LONG, DONE)
    call.listen(6)
    keyed(call, "1#")
    call.says(asks("end_call"))
    call.forget()
    call.listen(4.5)

    assert [each["type"] for each in call.told()] == ["InjectAgentMessage"]
    assert not call.over


def collecting() -> list[record.Entry]:
    """The log of a call whose agent wanted a number, and was told to wait."""
    call = talking(tools=("collect_digits",))
    call.says(ONSET, words("Pay."), asks_with("collect_digits", count=4))
    call.listen(9)
    history: list[Any] = call.conversation._common.history
    return [record.Attached("MZ1", "e1"), *(entry for _, entry in history)]


def test_a_number_that_the_caller_talked_past_is_not_waited_for_by_a_successor() -> None:
    past = past_of(*collecting(), record.Onset(20), record.Heard("I have no card.", 30))

    assert past_of(*collecting()).wanted is not None
    assert past.wanted is None


def test_nor_for_ever_is_one_that_he_just_does_not_press() -> None:
    log = [*collecting(), record.Taken("w2", 2)]
    call = Driver(inherited=Inherited(log=[(0, each) for each in log]), idle_s=10.0)
    call.attach()
    call.says(WELCOME, APPLIED)
    call.listen(5)
    assert not call.conversation.quiet.is_moment
    call.says(sentence("Anything else?"), LONG, DONE)
    call.listen(70)

    assert call.conversation.quiet.is_moment


def test_nobody_hangs_up_on_a_caller_who_speaks() -> None:
    call = talking()
    call.says(ONSET, words("Bye."), asks("end_call"), sentence("Goodbye."), LONG[:8000], DONE)
    call.listen(0.6)
    call.says(ONSET)
    call.speak_up(3)

    assert not call.over
    call.says(words("No wait there is one more thing."))
    assert call.conversation.state is State.TALKING


def test_but_on_one_who_has_said_his_word() -> None:
    call = talking()
    call.says(ONSET, words("Bye."), asks("end_call"), sentence("Goodbye."), LONG[:8000], DONE)
    call.listen(0.6)
    call.says(ONSET)
    call.speak_up(0.4)
    call.listen(1.5)

    assert call.over == "agent ended the call"
