"""Functions, and the goodbye: said, heard, and then nothing more."""

import pytest

from shared import record
from shared.messages import Digit, Ended
from tests.worker.driver import (
    DONE,
    GOODBYE,
    ONSET,
    REFUSED,
    asks,
    ending,
    entries,
    sentence,
    takes_back,
    talking,
    words,
)
from worker.terms import State
from worker.tools import key_of

OK = '{"ok": true}'
NO_SUCH = '{"error": "there is no such function"}'
INJECTED = {"type": "InjectAgentMessage", "message": GOODBYE, "behavior": "queue"}
SECOND = b"\x20" * 8000


def answer(name: str, content: str) -> dict[str, str]:
    return {
        "type": "FunctionCallResponse",
        "id": f"id-{name}",
        "name": name,
        "content": content,
    }


# -- functions ----------------------------------------------------------------


def test_an_unknown_function_is_answered_with_an_error() -> None:
    call = talking()
    call.says(words("Fly."), asks("fly"))

    assert call.told() == [answer("fly", NO_SUCH)]
    assert call.log()[1:] == [
        record.ToolAsked("id-fly", "fly", "{}", 1, 0, key=key_of("", 1, "fly", "{}")),
        record.ToolAnswered("id-fly", "fly", NO_SUCH, 0),
    ]


def test_every_function_of_a_request_is_answered() -> None:
    call = talking()
    call.says(asks("fly", "end_call", "swim"))

    assert call.told() == [
        answer("fly", NO_SUCH),
        answer("end_call", OK),
        answer("swim", NO_SUCH),
    ]


def test_a_function_that_deepgram_calls_itself_is_none_of_ours() -> None:
    call = talking()
    call.says(asks("end_call", client_side=False))

    assert (call.told(), call.conversation.state) == ([], State.TALKING)


def test_end_call_is_a_function_only_where_the_agent_file_says_so() -> None:
    call = talking(tools=())
    call.says(asks("end_call"))

    assert call.told() == [answer("end_call", NO_SUCH)]
    assert call.conversation.state is State.TALKING


def test_a_cancelled_function_is_logged() -> None:
    call = talking()
    call.says(asks("fly"), takes_back("fly"))

    assert [each.id for each in entries(call, record.ToolCancelled)] == ["id-fly"]


# -- the goodbye --------------------------------------------------------------


def test_end_call_is_answered_at_once() -> None:
    call = talking()
    call.says(asks("end_call"))

    assert call.told() == [answer("end_call", OK)]
    assert call.conversation.state is State.ENDING
    assert call.over == ""


def test_the_goodbye_is_heard_to_its_last_mark() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, DONE)
    call.listen(0.96)
    assert call.over == ""

    call.listen(0.06)

    assert call.over == "agent ended the call"
    assert call.phone()[-1] == Ended("agent ended the call")


def test_a_goodbye_of_two_sentences_is_heard_to_its_end() -> None:
    call = ending()
    call.says(sentence("Thank you."), SECOND)
    call.listen(1.1)
    call.says(sentence("Goodbye!"), SECOND, DONE)
    call.listen(0.9)
    assert call.over == ""

    call.listen(0.2)

    assert call.over == "agent ended the call"


def test_a_goodbye_without_audio_done_ends_a_little_later() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND)
    call.listen(2)
    assert call.over == ""

    call.listen(0.4)

    assert call.over == "agent ended the call"


def test_a_goodbye_whose_marks_do_not_come_back_ends_at_the_cap() -> None:
    call = ending()
    call.never_echoes = True
    call.says(sentence("Goodbye!"), SECOND, DONE)
    call.listen(14.9)
    assert call.over == ""

    call.listen(0.3)

    assert call.over == "agent ended the call"


def test_what_was_said_before_end_call_counts_when_nothing_follows() -> None:
    call = talking()
    call.says(words("Bye."), sentence("Goodbye!"), SECOND, asks("end_call"), DONE)
    call.forget()
    call.listen(3.9)
    assert call.over == ""

    call.listen(0.3)

    assert call.over == "agent ended the call"
    assert call.told() == []


def test_sound_of_the_turn_before_is_no_goodbye() -> None:
    call = talking()
    call.says(sentence("How are you?"), SECOND, DONE, words("Bye."), asks("end_call"))
    call.listen(5)

    assert call.over == ""
    assert INJECTED in call.told()


def test_without_a_word_the_agent_files_goodbye_is_injected() -> None:
    call = ending()
    call.listen(3.9)
    assert call.told() == []
    call.listen(0.3)
    assert call.told() == [INJECTED]

    call.says(sentence(GOODBYE), SECOND, DONE)
    call.listen(1.1)

    assert call.over == "agent ended the call"


def test_with_no_goodbye_at_all_it_ends_four_seconds_later() -> None:
    call = ending()
    call.listen(7.9)
    assert call.over == ""

    call.listen(0.5)

    assert call.over == "agent ended the call"
    assert call.told() == [INJECTED]


