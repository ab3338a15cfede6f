"""A call's sides: an agent that gets ready, a phone that comes, goes and comes back.

What is said has its own modules: `test_turns`, `test_ending`.
"""

import pytest

from shared import record
from shared.messages import Audio, Detached, Ended, Mark
from shared.sound import SILENCE, SILENT_FRAME
from tests.worker.driver import (
    APPLIED,
    DONE,
    LOUD_FRAME,
    ONSET,
    SETTINGS,
    WELCOME,
    Driver,
    entries,
    sentence,
    talking,
)
from worker.terms import State

FORCE_END_TURN = {"type": "ForceEndTurn"}


def pieces(count: int, mulaw: bytes = b"\x20") -> list[str | bytes]:
    """Sound as it comes: pieces of 120 ms."""
    return [mulaw * 960] * count


# -- the agent gets ready -----------------------------------------------------


def test_nothing_is_sent_before_welcome() -> None:
    call = Driver()
    call.attach()
    call.listen(0.1)

    assert call.agent() == []


def test_settings_answer_welcome_once() -> None:
    call = Driver()
    call.says(WELCOME, WELCOME)

    assert call.agent() == [SETTINGS]
    assert call.conversation.state is State.CONFIGURING


def test_the_settings_in_force_are_logged() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED)

    assert call.log() == [record.Configured(SETTINGS, "r-1")]
    assert call.conversation.state is State.TALKING


def test_a_value_of_the_environment_is_sent_and_not_logged() -> None:
    settings = '{"agent": {"think": {"endpoint": {"headers": {"key": "${env:LLM_KEY}"}}}}}'
    call = Driver(settings=settings, variables={"LLM_KEY": "s3cret"})
    call.says(WELCOME, APPLIED)

    assert call.told()[0]["agent"]["think"]["endpoint"]["headers"] == {"key": "s3cret"}
    assert call.log() == [record.Configured(settings, "r-1")]


def test_settings_applied_out_of_turn_is_nothing() -> None:
    call = Driver()
    call.says(APPLIED)
    assert call.conversation.state is State.CONNECTING

    call.says(WELCOME, APPLIED, APPLIED)

    assert len(entries(call, record.Configured)) == 1


def test_what_the_caller_says_before_settings_applied_follows_it_in_order() -> None:
    call = Driver()
    call.attach()
    said: list[str | bytes] = [bytes([number]) * 160 for number in range(10)]
    for each in said[:5]:
        call.frame(each)  # type: ignore[arg-type]
    call.says(WELCOME)
    for each in said[5:]:
        call.frame(each)  # type: ignore[arg-type]
    assert call.agent() == [SETTINGS]

    call.says(APPLIED)
    call.wait(0.1)

    assert call.agent() == said


def test_it_follows_at_twice_the_speed_of_speech_and_what_he_says_then_behind_it() -> None:
    call = Driver()
    call.attach()
    call.says(WELCOME)
    call.speak_up(2)
    call.forget()

    call.says(APPLIED)
    call.speak_up(1)

    assert 100 <= len(call.agent()) <= 102
    call.speak_up(1.1)
    assert len(call.told()) == 0
    call.frame(LOUD_FRAME)
    assert call.agent() == [LOUD_FRAME]


def test_of_what_he_says_before_that_a_minute_is_kept() -> None:
    call = Driver()
    call.attach()
    call.says(WELCOME)
    for _ in range(3100):
        call.frame(LOUD_FRAME)
    call.forget()

    call.says(APPLIED)
    call.wait(31)
    given = call.agent()

    assert given[:3000] == [LOUD_FRAME] * 3000
    assert LOUD_FRAME not in given[3000:]


def test_his_frames_go_through_as_they_come() -> None:
    call = talking()
    call.frame(LOUD_FRAME)

    assert call.agent() == [LOUD_FRAME]


def test_frames_that_twilio_left_out_are_put_back_as_silence() -> None:
    call = talking()
    call.frame(LOUD_FRAME)
    call.clock += 5000
    call.frame(LOUD_FRAME)

    assert call.agent() == [LOUD_FRAME, SILENCE * 40_000, LOUD_FRAME]


def test_at_most_ten_seconds_are_put_back() -> None:
    call = talking()
    call.frame()
    call.clock += 60_000
    call.frame()

    assert call.agent() == [SILENT_FRAME, SILENCE * 80_000, SILENT_FRAME]


@pytest.mark.parametrize("answers", [(), (WELCOME,)])
def test_an_agent_that_does_not_get_ready_is_lost_after_five_seconds(
    answers: tuple[str, ...],
) -> None:
    call = Driver()
    call.says(*answers)
    call.wait(4.9)
    assert entries(call, record.Trouble) == []

    call.wait(0.2)

    assert entries(call, record.Trouble) == [
        record.Trouble("agent", "agent not ready", fatal=False)
    ]


def test_an_agent_that_is_ready_is_not_lost() -> None:
    call = talking()
    call.wait(60)

    assert entries(call, record.Trouble) == []


# -- ringing ------------------------------------------------------------------


def test_while_no_phone_is_attached_the_agent_is_fed_silence_in_real_time() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED)
    call.forget()
    call.wait(10)

    fed = call.agent()

    assert set(fed) == {SILENCE * 320}
    assert len(fed) == pytest.approx(250, abs=1)


def test_a_late_tick_is_made_up_for() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED)
    call.forget()
    call.now += 0.4
    call.wait(0.6)

    assert len(call.agent()) == pytest.approx(25, abs=1)


