"""The rules of talking: who is heard, who is cut off, and what counts as said."""

import pytest

from shared import record
from shared.messages import Audio, Clear, Digit, Dropped, Mark
from tests.worker.driver import (
    APPLIED,
    DONE,
    ONSET,
    SETTINGS,
    WELCOME,
    Driver,
    entries,
    sentence,
    talking,
    words,
)
from worker.terms import State

FORCE_END_TURN = {"type": "ForceEndTurn"}


def pieces(count: int, mulaw: bytes = b"\x20") -> list[str | bytes]:
    """Sound as it comes: pieces of 120 ms."""
    return [mulaw * 960] * count


# -- gate and barge-in --------------------------------------------------------


def test_an_onset_over_unheard_sound_is_a_barge_in_and_clears() -> None:
    call = talking()
    call.says(sentence("Hello, how are you today?"), *pieces(20))
    call.listen(1)
    call.forget()
    call.says(ONSET)

    assert call.phone() == [Clear()]
    assert call.log() == [
        record.Onset(call.sequence - 3, barge_in=True),
        record.Cut(1, 1000, 2400, "Hello, how", call.sequence - 3),
    ]


def test_an_onset_in_silence_clears_too_but_is_no_barge_in() -> None:
    call = talking()
    call.says(sentence("Hi."), *pieces(2), DONE)
    call.listen(0.5)
    call.forget()
    call.says(ONSET)

    assert call.phone() == [Clear()]
    assert call.log() == [record.Onset(27, barge_in=False)]


def test_an_onset_before_anyone_spoke_is_no_barge_in() -> None:
    call = talking()
    call.says(ONSET)

    assert call.log() == [record.Onset(0, barge_in=False)]


def test_late_sound_of_the_cut_turn_is_dropped() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET)
    call.forget()
    call.says(*pieces(3))

    assert call.phone() == []
    assert call.conversation.late_bytes == 3 * 960


def test_the_next_turns_text_lets_its_sound_through() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET)
    call.listen(1)
    call.says(words("Stop."))
    call.forget()
    call.says(sentence("Two."), *pieces(1))

    assert call.phone() == [Audio(b"\x20" * 960), Mark("m-2")]


def test_a_late_text_of_the_cut_turn_opens_nothing_and_was_never_heard() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET)
    call.wait(0.3)
    call.forget()
    call.says(sentence("Two."), *pieces(2))

    assert call.phone() == []
    assert call.log() == [record.Said(2, "Two.", 1, is_late=True), record.Cut(2, 0, 0, "", 1)]


