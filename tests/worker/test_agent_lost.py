"""An agent that is lost is apologized for; and of a call that is over nothing comes."""

from math import inf

import pytest

from shared import record
from shared.messages import Audio, Digit, Ended, Mark
from tests.worker.driver import (
    APOLOGY,
    APOLOGY_SOUND,
    APPLIED,
    DONE,
    FATAL,
    LOUD_FRAME,
    ONSET,
    REFUSED,
    SETTINGS,
    WELCOME,
    Driver,
    asks,
    ending,
    sentence,
    takes_back,
    talking,
    words,
)
from worker.terms import Line, State

SECOND = b"\x20" * 8000


# -- the agent is lost --------------------------------------------------------


def test_a_lost_agent_is_apologized_for_and_the_apology_is_heard() -> None:
    call = talking()
    call.says(FATAL)

    assert call.phone() == [Audio(b"\x55" * 4000), Mark("m-1"), Audio(b"\x55" * 4000), Mark("m-2")]
    assert call.log() == [
        record.Trouble("agent", "INVALID_SETTINGS", fatal=True),
        record.Said(1, APOLOGY, 0, "bridge"),
    ]
    call.listen(0.96)
    assert call.over == ""
    call.listen(0.2)
    assert call.over == "agent failed"


@pytest.mark.parametrize("answers", [(), (WELCOME,), (WELCOME, APPLIED)])
def test_lost_in_whichever_state_the_caller_is_told(answers: tuple[str, ...]) -> None:
    call = Driver()
    call.attach()
    call.says(*answers)
    call.loses_agent("http 401")
    assert call.heard_by_phone() == APOLOGY_SOUND

    call.listen(1.2)

    assert call.over == "agent failed"


def test_an_apology_of_any_length_goes_out_in_whole_frames() -> None:
    call = talking(apology=Line(APOLOGY, b"\x55" * 1000))
    call.says(FATAL)

    assert call.heard_by_phone() == b"\x55" * 1000 + b"\xff" * 120


def test_an_apology_without_sound_is_over_at_once() -> None:
    call = talking(apology=Line(APOLOGY, b""))
    call.says(FATAL)
    call.wait(0.01)

    assert call.over == "agent failed"


def test_an_apology_goes_behind_what_the_agent_had_said() -> None:
    call = talking()
    call.says(sentence("Let me see."), SECOND, FATAL)
    call.listen(1.9)
    assert call.over == ""
    assert call.heard_by_phone() == SECOND + APOLOGY_SOUND

    call.listen(0.2)

    assert call.over == "agent failed"


def test_an_apology_is_heard_though_the_caller_has_just_cut_in() -> None:
    call = talking()
    call.says(sentence("So."), SECOND, ONSET)
    call.forget()
    call.says(FATAL)

    assert call.heard_by_phone() == APOLOGY_SOUND


def test_nothing_that_a_lost_agent_still_sends_is_heard_or_said() -> None:
    call = talking()
    call.says(FATAL)
    call.forget()
    call.says(SECOND, sentence("I am back."), SECOND, ONSET, words("What is it?"), asks("fly"))

    assert (call.phone(), call.log(), call.agent()) == ([], [], [])
    assert call.conversation.state is State.ENDING


def test_an_agent_is_lost_only_once() -> None:
    call = talking()
    call.says(FATAL)
    call.forget()
    call.loses_agent("closed 1000")

    assert (call.phone(), call.log()) == ([], [])


def test_a_lost_agent_is_told_nothing_more() -> None:
    call = talking()
    call.says(FATAL)
    call.forget()
    call.listen(0.5, LOUD_FRAME)
    for key in "12#":
        call.caller(Digit(key))

    assert call.agent() == []


def test_a_key_does_not_cut_the_apology_short() -> None:
    call = talking()
    call.says(FATAL)
    call.caller(Digit("1"))
    call.listen(0.9)

    assert call.over == ""