def test_a_very_late_tick_is_not() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED)
    call.forget()
    call.now += 20
    call.wait(1)

    assert len(call.agent()) == pytest.approx(25, abs=2)


def test_before_settings_applied_nothing_is_fed() -> None:
    call = Driver()
    call.wait(1)
    call.says(WELCOME)
    call.wait(1)

    assert call.agent() == [SETTINGS]


def test_with_a_phone_that_gives_sound_nothing_is_fed() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED)
    call.wait(1)
    call.attach()
    call.forget()
    call.listen(5, LOUD_FRAME)

    assert call.agent() == [LOUD_FRAME] * 250


def test_a_phone_that_gives_no_sound_is_made_up_for_in_real_time() -> None:
    """Redis is away, or its edge has died: an agent that hears nothing at all hangs up."""
    call = talking()
    call.frame(LOUD_FRAME)
    call.forget()
    call.wait(5)

    assert sum(map(len, call.agent())) == pytest.approx(3 * 8000, abs=320)


def test_silence_that_was_fed_is_not_put_in_again_for_the_frames_that_are_missing() -> None:
    call = talking()
    call.frame(LOUD_FRAME)
    call.wait(5)
    call.forget()
    call.clock += 5000
    call.frame(LOUD_FRAME)

    assert sum(map(len, call.agent())) == pytest.approx(2 * 8000, abs=320 + 160)


def test_the_greeting_is_held_until_the_phone_is_there_and_then_goes_down_at_once() -> None:
    call = Driver()
    call.says(WELCOME, APPLIED, sentence("Hello, how are you today?"), *pieces(6), DONE)
    call.wait(20)
    assert call.phone() == []

    call.attach()

    assert call.phone() == [
        Audio(b"\x20" * 960),
        Mark("m-1"),
        *[Audio(b"\x20" * 960)] * 5,
        Mark("m-2"),
    ]


def test_a_phone_that_does_not_come_ends_the_call() -> None:
    call = Driver(ring_s=33.0)
    call.says(WELCOME, APPLIED)
    call.wait(32.9)
    assert call.over == ""

    call.wait(0.2)

    assert call.over == "phone did not come"
    assert call.phone() == [Ended("phone did not come")]


def test_a_phone_that_came_in_time_stays() -> None:
    call = talking()
    call.wait(300)

    assert call.over == ""


# -- the phone goes and comes back --------------------------------------------


def test_a_lost_phone_is_waited_for() -> None:
    call = talking()
    call.caller(Detached("socket closed 1006"))
    call.wait(9.9)
    assert call.over == ""

    call.wait(0.2)

    assert call.over == "phone lost"


def test_a_lost_phone_of_a_bare_bin_is_the_end() -> None:
    call = talking(has_webhook=False)
    call.detach()

    assert call.over == "phone lost"


def test_the_agent_is_fed_while_the_phone_is_away_and_not_after() -> None:
    call = talking()
    call.detach()
    call.wait(2)
    assert len(call.agent()) == pytest.approx(50, abs=1)

    call.attach()
    call.forget()
    call.listen(20, LOUD_FRAME)

    assert call.agent() == [LOUD_FRAME] * 1000
    assert call.over == ""


def test_a_phone_that_comes_back_is_sent_what_was_not_confirmed_once() -> None:
    call = talking()
    call.says(sentence("One two three."), *pieces(12), DONE)
    call.listen(0.8)  # past the second mark
    call.detach()
    call.says(sentence("Four."), *pieces(2), DONE)
    call.forget()

    call.attach()

    assert len(call.heard_by_phone()) == (14 - 6) * 960
    call.listen(3)
    assert not call.is_playing
    assert call.heard_by_phone() == b""


def test_what_was_cleared_is_not_sent_to_the_phone_that_comes_back() -> None:
    call = talking()
    call.says(sentence("One two three."), *pieces(12))
    call.listen(0.3)
    call.says(ONSET)
    call.detach()
    call.forget()
    call.attach()

    assert call.phone() == []


def test_the_call_goes_on_as_before_on_the_new_stream() -> None:
    call = talking()
    call.listen(5)
    call.detach()
    call.wait(1)
    call.attach()
    call.forget()
    call.frame(LOUD_FRAME)
    call.says(sentence("Yes?"), *pieces(1), DONE)

    assert call.agent() == [LOUD_FRAME]
    assert call.phone() == [Audio(b"\x20" * 960), Mark("m-1")]
    assert call.conversation.up == 1


def test_when_the_caller_hangs_up_it_is_over() -> None:
    call = talking()
    call.caller(Ended("caller hung up"))

    assert call.over == "caller hung up"
    assert call.log()[-1] == record.Over("caller hung up", 1)


def test_when_twilio_says_so_it_is_over_too() -> None:
    call = Driver()
    call.conversation.hung_up("completed")

    assert call.conversation.take().over == "completed"


def test_a_phone_that_falls_silent_without_a_word_is_waited_for_then_given_up() -> None:
    """Its edge died: nobody is left to say so."""
    call = talking()
    call.listen(1.0)
    call.conversation.look(call.now + 4.9)
    call.wait(20.0)
    assert call.over == ""

    call.conversation.look(call.now)
    call.wait(10.1)

    assert call.over == "phone lost"


def test_a_phone_that_was_missed_and_speaks_again_is_as_before() -> None:
    call = talking()
    call.listen(1.0)
    call.wait(6.0)
    call.conversation.look(call.now)
    call.listen(12.0)
    call.forget()
    call.says(sentence("Are you there?"), b"\x20" * 800)

    assert call.over == ""
    assert call.heard_by_phone() == b"\x20" * 800