@pytest.mark.parametrize("between", [DONE, words("Stop."), words("")])
def test_a_text_with_a_reason_opens_at_once(between: str) -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET, between)
    call.forget()
    call.says(sentence("Two."), *pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_sound_long_after_the_confirmed_words_comes_through_without_a_text() -> None:
    call = talking()
    call.says(ONSET)
    call.wait(1)
    call.says(words("Stop."))
    call.wait(0.9)
    call.says(*pieces(1))
    assert call.heard_by_phone() == b""

    call.wait(0.2)
    call.says(*pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_echoes_that_the_clear_causes_are_not_hearing() -> None:
    call = talking()
    call.says(sentence("Hello, how are you today?"), *pieces(20))
    call.listen(0.2)
    call.says(ONSET)  # the phone echoes the marks that were left
    call.says(words("Wait."), sentence("Yes?"), *pieces(10))
    call.forget()
    call.says(ONSET)

    assert entries(call, record.Cut) == [record.Cut(2, 0, 1200, "", call.sequence - 2)]


def test_the_greeting_may_be_protected_from_a_hello() -> None:
    call = talking(protects_greeting=True)
    call.says(sentence("Hello, how are you today?"), *pieces(10))
    call.listen(0.3)
    call.forget()
    call.says(ONSET, *pieces(1))

    assert call.heard_by_phone() == b"\x20" * 960
    assert [each.barge_in for each in entries(call, record.Onset)] == [False]


def test_only_the_greeting_is_protected() -> None:
    call = talking(protects_greeting=True)
    call.says(sentence("Hello?"), *pieces(3), ONSET, words("Hi."), sentence("So."), *pieces(9))
    call.forget()
    call.says(ONSET)

    assert call.phone() == [Clear()]


def test_a_greeting_is_protected_to_its_end_though_hello_was_a_turn() -> None:
    call = talking(protects_greeting=True)
    call.says(sentence("Hello, this is Acme, about your order."), b"\x20" * 32_000, DONE)
    call.listen(0.5)
    call.says(ONSET, words("Hello?"))
    call.forget()
    call.says(ONSET)

    assert call.phone() == []


def test_what_is_said_after_the_greeting_is_not_protected() -> None:
    call = talking(protects_greeting=True, idle_s=5)
    call.says(sentence("Hello."), *pieces(3), DONE)
    for _ in range(60):
        call.listen(0.1)
        call.beat()
    call.says(sentence("Are you still there?"), *pieces(30))
    call.listen(0.2)
    call.forget()
    call.says(ONSET)

    assert call.phone() == [Clear()]


# -- turns that never were ----------------------------------------------------


def test_a_cough_is_ended_with_flux_once() -> None:
    call = talking()
    call.speak_up(0.1)
    call.says(ONSET)
    call.listen(1.1)
    assert call.told() == []

    call.listen(3)

    assert call.told() == [FORCE_END_TURN]


def test_each_cough_is_ended_once() -> None:
    call = talking()
    for _ in range(2):
        call.says(ONSET)
        call.listen(2)
        call.says(words(""))

    assert call.told() == [FORCE_END_TURN] * 2


def test_speech_is_not_a_cough() -> None:
    call = talking()
    call.says(ONSET)
    for _ in range(5):
        call.speak_up(0.5)
        call.listen(1)

    assert call.told() == []


def test_a_pause_in_what_the_caller_dictates_is_not_the_end_of_a_cough() -> None:
    call = talking()
    call.says(ONSET)
    call.speak_up(2)
    call.listen(2.5)

    assert call.told() == []


def test_a_turn_that_was_confirmed_is_not_a_cough() -> None:
    call = talking()
    call.says(ONSET, words("Yes."))
    call.listen(3.5)

    assert call.told() == []


def test_without_flux_a_turn_cannot_be_forced() -> None:
    call = talking(uses_flux=False)
    call.says(ONSET)
    call.listen(5)

    assert call.told() == []


def test_a_late_text_of_the_cut_turn_does_not_hide_a_cough() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET)
    call.listen(0.2)
    call.says(sentence("Two."))
    call.listen(2)

    assert call.told() == [FORCE_END_TURN]


def test_a_noise_is_no_turn() -> None:
    call = talking()
    call.says(ONSET, words(""), asks_nothing())
    call.forget()
    call.says(words("Hello there."), words(" "))

    assert call.log() == [record.Heard("Hello there.", 0), record.Heard(" ", 0)]


def asks_nothing() -> str:
    return '{"type":"FunctionCallRequest","functions":[]}'


def test_five_noises_in_a_row_end_the_call_politely() -> None:
    call = talking()
    for _ in range(4):
        call.says(ONSET, words(""))
    call.forget()
    call.says(ONSET, words(""))

    assert call.told() == [
        {"type": "InjectAgentMessage", "message": "Bye now.", "behavior": "queue"}
    ]
    call.says(sentence("Bye now."), *pieces(5), DONE)
    call.listen(1)
    assert call.over == "nobody there"


def test_words_between_begin_the_count_anew() -> None:
    call = talking()
    for said in ["", "", "", "", "Yes.", "", "", "", ""]:
        call.says(ONSET, words(said))

    assert call.told() == []
    assert call.conversation.state is State.TALKING


# -- what was heard -----------------------------------------------------------


def test_a_lull_ends_an_utterance() -> None:
    call = talking()
    call.says(sentence("Hi."), b"\x20" * 1000, b"\x20" * 200)
    call.wait(0.11)
    assert call.phone()[-1] == Audio(b"\x20" * 160)

    call.wait(0.02)

    assert call.phone() == [Audio(b"\x20" * 80 + b"\xff" * 80), Mark("m-2")]


def test_sound_that_keeps_coming_has_no_lull() -> None:
    call = talking()
    call.says(sentence("Hi."), *pieces(1))
    for _ in range(3):
        call.wait(0.1)
        call.says(*pieces(1))

    assert [each for each in call.phone() if isinstance(each, Mark)] == [Mark("m-1")]


def test_a_cut_lull_does_not_mark_what_was_cleared() -> None:
    call = talking()
    call.says(sentence("Hi."), *pieces(3), ONSET)
    call.forget()
    call.wait(1)

    assert call.phone() == []


def test_a_text_without_sound_is_never_heard() -> None:
    call = talking()
    call.says(sentence("Hello."))
    call.listen(5)
    call.forget()
    call.says(ONSET)

    assert entries(call, record.Cut) == [record.Cut(1, 0, 0, "", 250)]


def test_nor_is_one_of_the_agent_after_one_that_was_lost() -> None:
    call = talking()
    call.says(sentence("One with sound."), *pieces(10))
    call.loses_agent("closed 1006")
    call.says(WELCOME, APPLIED)
    call.forget()
    call.says(sentence("Without."), DONE)

    assert [each.sentence for each in entries(call, record.Cut)] == [2]


def test_an_end_that_comes_late_takes_nothing_from_the_next_answer() -> None:
    call = talking()
    call.says(ONSET, words("Hi?"), sentence("One."), *pieces(10), ONSET, words("And?"))
    call.forget()
    call.says(sentence("Two."), DONE, *pieces(10), DONE)

    assert entries(call, record.Cut) == []


def test_marks_that_never_reached_the_phone_are_not_waited_for() -> None:
    call = talking()
    call.says(sentence("Hi."), *pieces(1))
    call.caller(Dropped("m-1"))
    call.forget()
    call.caller(Mark("m-1", 500))
    call.says(ONSET)

    assert entries(call, record.Cut) == [record.Cut(1, 0, 120, "", 2)]


def test_the_answer_is_timed_from_the_confirmed_words_and_the_last_loud_frame() -> None:
    call = talking()
    call.says(ONSET)
    call.speak_up(1)
    call.listen(0.6)
    call.says(words("Hello."))
    call.listen(0.5)
    call.says(sentence("Hi."), *pieces(2))

    assert entries(call, record.Answering) == [record.Answering(500, 1100, 105)]


def test_latencies_are_merged_until_the_agent_is_done() -> None:
    call = talking()
    call.says(
        '{"type":"LatencyReport","ttt_token_latency":0.41}',
        '{"type":"LatencyReport","tts_latency":"0.07"}',
        DONE,
        DONE,
    )

    assert entries(call, record.Latency) == [
        record.Latency({"ttt_token_latency": 0.41, "tts_latency": 0.07}, 0)
    ]


# -- keys ---------------------------------------------------------------------


def press(call: Driver, keys: str) -> None:
    for key in keys:
        call.caller(Digit(key))


def pressed(digits: str) -> dict[str, str]:
    content = f"(The caller pressed {digits} on the keypad.)"
    return {"type": "InjectUserMessage", "content": content}


def test_keys_are_one_number_until_a_pause() -> None:
    call = talking()
    press(call, "12")
    call.wait(1.4)
    press(call, "3")
    call.wait(1.4)
    assert call.told() == []

    call.wait(0.2)

    assert call.told() == [pressed("123")]
    assert entries(call, record.Pressed) == [record.Pressed("123", 3)]


def test_a_hash_ends_a_number_at_once() -> None:
    call = talking()
    press(call, "42#")
    call.wait(5)

    assert call.told() == [pressed("42")]


def test_a_hash_alone_is_no_number() -> None:
    call = talking()
    press(call, "#")
    call.wait(5)

    assert call.told() == []


def test_a_number_has_an_end_though_nobody_pauses() -> None:
    call = talking()
    press(call, "1" * 33)

    assert call.told() == [pressed("1" * 32)]


def test_the_first_key_clears_the_agents_sound_and_the_next_does_not() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3))
    call.forget()
    press(call, "1")
    assert call.phone() == [Clear()]

    press(call, "2")

    assert call.phone() == []


