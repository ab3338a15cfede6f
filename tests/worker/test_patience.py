"""Calls that must not go silent, and must not last for ever: waits that begin, pause and end."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.messages import Clear, Digit
from shared.record import Finished, Heard, Pressed, Said, ToolAnswered, ToolAsked, Typed
from tests.worker.driver import (
    APPLIED,
    DONE,
    LOUD_FRAME,
    ONSET,
    WELCOME,
    Driver,
    asks,
    entries,
    sentence,
    takes_back,
    talking,
    words,
)
from tests.worker.test_functions import asks_with, collecting, idle, own, press
from worker.history import fold
from worker.terms import Inherited


def successor(log: list[Any], **terms: Any) -> Driver:
    """Of an owner who left this log; its phone is there."""
    call = Driver(inherited=Inherited(log=[(0, each) for each in log]), **terms)
    call.attach()
    call.says(WELCOME, APPLIED)
    return call


def injected(call: Driver) -> list[str]:
    """What was injected: the text, whoever's it is."""
    return [each.get("message") or each["content"] for each in call.told() if _is_injected(each)]


def _is_injected(message: dict[str, Any]) -> bool:
    return str(message["type"]).startswith("Inject")


# -- a death in a function ----------------------------------------------------

SAID_FIRST: list[Any] = [
    Heard("Book it.", 1),
    Said(1, "Let me check.", 2),
    ToolAsked("t", "book", "{}", 1, 3),
]


@pytest.mark.parametrize(
    "log",
    [
        [*SAID_FIRST, Finished(4)],
        [*SAID_FIRST, Finished(4), ToolAnswered("t", "book", "ok", 5)],
        [*SAID_FIRST, ToolAnswered("t", "book", "ok", 5), Finished(6)],
    ],
)
def test_an_announcement_that_is_over_does_not_hide_the_function(log: list[Any]) -> None:
    assert fold([(0, each) for each in log], {}).was_cut_off


def test_what_was_said_of_the_answer_ends_it() -> None:
    log = [*SAID_FIRST, ToolAnswered("t", "book", "ok", 5), Said(2, "Done.", 6), Finished(7)]

    assert not fold([(0, each) for each in log], {}).was_cut_off


def test_a_successor_that_is_asked_the_same_does_not_know_whether_it_was_done() -> None:
    call = successor(SAID_FIRST, own_tools={"book": ""})
    call.forget()
    call.says(asks("book"))

    assert call.runs == []
    assert "do not repeat" in entries(call, ToolAnswered)[0].content


# -- what was owed is owed again ----------------------------------------------


def test_an_onset_that_comes_to_nothing_does_not_take_the_question_back() -> None:
    call = talking(uses_flux=False, utterance_s=6.0)
    call.says(ONSET, words("What cars?"), ONSET)
    call.forget()
    call.listen(6.1)
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_a_noise_after_a_take_over_does_not_either() -> None:
    call = successor([Heard("What cars?", 1)])
    call.says(ONSET, words(""))
    call.listen(15.2)

    assert call.connects == 2


def test_a_noise_after_a_functions_answer_does_not_either() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"))
    call.answers("three")
    call.says(ONSET, words(""))
    call.forget()
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


@pytest.mark.parametrize("name", ["nobody_knows_this", "transfer_call"])
def test_a_function_that_is_answered_at_once_leaves_an_answer_owed(name: str) -> None:
    call = talking(tools=("transfer_call",))
    call.says(ONSET, words("Please."), asks(name))
    call.forget()
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_a_number_that_was_collected_leaves_an_answer_owed() -> None:
    call = collecting(count=2)
    press(call, "47")
    call.forget()
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_nothing_is_owed_while_keys_are_awaited() -> None:
    call = collecting(count=4)
    call.says(ONSET, words("Hold on."))
    call.forget()
    call.listen(7.9)
    assert injected(call) == []

    press(call, "4711")
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_what_the_agent_takes_back_leaves_an_answer_owed() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"), takes_back("look"))
    call.forget()
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_a_caller_who_speaks_as_it_is_taken_back_does_not_wait() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"), ONSET, takes_back("look"))
    call.forget()
    call.speak_up(10)
    assert injected(call) == []

    call.says(words(""))
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_a_caller_who_speaks_as_a_function_answers_does_not_wait() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"), ONSET)
    call.answers("three")
    call.forget()
    call.speak_up(16)

    assert injected(call) == []
    assert call.connects == 1


