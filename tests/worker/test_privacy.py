"""Sensitive passages and numbers: what the agent hears, and what nobody reads later."""

import json

import pytest

from shared import record
from shared.messages import Audio, Digit, Hush
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
    words,
)
from tests.worker.test_functions import asks_with
from worker.changes import Pause, Resume
from worker.terms import Inherited

SOUND = b"\x11" * 800


def paused() -> Driver:
    """A call in a sensitive passage."""
    call = talking(own_tools={"pay": ""}, tools=("collect_digits",))
    call.change(Pause())
    call.forget()
    return call


# -- what the log has ---------------------------------------------------------------


def test_a_passage_begins_and_ends_in_the_log() -> None:
    call = talking()
    call.change(Pause(), "o 1")
    call.change(Pause(), "o 2")
    call.change(Resume(), "o 3")

    assert call.log() == [record.Paused(0), record.Resumed(0)]
    assert call.outcomes == [("o 1", ""), ("o 2", ""), ("o 3", "")]


def test_words_functions_and_keys_are_not_in_the_log() -> None:
    call = paused()
    call.says(ONSET, words("My card is 4111 2222."), asks_with("pay", card="41112222"))
    call.answers("paid 41112222")
    call.says(sentence("I have 4111 2222."), SOUND, DONE)
    for digit in "4711#":
        call.caller(Digit(digit, call.clock))
    log = call.log()

    assert not any("1" in getattr(e, n, "") for e in log for n in ("text", "content", "digits"))
    assert [e.text for e in log if isinstance(e, record.Heard)] == ["(not recorded)"]
    assert [e.arguments for e in log if isinstance(e, record.ToolAsked)] == ["{}"]
    assert [e.digits for e in log if isinstance(e, record.Pressed)] == ["(masked)"]
    assert {e.digit for e in log if isinstance(e, record.Typed)} == {""}


def test_the_function_itself_gets_what_the_log_does_not() -> None:
    call = paused()
    call.says(ONSET, words("Pay."), asks_with("pay", card="41112222"))

    assert json.loads(call.runs[0].arguments) == {"card": "41112222"}


def test_a_new_agent_session_of_the_same_worker_knows_what_was_said() -> None:
    call = paused()
    call.says(ONSET, words("My card is 4111."), sentence("Thank you."), SOUND, DONE)
    call.listen(0.5)
    call.loses_agent("closed 1011")
    call.says(WELCOME)

    assert call.context()[0]["content"] == "My card is 4111."


def test_a_successor_goes_on_in_the_passage_and_does_not_run_a_function_again() -> None:
    call = paused()
    call.says(ONSET, words("Pay."), asks_with("pay", "a", card="41112222"))
    call.answers("paid")
    log: list[record.Entry] = [
        record.Attached("MZ1", "edge-1"),
        record.Configured(SETTINGS, "r"),
        record.Paused(0),
    ]
    inherited = Inherited(log=[(0, each) for each in [*log, *call.log()]])

    successor = Driver(inherited=inherited, own_tools={"pay": ""})
    successor.attach()
    successor.says(WELCOME, APPLIED, asks_with("pay", "b", card="41112222"))

    assert successor.runs == []
    successor.says(ONSET, words("4111"))
    assert [each.text for each in entries(successor, record.Heard)] == ["(not recorded)"]


# -- what the bus has ---------------------------------------------------------------


def test_the_agent_s_sound_goes_down_behind_a_hush_until_the_passage_is_over() -> None:
    call = paused()
    call.says(sentence("Your card?"), SOUND)
    hushed = call.sent_down()
    call.change(Resume())
    call.says(SOUND)

    lengths = [len(each.mulaw) for each in hushed if isinstance(each, Audio)]
    assert [each.length for each in hushed if isinstance(each, Hush)] == [*lengths, 0]
    assert not any(isinstance(each, Hush) for each in call.sent_down())


def test_sound_of_a_passage_that_another_phone_is_sent_again_is_hushed_again() -> None:
    call = paused()
    call.says(sentence("Your card?"), SOUND)
    call.change(Resume())
    call.detach()
    call.forget()
    call.attach()

    assert any(isinstance(each, Hush) for each in call.sent_down())


def test_so_is_what_waits_for_a_phone_that_seemed_gone() -> None:
    call = paused()
    call.wait(5.1)
    call.beat()
    call.says(sentence("Your card?"), SOUND)
    call.change(Resume())
    call.beat()
    assert call.sent_down() == []

    call.frame()

    down = call.sent_down()
    sounds = [number for number, each in enumerate(down) if isinstance(each, Audio)]
    assert sounds
    assert all(isinstance(down[number - 1], Hush) for number in sounds)


