"""A conversation outlives its worker: the next one finds all of it on the bus."""

import json
from typing import Any

import pytest

from shared import record
from shared.messages import Audio, Digit, Down, Mark, Sentence
from shared.record import Attached, Entry, Finished, Heard, Lost, Said, Taken
from tests.worker.driver import (
    APOLOGY_SOUND,
    APPLIED,
    LOUD_FRAME,
    SETTINGS,
    WELCOME,
    Driver,
    entries,
    injected,
    sentence,
)
from worker.terms import Inherited

SECOND = b"\x20" * 8000
GO_ON = "(Please go on.)"


def inherited(*log: Entry, **rest: Any) -> Inherited:
    return Inherited([(0, entry) for entry in (Attached("MZ1", "e"), *log)], **rest)


def rejoined(*log: Entry, **rest: Any) -> Driver:
    """A call whose phone was there before its owner."""
    call = Driver(inherited=inherited(*log, **rest))
    call.conversation.rejoined(call.now)
    call._take()
    return call


HELLO: tuple[Entry, ...] = (Taken("w", 1), Said(1, "Hello.", 0), Finished(0))
HELLO_SOUND: tuple[Down, ...] = (Sentence(1), Audio(SECOND), Mark("1-1"))


def test_a_new_owner_goes_on_where_the_former_was() -> None:
    log = (*HELLO, Heard("Hi.", 90), Said(2, "One two three four.", 95), Taken("x", 2))
    down = (*HELLO_SOUND, Sentence(2), Audio(b"\x20" * 4800), Mark("1-2"), Audio(b"\x20" * 960))
    call = rejoined(*log, down=down, echoes=[("1-1", 900)], cursor=120)
    call.forget()
    call.says(WELCOME)

    assert call.listens_after == [120]
    assert [each["content"] for each in call.context()] == ["Hello.", "Hi.", "One two"]
    call.says(APPLIED)
    assert injected(call) == [GO_ON]


def test_a_sentence_whose_sound_had_not_come_was_not_said() -> None:
    log = (*HELLO, Heard("Hi.", 90), Said(2, "One two three four.", 95), Taken("x", 2))
    call = rejoined(*log, down=HELLO_SOUND, echoes=[("1-1", 900)], cursor=120)
    call.says(WELCOME, APPLIED)

    assert injected(call) == ["Hi."]


def test_its_sentences_and_turns_are_numbered_on() -> None:
    call = rejoined(*HELLO, Taken("x", 2), down=HELLO_SOUND, echoes=[("1-1", 900)])
    call.says(WELCOME, APPLIED, sentence("Well?"), SECOND)

    assert entries(call, Said)[-1].sentence == 2
    assert Sentence(2) in call._phone


def test_a_new_owner_closes_what_the_former_left_open_with_a_mark() -> None:
    down = (*HELLO_SOUND, Sentence(2), Audio(SECOND[:960]), Mark("1-2"), Audio(SECOND[:960]))
    call = rejoined(*HELLO, down=down)

    assert call.phone() == [Mark("m-1")]


def test_keys_and_marks_that_the_log_speaks_of_are_skipped() -> None:
    call = rejoined(*HELLO, record.Pressed("7", 130), down=HELLO_SOUND, cursor=100)
    call.says(WELCOME, APPLIED)
    call.forget()
    for sequence in (129, 130, 131):
        call.conversation.from_caller(sequence, Digit("7"), call.now)
    call.wait(2)

    assert [each.digits for each in entries(call, record.Pressed)] == ["7"]


def test_the_settings_in_force_are_those_that_the_former_agent_accepted() -> None:
    settings = '{"type": "Settings", "agent": {"greeting": "Hi.", "language": "de"}}'
    call = rejoined(record.Configured(settings, "r-0"), *HELLO, down=HELLO_SOUND)
    call.says(WELCOME)

    assert call.told()[0]["agent"]["language"] == "de"


def test_the_environment_is_filled_into_settings_and_not_into_what_was_said() -> None:
    settings = '{"agent": {"language": "${env:LLM_KEY}"}}'
    said = (Heard("Tell me ${env:LLM_KEY}.", 90), Said(2, "No.", 95), Finished(95))
    log = (record.Configured(settings, "r-0"), *HELLO, *said)
    past = inherited(*log, down=HELLO_SOUND)
    call = Driver(inherited=past, variables={"LLM_KEY": "s3cret"})
    call.says(WELCOME)

    told = call.told()
    sent = json.dumps(told)
    assert told[0]["agent"]["language"] == "s3cret"
    assert sent.count("s3cret") == 1
    assert "Tell me ${env:LLM_KEY}." in sent


def test_a_greeting_that_no_phone_got_is_said_by_the_next_owner() -> None:
    log = [(0, entry) for entry in (*HELLO, Taken("x", 2))]
    call = Driver(inherited=Inherited(log))
    call.attach()
    call.says(WELCOME)

    assert call.agent() == [SETTINGS]


def unserved(*log: Entry, **rest: Any) -> Driver:
    """A call whose phone came, or came back, when nobody was there."""
    entries = [(0, entry) for entry in (*log, Taken("w2", 2))]
    call = Driver(inherited=Inherited(entries, is_unserved=True, **rest))
    call.attach()
    call.says(WELCOME, APPLIED)
    return call


def test_a_greeting_whose_phone_came_to_nobody_is_said_by_the_next_owner() -> None:
    log = (Taken("w1", 1), Said(1, "Hello.", 0), Attached("MZ1", "e"))
    call = unserved(*log)

    (settings,) = (each for each in call.told() if each["type"] == "Settings")
    assert settings["agent"] == {"greeting": "Hello."}
    assert injected(call) == []
    assert [cut.text for cut in entries(call, record.Cut)] == [""]