def test_a_sentence_without_sound_is_no_answer() -> None:
    call = talking()
    call.says(ONSET, words("What cars?"), sentence("Three."))
    call.forget()
    call.listen(4.1)

    assert injected(call) == ["One moment, please."]


def test_the_agents_own_one_moment_is_an_answer() -> None:
    call = talking()
    call.says(ONSET, words("What cars?"), sentence("One moment, please."), b"\x20" * 8000, DONE)
    call.forget()
    call.listen(20)

    assert injected(call) == []
    assert call.connects == 1


def test_nobody_is_moved_who_is_owed_an_answer() -> None:
    call = successor([Heard("What cars?", 1)])
    call.listen(1)

    assert not call.conversation.quiet.is_moment


# -- a number that does not come ----------------------------------------------


def test_a_caller_who_talks_instead_of_pressing_is_not_waited_for() -> None:
    call = collecting(count=4, idle_s=10.0)
    call.listen(8.5)
    call.says(sentence("Please enter it."), b"\x20" * 800, DONE)
    call.says(ONSET, words("I have none."), sentence("All right."), b"\x20" * 800, DONE)
    call.listen(1)

    assert call.conversation.quiet.is_moment


def test_a_caller_who_walks_off_is_parted_from() -> None:
    call = collecting(count=4)
    call.listen(8.5)
    call.says(sentence("Please enter it."), b"\x20" * 800, DONE)
    call.listen(62)

    assert call.conversation.quiet.is_moment


def test_who_asks_twice_is_answered_twice() -> None:
    call = collecting(count=4)
    call.says(asks_with("collect_digits", "t2", count=2))
    press(call, "47")
    told = [(e["id"], e["content"]) for e in call.told() if e["type"] == "FunctionCallResponse"]

    assert [call_id for call_id, _ in told] == ["t1", "t2"]
    assert told[1] == ("t2", '{"digits": "47"}')


def test_a_sensitive_number_stays_hidden_from_a_successor() -> None:
    first = talking(tools=("end_call", "collect_digits"))
    first.says(ONSET, words("Pay."), asks_with("collect_digits", count=4, sensitive=True))
    press(first, "47")
    log = first.log()
    call = successor(log)
    call.forget()
    press(call, "11")
    call.wait(1.6)

    assert [each.digit for each in log if isinstance(each, Typed)] == ["", ""]
    assert len(call.forgotten) == 2
    news = call.log()
    assert [each.digit for each in news if isinstance(each, Typed)] == ["", ""]
    assert [each.digits for each in news if isinstance(each, Pressed)] == ["(masked)"]
    assert ["ask for them again" in each for each in injected(call)] == [True]


def paying(*, waits_s: float = 1.0) -> Driver:
    """A call whose agent waits for a number that nobody may read."""
    call = talking(tools=("end_call", "collect_digits"))
    call.says(ONSET, words("Pay."), asks_with("collect_digits", "t1", count=4, sensitive=True))
    call.listen(waits_s)
    return call


def talks_first() -> Driver:
    call = paying(waits_s=9)
    call.says(ONSET, words("Hold on, my card."), sentence("Sure."), DONE)
    return call


def is_cancelled() -> Driver:
    call = paying()
    call.says('{"type":"FunctionCallCancelled","functions":[{"id":"t1","name":"collect_digits"}]}')
    call.listen(20)
    return call


def loses_its_agent() -> Driver:
    call = paying()
    call.loses_agent("closed 1006")
    call.says(WELCOME, APPLIED)
    call.listen(9)
    return call


def takes_its_time() -> Driver:
    return paying(waits_s=80)


def loses_its_worker() -> Driver:
    first = talks_first()
    return successor(first.log())