@pytest.mark.parametrize("ringing", [1.0, 14.5, 20.0])
def test_an_agent_lost_while_it_rings_is_apologized_for_when_the_phone_comes(
    ringing: float,
) -> None:
    call = Driver()
    call.loses_agent("http 401")
    call.wait(ringing)
    assert call.phone() == []

    call.attach()

    assert call.heard_by_phone() == APOLOGY_SOUND
    call.listen(0.9)
    assert call.over == ""
    call.listen(0.3)
    assert call.over == "agent failed"


def test_an_agent_that_never_gets_ready_is_apologized_for() -> None:
    call = Driver()
    call.attach()
    call.says(WELCOME)
    call.listen(15.8)
    assert call.heard_by_phone().endswith(APOLOGY_SOUND)

    call.says(APPLIED)
    call.listen(1.2)

    assert call.over == "agent failed"
    assert call.agent() == [SETTINGS]


def test_a_phone_that_never_comes_to_hear_the_apology_ends_the_call() -> None:
    call = Driver()
    call.loses_agent("http 401")
    call.wait(30.1)

    assert call.over == "phone did not come"


def test_an_agent_lost_in_its_goodbye_is_heard_out() -> None:
    call = ending()
    call.says(sentence("Goodbye!"), SECOND)
    call.loses_agent()
    call.listen(0.9)
    assert call.over == ""

    call.listen(0.3)

    assert call.over == "agent ended the call"
    assert APOLOGY_SOUND not in call.heard_by_phone()


def test_an_agent_lost_before_its_goodbye_does_not_leave_the_caller_in_silence() -> None:
    call = ending()
    call.loses_agent()
    call.listen(0.2)

    assert call.over == "agent ended the call"


def test_the_hold_line_is_not_said_into_the_goodbye_of_the_next_agent() -> None:
    call = talking()
    call.says(ONSET, words("Bye."), sentence("Goodbye!"), SECOND)
    call.loses_agent("closed 1006")
    call.forget()
    call.says(WELCOME, APPLIED, asks("end_call"))
    call.listen(3.9)

    assert call.heard_by_phone() == b""


def test_an_agent_lost_while_the_phone_is_away_is_apologized_for_on_its_return() -> None:
    call = talking()
    call.detach()
    call.loses_agent()
    call.wait(9)
    call.attach()

    assert call.heard_by_phone() == APOLOGY_SOUND
    call.listen(1.2)
    assert call.over == "agent failed"


# -- over ---------------------------------------------------------------------


def over(cause: str) -> Driver:
    """A call that ended, by one of its ways."""
    call = ending() if cause == "goodbye" else talking()
    call.says(sentence("Goodbye!"), SECOND)
    if cause == "goodbye":
        call.says(DONE)
        call.listen(1.2)
    elif cause == "agent failed":
        call.says(FATAL)
        call.listen(3)
    else:
        call.caller(Ended("caller hung up"))
    assert call.over
    call.forget()
    return call


@pytest.mark.parametrize("cause", ["goodbye", "agent failed", "hang-up"])
def test_nothing_after_the_end_has_any_effect(cause: str) -> None:
    call = over(cause)
    why = call.over
    for message in (WELCOME, APPLIED, ONSET, words("Wait, one more thing."), sentence("Yes?")):
        call.says(message)
    call.says(SECOND, DONE, asks("end_call"), takes_back("end_call"), REFUSED, FATAL)
    call.frame(LOUD_FRAME)
    call.caller(Digit("#"))
    call.caller(Digit("1"))
    call.caller(Mark("m-1", 99_000))
    call.detach()
    call.attach()
    call.loses_agent()
    call.caller(Ended("again"))
    call.conversation.hung_up("again")
    call.wait(60)

    assert (call.phone(), call.agent(), call.log()) == ([], [], [])
    assert (call.over, call.conversation.state) == (why, State.OVER)
    assert call.conversation.deadline == inf


def test_what_came_before_the_end_in_the_same_batch_is_still_done() -> None:
    call = talking()
    call.conversation.from_caller(1, Digit("1"), call.now)
    call.conversation.from_caller(2, Ended("caller hung up"), call.now)

    effects = call.conversation.take()

    assert effects.phone[-1] == Ended("caller hung up")
    assert effects.over == "caller hung up"
    assert call.conversation.take().over == "caller hung up"