def test_what_a_phone_had_not_confirmed_goes_to_the_one_that_came_to_nobody() -> None:
    left = Audio(SECOND * 2)
    down: list[Down] = [Sentence(1), Audio(SECOND[:4000]), Mark("a-1"), left, Mark("a-2")]
    log = (
        Attached("MZ1", "e"),
        Taken("w1", 1),
        Said(1, "Your order is at the door.", 5),
        Finished(6),
        Lost("MZ1", "edge gone"),
        Said(2, "Anything else?", 5000),
        Attached("MZ2", "e"),
    )
    call = unserved(*log, down=down, echoes=[("a-1", 600)])

    assert call.context() == [
        {"type": "History", "role": "assistant", "content": "Your order is at the door."}
    ]
    assert call.heard_by_phone() == left.mulaw
    assert call.listens_after[0] == call.conversation.up == 0


def test_what_was_sent_without_its_last_mark_gets_that_behind_it() -> None:
    down: list[Down] = [Sentence(1), Audio(SECOND[:4000]), Mark("a-1"), Audio(SECOND[:2000])]
    call = unserved(
        Attached("MZ1", "e"), Said(1, "Your order.", 5), Attached("MZ2", "e"), down=down
    )

    assert [type(each) for each in call.phone()] == [Audio, Mark, Audio, Mark]


def test_an_end_under_way_is_gone_on_with_and_needs_no_agent() -> None:
    log = (*HELLO, record.Ending("agent ended the call", 90), Taken("x", 2))
    call = rejoined(*log, down=HELLO_SOUND, echoes=[("1-1", 900)])
    assert call.connects == 0
    call.listen(4.2)

    assert call.over == "agent ended the call"
    assert call.agent() == []


def test_an_end_under_way_waits_for_what_is_still_to_be_heard() -> None:
    log = (*HELLO, record.Ending("agent ended the call", 90), Taken("x", 2))
    call = rejoined(*log, down=HELLO_SOUND)
    call.listen(4.5)
    assert call.over == ""
    call.caller(Mark("1-1", call.clock))

    assert call.over == "agent ended the call"


def poisoned(*taken_ms: int, answered_ms: int = -1) -> Driver:
    log: list[tuple[int, Entry]] = [(0, Attached("MZ1", "e"))]
    log += [(at, Taken("w", at)) for at in taken_ms]
    log.append((answered_ms, Finished(0)))
    log.sort(key=lambda entry: entry[0])
    call = Driver(inherited=Inherited(log, HELLO_SOUND, [("1-1", 900)]))
    call.conversation.rejoined(call.now)
    call._take()
    return call


def test_a_call_that_three_takeovers_did_not_survive_ends_politely() -> None:
    call = poisoned(0, 9000, 18_000, 27_000)
    assert call.connects == 0
    assert call.heard_by_phone() == APOLOGY_SOUND

    call.listen(1.2)

    assert call.over == "agent failed"


@pytest.mark.parametrize(("answered_ms", "is_over"), [(8999, True), (9001, False), (26_999, False)])
def test_an_answer_between_take_overs_shows_that_the_call_kills_nobody(
    answered_ms: int, *, is_over: bool
) -> None:
    assert (poisoned(0, 9000, 18_000, 27_000, answered_ms=answered_ms).connects == 0) == is_over


@pytest.mark.parametrize("taken_ms", [(0, 9000, 18_000), (0, 9000, 18_000, 28_000)])
def test_fewer_or_slower_are_bad_luck(taken_ms: tuple[int, ...]) -> None:
    assert poisoned(*taken_ms).connects == 1


def test_a_phone_that_says_nothing_to_its_new_owner_is_gone() -> None:
    call = rejoined(*HELLO, down=HELLO_SOUND)
    call.says(WELCOME, APPLIED)
    call.wait(9.9)
    assert call.over == ""

    call.wait(0.2)

    assert call.over == "phone lost"


def test_nor_does_what_it_had_said_before_prove_that_it_is_there() -> None:
    call = rejoined(*HELLO, down=HELLO_SOUND)
    for _ in range(100):
        call.frame(LOUD_FRAME)
    call.wait(10)

    assert call.over == "phone lost"


@pytest.mark.parametrize("reattach_s", [0.0, 1.0])
def test_however_short_the_grace_a_phone_that_goes_on_is_there(reattach_s: float) -> None:
    call = Driver(inherited=inherited(*HELLO, down=HELLO_SOUND), reattach_s=reattach_s)
    call.conversation.rejoined(call.now)
    call._take()
    call.says(WELCOME, APPLIED)
    call.listen(10)

    assert call.over == ""


def test_a_phone_that_goes_on_is_there() -> None:
    call = rejoined(*HELLO, down=HELLO_SOUND)
    call.says(WELCOME, APPLIED)
    call.listen(30)

    assert call.over == ""


def test_a_call_that_ended_and_rings_anew_ends_in_the_log_again() -> None:
    log = (record.Taken("w", 1), record.Over("phone did not come"), record.Taken("x", 2))
    call = Driver(inherited=inherited(*log), is_takeover=False)
    call.attach()
    call.conversation.hung_up("caller hung up")
    call._take()

    assert entries(call, record.Over) == [record.Over("caller hung up", 0)]


def test_a_call_whose_end_was_logged_is_not_ended_twice() -> None:
    call = rejoined(*HELLO, record.Over("caller hung up"), down=HELLO_SOUND)
    call.conversation.hung_up("caller hung up")
    call._take()

    assert call.over == "caller hung up"
    assert entries(call, record.Over) == []