@pytest.mark.parametrize(
    "made", [paying, talks_first, is_cancelled, loses_its_agent, takes_its_time, loses_its_worker]
)
def test_a_sensitive_number_is_masked_however_late_it_comes(made: Callable[[], Driver]) -> None:
    call = made()
    call.forget()
    press(call, "4711")
    call.wait(1.6)
    log = call.log()

    assert [each.digit for each in log if isinstance(each, Typed)] == [""] * 4
    assert "4711" not in str(log)
    assert len(call.forgotten) == 4
    told = [*injected(call), *(each.content for each in log if isinstance(each, ToolAnswered))]
    assert told


def test_the_number_after_it_is_anybodys() -> None:
    call = talks_first()
    press(call, "4711")
    call.wait(1.6)
    call.forget()
    press(call, "2#")

    assert [each.digits for each in entries(call, Pressed)] == ["2"]


def test_a_sensitive_number_that_its_agent_did_not_answer_is_told_to_the_next() -> None:
    call = talks_first()
    press(call, "4711")
    call.wait(1.6)
    call.loses_agent("closed 1006")
    log = call.log()
    call.forget()
    call.says(WELCOME, APPLIED)

    assert ["4711" in each for each in injected(call)] == [True]
    assert "4711" not in str(log)


def test_one_that_nobody_has_any_more_is_asked_for_again() -> None:
    first = talks_first()
    press(first, "4711")
    first.wait(1.6)
    call = successor([Heard("Pay.", 1), *first.log()])

    assert ["ask for them again" in each for each in injected(call)] == [True]


def test_a_number_that_is_asked_for_anew_in_its_midst_stays_masked() -> None:
    call = talks_first()
    call.forget()
    press(call, "47")
    call.says(asks_with("collect_digits", "t2", count=4))
    press(call, "11")

    log = call.log()
    assert [each.content for each in log if isinstance(each, ToolAnswered)] == ["(masked)"]


def test_half_a_number_is_no_answer() -> None:
    first = talks_first()
    press(first, "47")
    call = successor([Heard("Pay.", 1), *first.log()], tools=("collect_digits",))
    call.says(asks_with("collect_digits", "t2", count=4, sensitive=True))
    call.forget()
    press(call, "11#")

    (answer,) = (each for each in call.told() if each["type"] == "FunctionCallResponse")
    assert "ask for them again" in answer["content"]


def test_a_number_that_answered_its_agent_is_told_to_the_next() -> None:
    call = paying()
    press(call, "4711")
    call.loses_agent("closed 1006")
    log = call.log()
    call.forget()
    call.says(WELCOME, APPLIED)

    (tool,) = (each["function_calls"][0] for each in call.context() if "function_calls" in each)
    assert tool["response"] == '{"digits": "4711"}'
    assert "4711" not in str(log)
    (tool,) = (
        each["function_calls"][0]
        for each in fold([(0, each) for each in [Heard("Pay.", 1), *log]], {}).messages
        if "function_calls" in each
    )
    assert "ask for them again" in tool["response"]


def test_waiting_does_not_take_back_what_was_typed() -> None:
    first = collecting(count=3)
    press(first, "12")
    log = [Heard("Pay.", 1), ToolAsked("t1", "collect_digits", '{"count": 3}', 1, 1), *first.log()]
    log.append(
        ToolAnswered(
            "t1",
            "collect_digits",
            '{"status": "waiting: the caller has not pressed the keys yet, they will follow"}',
            2,
        )
    )

    assert fold([(0, each) for each in log], {}).typed == "12"


# -- keys and lines in the wrong moment ---------------------------------------


def test_a_key_in_silence_does_not_close_the_gate() -> None:
    call = talking()
    call.says(ONSET, words("What cars?"))
    call.caller(Digit("#", call.clock))
    call.forget()
    call.says(sentence("Three."), b"\x20" * 8000)

    assert call.heard_by_phone() == b"\x20" * 8000


def test_a_function_s_filler_is_not_said_over_the_caller() -> None:
    call = own("look", filler="Let me see.")
    call.says(ONSET, words("Look."), asks("look"), ONSET)
    call.forget()
    call.listen(3, LOUD_FRAME)

    assert injected(call) == []


