"""An answer that the caller is owed: a line, then a new agent session, then the polite end."""

from shared.record import Configured, Heard, Said, Trouble
from tests.worker.driver import (
    APOLOGY_SOUND,
    APPLIED,
    DONE,
    HOLD_SOUND,
    LOUD_FRAME,
    ONSET,
    WELCOME,
    Driver,
    asks,
    entries,
    sentence,
    talking,
    words,
)
from worker.owed import Due, Owed

FILLER = {"type": "InjectAgentMessage", "message": "One moment, please.", "behavior": "queue"}


def asked() -> Driver:
    call = talking()
    call.says(ONSET, words("What cars do you have?"))
    call.forget()
    return call


def test_slow_thinking_gets_one_line_after_four_seconds() -> None:
    call = asked()
    call.listen(3.9)
    assert call.told() == []

    call.listen(10)

    assert call.told() == [FILLER]
    assert call.connects == 1


def test_the_line_is_the_bridges_own_and_still_an_answer_is_owed() -> None:
    call = asked()
    call.listen(4.1)
    call.forget()
    call.says(sentence("One moment, please."), b"\x20" * 8000, DONE)
    call.listen(10.5)
    assert entries(call, Said)[0].behavior == "bridge"
    assert call.connects == 1

    call.listen(0.6)

    assert call.connects == 2


def test_after_a_filler_of_the_agents_own_an_answer_is_still_owed() -> None:
    call = asked()
    call.listen(1)
    call.says(sentence("Let me see.", "filler"), b"\x20" * 8000, DONE)
    call.listen(14.1)

    assert call.connects == 2


def test_with_nothing_after_fifteen_seconds_the_next_agent_is_asked_the_same() -> None:
    call = asked()
    call.listen(15.1)
    assert call.connects == 2

    call.forget()
    call.says(WELCOME, APPLIED)

    assert [each["type"] for each in call.told()] == ["Settings", "InjectUserMessage"]


def test_an_agent_that_does_not_answer_either_is_the_last() -> None:
    call = asked()
    call.listen(15.1)
    call.says(WELCOME, APPLIED)
    call.forget()
    call.listen(15.1)

    assert call.heard_by_phone().endswith(HOLD_SOUND + APOLOGY_SOUND)
    call.listen(2)
    assert call.over == "agent failed"


def test_an_agent_that_answers_is_owed_nothing_more() -> None:
    call = asked()
    call.listen(3)
    call.says(sentence("Three."), b"\x20" * 8000, DONE)
    call.listen(30)

    assert call.told() == []
    assert call.connects == 1


def test_a_function_under_way_is_no_slow_thinking() -> None:
    call = talking(own_tools={"look": ""})
    call.says(ONSET, words("Look it up."), asks("look"))
    call.forget()
    call.listen(30)
    assert call.told() == []

    call.answers("three")
    call.listen(4.1)

    assert [each["type"] for each in call.told()] == ["FunctionCallResponse", "InjectAgentMessage"]


def test_a_caller_who_speaks_again_does_not_wait() -> None:
    call = asked()
    call.listen(3)
    call.says(ONSET)
    call.listen(10, LOUD_FRAME)

    assert call.told() == []


def test_a_noise_does_not_take_the_question_back() -> None:
    call = asked()
    call.says(ONSET)
    call.listen(1)
    call.says(words(""))
    call.forget()
    call.listen(4.1)

    assert call.told() == [FILLER]


def test_nobody_is_owed_an_answer_who_asked_nothing() -> None:
    call = talking()
    call.listen(60)

    assert call.told() == []
    assert call.connects == 1


def test_what_is_injected_for_a_lost_agents_turn_is_owed_too() -> None:
    call = asked()
    call.loses_agent("closed 1011")
    call.says(WELCOME, APPLIED)
    call.listen(15.1)

    assert call.connects == 3


def test_an_utterance_that_comes_to_nothing_is_closed() -> None:
    """Else a later successor would listen again from its onset."""
    call = talking(uses_flux=False, utterance_s=6.0)
    call.says(ONSET)
    call.speak_up(0.5)
    call.listen(5.9)
    assert entries(call, Heard) == []

    call.listen(0.2)

    assert [each.text for each in entries(call, Heard)] == [""]


def test_the_machine_alone() -> None:
    owed = Owed()
    assert owed.look(0.0) == (None, None)
    assert owed.begin(10.0) == 14.0
    assert owed.look(14.0) == (Due.FILLER, 25.0)
    assert owed.look(25.0) == (Due.RENEW, None)
    owed.begin(30.0)
    owed.look(34.0)
    assert owed.look(45.0) == (Due.GIVE_UP, None)
    owed.answered()
    owed.begin(50.0)
    owed.look(54.0)
    assert owed.look(65.0) == (Due.RENEW, None)


def test_the_trouble_is_in_the_log() -> None:
    call = asked()
    call.listen(15.1)
    assert [(each.code, each.fatal) for each in entries(call, Trouble)] == [("no answer", False)]

    call.says(WELCOME, APPLIED)
    assert len(entries(call, Configured)) == 1