def test_after_a_key_the_menu_does_not_go_on() -> None:
    call = talking()
    call.says(sentence("For sales press one."), *pieces(3))
    press(call, "1")
    call.listen(0.9)
    call.forget()
    call.says(sentence("For service press two."), *pieces(3))
    assert call.heard_by_phone() == b""

    call.listen(1)
    call.says(sentence("Sales it is."), *pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_a_key_that_ends_no_number_lets_nothing_of_a_cut_answer_through() -> None:
    call = talking()
    call.says(sentence("One."), *pieces(3), ONSET)
    call.forget()
    press(call, "#")
    call.says(sentence("Two."), *pieces(3))

    assert call.heard_by_phone() == b""


def test_a_greeting_that_a_key_cuts_is_over() -> None:
    call = talking(protects_greeting=True)
    call.says(sentence("Hello. For sales press one."), *pieces(3))
    press(call, "1#")
    call.says(sentence("Sales it is."), *pieces(30))
    call.listen(0.2)
    call.forget()
    call.says(ONSET)

    assert call.phone() == [Clear()]


def test_a_menu_that_is_over_is_not_what_follows_a_key() -> None:
    call = talking()
    call.says(sentence("For sales press one."), *pieces(3))
    press(call, "1")
    call.says(DONE)
    call.forget()
    call.says(sentence("And your number?"), *pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_the_answer_to_a_number_is_heard() -> None:
    call = talking()
    press(call, "1#")
    call.forget()
    call.says(sentence("One it is."), *pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_a_number_pressed_before_the_agent_is_ready_waits_for_it() -> None:
    call = Driver()
    call.attach()
    press(call, "1#")
    call.says(WELCOME)
    press(call, "2#")
    assert call.agent() == [SETTINGS]

    call.says(APPLIED)

    assert call.told() == [pressed("1"), pressed("2")]


def test_a_key_pressed_early_does_not_silence_the_greeting() -> None:
    call = Driver()
    call.attach()
    press(call, "1")
    call.says(WELCOME, APPLIED, sentence("Hello."), *pieces(1))

    assert len(call.heard_by_phone()) == 960


def test_a_refused_number_is_sent_once_more_after_the_turn() -> None:
    from tests.worker.driver import REFUSED

    call = talking()
    press(call, "1#")
    call.says(ONSET, REFUSED)
    call.forget()
    call.says(words("One."))
    assert call.told() == [pressed("1")]

    call.says(REFUSED, words("I said one."))

    assert call.told() == []


# -- odds and ends ------------------------------------------------------------


def test_a_warning_is_logged() -> None:
    call = talking()
    call.says('{"type":"Warning","code":"SLOW_THINK_REQUEST","description":"..."}')

    assert call.log() == [record.Trouble("agent", "SLOW_THINK_REQUEST", fatal=False)]


def test_what_nobody_knows_is_counted_and_what_is_noted_is_nothing() -> None:
    call = talking()
    call.says('{"type":"Tomorrow"}', '{"type":"AgentThinking","content":"x"}')

    assert call.conversation.unknown == 1
    assert (call.log(), call.phone(), call.agent()) == ([], [], [])


def test_agent_messages_that_may_be_missing_are_not_waited_for() -> None:
    call = talking()
    for number in range(3):
        call.says(ONSET, words("And?"), sentence("Well."), *pieces(2))
        call.listen(1)
        assert len(call.heard_by_phone()) == 1920, number