@pytest.mark.parametrize("news", [[words("")], []], ids=["noise", "quiet"])
def test_it_is_said_after_a_cough_and_once(news: list[str]) -> None:
    call = own("look", filler="Let me see.", utterance_s=1.0)
    call.says(ONSET, words("Look."), asks("look"), ONSET)
    call.forget()
    call.speak_up(2)
    assert injected(call) == []
    call.says(*news)
    call.listen(1.6)
    assert injected(call) == ["Let me see."]

    call.says(ONSET, words(""))
    call.listen(3)
    assert injected(call) == []


@pytest.mark.parametrize("confirmed", [[words("Look.")], []], ids=["in a later turn", "in its own"])
def test_it_is_said_some_time_after_the_callers_words(confirmed: list[str]) -> None:
    call = own("look", filler="Let me see.")
    call.says(ONSET, *confirmed, asks("look"), *[ONSET] * len(confirmed))
    call.speak_up(2)
    call.says(words("The red ones."))
    call.forget()
    call.listen(1.4)
    assert injected(call) == []

    call.listen(0.2)

    assert injected(call) == ["Let me see."]


def test_the_hold_line_is_not_said_over_the_caller() -> None:
    call = successor([Heard("What cars?", 1)])
    call.says(ONSET)
    call.forget()
    call.listen(4, LOUD_FRAME)

    assert call.heard_by_phone() == b""


def test_what_waits_for_a_second_agent_is_not_said_twice() -> None:
    call = talking()
    call.loses_agent("closed 1011")
    press(call, "7#")
    call.loses_agent("closed 1011")
    call.wait(1)
    call.forget()
    call.says(WELCOME, APPLIED)

    assert sum("pressed 7" in each for each in injected(call)) == 1


def test_a_second_agent_that_asks_the_same_is_answered_too() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks_with("look", "a"))
    call.loses_agent("closed 1011")
    call.says(WELCOME, APPLIED, asks_with("look", "b"))
    call.forget()
    call.answers("three")

    assert [(e["type"], e.get("id")) for e in call.told()] == [("FunctionCallResponse", "b")]


def test_a_cancel_of_something_else_does_not_call_the_end_off() -> None:
    call = own("look")
    call.says(ONSET, words("Bye."), asks("look", "end_call"))
    call.says('{"type":"FunctionCallCancelled","functions":[{"id":"id-look","name":"look"}]}')
    call.says(sentence("Goodbye."), b"\x20" * 800, DONE)
    call.listen(1)

    assert call.over == "agent ended the call"


# -- a phone that seemed gone -------------------------------------------------


def test_what_was_said_while_the_phone_seemed_gone_is_heard_when_it_is_there() -> None:
    call = talking()
    call.listen(1)
    call.wait(5.1)
    call.conversation.look(call.now)
    call.forget()
    call.says(sentence("Hello?"), b"\x20" * 8000, DONE)
    assert call.phone() == []

    call.frame(LOUD_FRAME)

    assert call.heard_by_phone() == b"\x20" * 8000


def test_an_interruption_while_it_seemed_gone_clears_it() -> None:
    call = talking()
    call.says(sentence("A long sentence."), b"\x20" * 80000)
    call.listen(1)
    call.wait(5.1)
    call.conversation.look(call.now)
    call.forget()
    call.says(ONSET)
    call.frame(LOUD_FRAME)

    assert call.phone() == [Clear()]


def test_a_silent_phone_is_made_up_for_after_a_new_agent_came_too() -> None:
    call = talking()
    call.listen(1)
    call.loses_agent("closed 1011")
    call.wait(3)
    call.says(WELCOME, APPLIED)
    call.forget()
    call.wait(4)

    assert sum(map(len, call.agent())) > 1.5 * 8000


def test_idle_prompts_come_after_an_interrupted_wait() -> None:
    call = talking(idle_s=10.0, uses_flux=False)
    call.says(ONSET, words("What cars?"), sentence("Three."), b"\x20" * 8000, DONE, ONSET)
    call.forget()
    idle(call, 25)

    assert "Are you still there?" in injected(call)