def test_the_caller_s_frames_are_deleted_once_nobody_needs_to_listen_to_them_again() -> None:
    call = paused()
    call.listen(3)
    call.beat()
    assert call.forgotten == list(range(1, 51))

    call.says(ONSET)
    call.listen(2)
    call.beat()
    assert len(call.forgotten) == 50  # who takes over listens to the whole utterance

    call.says(words("4111"))
    call.change(Resume())
    call.listen(1)
    call.beat()
    assert call.forgotten == list(range(1, 251))


def test_what_no_agent_has_had_yet_stays_for_the_next() -> None:
    call = paused()
    call.listen(1)
    call.loses_agent("closed 1006")
    call.listen(4, LOUD_FRAME)
    call.beat()
    assert call.forgotten == []

    call.says(WELCOME, APPLIED)
    call.beat()
    assert call.forgotten == []  # it follows at twice the speed of speech

    call.says(ONSET, words("4111"))
    call.listen(4.5)
    call.beat()
    assert call.forgotten == list(range(1, call.sequence - 99))


def test_frames_that_are_read_again_are_deleted_once_and_those_before_the_passage_never() -> None:
    call = talking()
    call.listen(3)
    call.says(ONSET)
    call.change(Pause())
    call.speak_up(2)
    call.loses_agent("closed 1006")
    after = call.listens_after[-1]
    for number in range(after + 1, call.sequence + 1):
        call.conversation.from_caller(number, Audio(LOUD_FRAME, number * 20), call.now)
    call.says(WELCOME, APPLIED, ONSET, words("4111"))
    call.change(Resume())
    call.listen(4)
    call.beat()

    assert after < 150
    assert call.forgotten == list(range(151, 251))


def test_none_of_them_outlives_the_call() -> None:
    call = paused()
    call.listen(1)
    call.detach()
    call.wait(11)

    assert call.over
    assert call.forgotten == list(range(1, 51))


def taken_over(*more: record.Entry) -> Driver:
    """A call whose phone was on in a passage, after entry 100, when its owner died."""
    log = [record.Attached("MZ1", "e"), record.Configured(SETTINGS, "r"), record.Paused(100), *more]
    call = Driver(
        inherited=Inherited(
            log=[(0, each) for each in log],
            down=[Audio(SOUND)],
            cursor=290,
            spoken=[number for number in range(60, 321) if number != 200],
        )
    )
    call.conversation.rejoined(call.now)
    call._take()
    call.sequence = 290
    for _ in range(30):
        call.frame()
    call.says(WELCOME, APPLIED)
    call.listen(1)
    call.beat()
    return call


def test_what_a_dead_owner_has_left_of_a_passage_is_deleted_by_the_next() -> None:
    call = taken_over()

    gone = range(101, call.sequence - 99)
    assert call.forgotten == [number for number in gone if number != 200]


def test_so_is_what_is_left_of_one_that_was_over_by_then() -> None:
    call = taken_over(record.Resumed(250))

    assert call.forgotten == [number for number in range(101, 251) if number != 200]


def test_a_phone_that_leaves_a_stream_leaves_nothing_of_a_passage_there() -> None:
    call = paused()
    call.listen(1)
    call.loses_agent("closed 1006")

    assert call.conversation.forgets() == tuple(range(1, 51))


# -- numbers ------------------------------------------------------------------------


def entered(*, sensitive: bool) -> Driver:
    """A number was collected."""
    call = talking(own_tools={"pay": ""}, tools=("collect_digits",))
    call.says(ONSET, words("Here."), asks_with("collect_digits", sensitive=sensitive))
    for digit in "4711#":
        call.caller(Digit(digit, call.clock))
    call.forget()
    return call


def test_a_sensitive_number_is_masked_wherever_it_turns_up_later() -> None:
    call = entered(sensitive=True)
    call.says(asks_with("pay", "a", card="4711"), asks_with("pay", "b", pin=4711))
    call.answers("paid with 4711", run=0)
    call.says(sentence("I used 4711."), SOUND)
    log = call.log()

    asked = [json.loads(e.arguments) for e in log if isinstance(e, record.ToolAsked)]
    assert asked == [{"card": "(masked)"}, {}]
    assert [e.content for e in log if isinstance(e, record.ToolAnswered)] == ["paid with (masked)"]
    assert [e.text for e in log if isinstance(e, record.Said)] == ["I used (masked)."]
    assert [json.loads(each.arguments) for each in call.runs] == [{"card": "4711"}, {"pin": 4711}]


@pytest.mark.parametrize("said", ["4 7 1 1", "47 11", "4-7-1-1", "4, 7, 1, 1", "47.11", "4. 711"])
def test_it_is_masked_however_it_is_grouped(said: str) -> None:
    call = entered(sensitive=True)
    call.says(sentence(f"I used {said}, of 48 11."), SOUND)

    assert [each.text for each in entries(call, record.Said)] == ["I used (masked), of 48 11."]


def test_any_other_number_is_not() -> None:
    call = entered(sensitive=False)
    call.says(sentence("I have 4711."), SOUND)

    assert [each.text for each in entries(call, record.Said)] == ["I have 4711."]