def test_a_goodbye_right_behind_an_onset_is_heard() -> None:
    call = talking()
    call.says(sentence("So."), SECOND, ONSET, asks("end_call"))
    call.forget()
    call.says(sentence("Goodbye!"), SECOND)

    assert call.heard_by_phone() == SECOND


def test_the_caller_does_not_silence_the_goodbye() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND)
    call.forget()
    call.says(ONSET, words("Bye bye now."), SECOND, DONE)
    assert call.heard_by_phone() == SECOND
    assert [each.barge_in for each in entries(call, record.Onset)] == [False]

    call.listen(2.1)

    assert call.over == "agent ended the call"


def test_a_key_does_not_silence_the_goodbye() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND)
    call.forget()
    call.caller(Digit("1"))

    assert call.phone() == []


def test_more_than_three_words_call_the_end_off() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, DONE, ONSET, words("Wait, one more thing."))
    call.says(sentence("Yes?"), SECOND, DONE)
    call.listen(30)

    assert call.over == ""
    assert call.conversation.state is State.TALKING


def test_after_that_the_caller_interrupts_as_ever() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, words("Wait, one more thing."))
    call.says(sentence("Yes?"), SECOND)
    call.listen(0.5)
    call.forget()
    call.says(ONSET, SECOND)

    assert len(call.phone()) == 1
    assert [each.barge_in for each in entries(call, record.Onset)] == [True]


def test_and_the_call_can_be_ended_again() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, words("Wait, one more thing."))
    call.listen(10)
    call.says(words("That was it."), asks("end_call"), sentence("Bye!"), SECOND, DONE)
    call.listen(1.1)

    assert call.over == "agent ended the call"


def test_an_end_that_the_agent_takes_back_is_none() -> None:
    call = ending()
    call.says(ONSET, takes_back("end_call"))
    call.listen(30)

    assert call.over == ""
    assert call.conversation.state is State.TALKING


def test_a_second_end_call_is_answered_and_changes_nothing() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, asks("end_call"), DONE)
    assert call.told() == [answer("end_call", OK)]

    call.listen(1.1)

    assert call.over == "agent ended the call"


def test_a_goodbye_that_the_phone_missed_is_sent_to_it_when_it_comes_back() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, DONE)
    call.detach()
    call.wait(9)
    call.attach()
    call.listen(0.9)
    assert call.over == ""

    call.listen(0.2)

    assert call.over == "agent ended the call"


def test_a_goodbye_without_a_phone_ends_when_the_phone_is_given_up() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND, DONE)
    call.detach()
    call.wait(10.1)

    assert call.over == "phone lost"


def test_a_bin_call_that_hangs_up_in_the_goodbye_is_over_at_once() -> None:
    call = ending(has_webhook=False)
    call.says(sentence("Goodbye!"), SECOND)
    call.detach()

    assert call.over == "phone lost"


# -- refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        REFUSED,
        '{"type":"InjectionRefused"}',
        '{"type":"Warning","code":"INJECT_AGENT_MESSAGE_DURING_USER_SPEECH","description":""}',
    ],
)
@pytest.mark.parametrize("turn", ["Hm.", ""])
def test_a_refused_goodbye_is_tried_once_more_after_the_turn(refusal: str, turn: str) -> None:
    call = ending()
    call.listen(4.2)
    call.says(ONSET, refusal, DONE)
    assert call.told() == [INJECTED]
    call.listen(5)
    assert call.over == ""

    call.says(words(turn))
    assert [each for each in call.told() if each != {"type": "ForceEndTurn"}] == [INJECTED]
    call.says(sentence(GOODBYE), SECOND, DONE)
    call.listen(1.1)

    assert call.over == "agent ended the call"


def test_a_second_refusal_is_the_last() -> None:
    call = ending()
    call.listen(4.2)
    call.says(ONSET, REFUSED, words("Hm."), ONSET, REFUSED, words("Hm."))
    assert call.told() == [INJECTED] * 2

    call.listen(4.3)

    assert call.over == "agent ended the call"


def test_refused_for_the_agents_own_turn_it_is_tried_after_that() -> None:
    call = ending()
    call.listen(4.2)
    call.forget()
    call.says('{"type":"Warning","code":"INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"}')
    assert call.told() == []

    call.says(DONE)

    assert call.told() == [INJECTED]


def test_a_goodbye_that_was_called_off_is_not_tried_again() -> None:
    call = ending()
    call.listen(4.2)
    call.says(ONSET, REFUSED)
    call.forget()
    call.says(words("Wait, one more thing."), DONE, ONSET, words("Hello?"))

    assert call.told() == []
    assert call.conversation.state is State.TALKING


def test_a_refusal_of_nothing_is_nothing() -> None:
    call = talking()
    call.says(REFUSED, words("Hm."), DONE)

    assert call.told() == []
