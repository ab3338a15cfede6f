"""An answering machine takes the call: it is told the message to its end, and nothing else."""

import json
from dataclasses import replace

import pytest

from shared import record
from shared.causes import Cause
from shared.messages import Audio, Clear, Ended, Mark
from shared.record import AnsweredBy, Ending, Entry, Over, Said, Taken
from shared.sound import SILENT_FRAME
from tests.worker.driver import (
    APPLIED,
    DONE,
    FATAL,
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
from worker.changes import Pause, Say, Update
from worker.history import fold
from worker.machine import GREETS_AT_MOST_S
from worker.terms import Inherited, State

MESSAGE = "This is Ann's garage. Your car is ready."
SOUND = b"\x20" * 16000  # two seconds
BEEP = "machine_end_beep"
SETTINGS = json.dumps(
    {
        "type": "Settings",
        "agent": {
            "greeting": "Hello.",
            "context": {"messages": []},
            "think": {"prompt": "You sell cars.", "functions": [{"name": "end_call"}]},
        },
    }
)


def answered(by: str = BEEP, **terms: str) -> Driver:
    """A call whose agent speaks to a machine, when Twilio says so."""
    call = talking(**{"settings": SETTINGS, "voicemail": MESSAGE, **terms})
    call.says(sentence("Hello."), SOUND)
    call.listen(0.5)
    call.forget()
    call.conversation.answered(by, call.now)
    call._take()
    return call


def has_told(call: Driver) -> None:
    """The machine's own agent comes, and says the message."""
    call.wait(0.01)
    call.says(WELCOME, APPLIED, sentence(MESSAGE), SOUND, DONE)


def log(*rows: Entry) -> Inherited:
    return Inherited(log=[(number, row) for number, row in enumerate(rows, 1)])


def test_what_was_meant_for_a_person_is_taken_back_and_its_agent_goes() -> None:
    call = talking(settings=SETTINGS, voicemail=MESSAGE)
    call.says(sentence("Hello."), SOUND)
    call.listen(0.5)
    call.forget()
    call.conversation.answered(BEEP, call.now)
    effects = call.conversation.take()

    assert effects.phone == [Clear()]
    assert effects.disconnect
    assert [type(entry) for entry in effects.log] == [record.Cut]  # the edge has logged who it is
    assert call.conversation.state is State.CONNECTING


def test_the_message_is_the_greeting_of_a_session_that_can_do_nothing_else() -> None:
    call = answered()
    has_told(call)

    settings = next(each for each in call.told() if each["type"] == "Settings")
    assert settings["agent"] == {"greeting": MESSAGE, "think": {"prompt": "You sell cars."}}
    assert call.heard_by_phone().startswith(SOUND)


def test_the_call_ends_when_the_message_has_been_heard_and_not_before() -> None:
    call = answered()
    has_told(call)

    call.listen(1.9)
    assert call.over == ""
    call.listen(0.3)

    assert call.over == Cause.ANSWERING_MACHINE
    assert call.phone()[-1] == Ended(Cause.ANSWERING_MACHINE)
    logged = call.log()
    assert [row.text for row in logged if isinstance(row, Said)] == [MESSAGE]
    assert isinstance(logged[-1], Over)


def test_a_long_message_is_not_cut_short() -> None:
    call = answered(voicemail="A word. " * 60)
    call.wait(0.01)
    call.says(WELCOME, APPLIED, sentence("A word. " * 60), b"\x20" * 8000 * 30, DONE)

    call.listen(29.5)
    assert call.over == ""
    call.listen(1)
    assert call.over == Cause.ANSWERING_MACHINE


def test_whatever_the_machine_says_the_agent_hears_silence() -> None:
    call = answered()
    call.wait(0.01)
    call.says(WELCOME, APPLIED)
    call.speak_up(1)

    sound = [each for each in call.agent() if isinstance(each, bytes)]
    assert sound
    assert set(b"".join(sound)) == set(SILENT_FRAME)


def test_there_is_no_barge_in() -> None:
    call = answered()
    has_told(call)
    call.forget()

    call.says(ONSET)
    call.listen(0.5)
    call.says(words("Please leave a message after the tone"))

    assert Clear() not in call.phone()
    call.listen(2)
    assert call.over == Cause.ANSWERING_MACHINE


def test_late_answers_of_the_former_agent_are_not_for_a_machine() -> None:
    call = answered()

    call.says(sentence("Shall I tell you of our cars?"), SOUND, asks("end_call"))

    assert call.phone() == [Clear(), *_marks(call)]
    assert entries(call, Said) == []


def _marks(call: Driver) -> list[Mark]:
    return [each for each in call.phone() if isinstance(each, Mark)]


@pytest.mark.parametrize(("by", "message"), [(BEEP, ""), ("fax", MESSAGE), ("fax", "")])
def test_with_nothing_to_say_or_nobody_to_say_it_to_the_phone_is_put_down(
    by: str, message: str
) -> None:
    call = answered(by, voicemail=message)

    assert call.over == Cause.ANSWERING_MACHINE
    assert call.phone() == [Clear(), Ended(Cause.ANSWERING_MACHINE)]
    assert call.connects == 1  # the one that spoke


@pytest.mark.parametrize("by", [BEEP, "machine_end_silence", "machine_end_other"])
def test_a_machine_that_has_greeted_is_told_at_once(by: str) -> None:
    call = answered(by)

    call.wait(0.01)

    assert call.connects == 2


def test_a_machine_that_still_greets_is_told_when_it_has_been_quiet_for_a_while() -> None:
    call = answered("machine_start")
    call.speak_up(5)
    call.listen(1.9)
    call.speak_up(0.5)
    call.listen(1.9)
    assert call.connects == 1
    call.listen(0.2)
    assert call.connects == 2
    call.listen(3)  # it is told once
    assert call.connects == 2


def test_a_machine_that_never_ceases_to_greet_is_talked_over() -> None:
    call = answered("machine_start")

    call.listen(GREETS_AT_MOST_S - 1, LOUD_FRAME)
    assert call.connects == 1
    call.listen(2, LOUD_FRAME)

    assert call.connects == 2


def test_told_twice_it_is_the_same_machine() -> None:
    call = answered()
    has_told(call)
    call.conversation.answered("machine_end_other", call.now)
    call._take()

    call.listen(1)
    assert call.connects == 2
    assert call.over == ""


@pytest.mark.parametrize("by", [BEEP, "machine_start"])
def test_neither_words_nor_changes_are_for_a_machine(by: str) -> None:
    call = answered(by)
    call.change(Say("Are you still interested?"), "o 1")
    call.change(Update("prompt", "He is a member."), "o 2")
    call.change(Pause(), "o 3")
    call.listen(2.1)
    call.says(WELCOME, APPLIED)

    assert [each["type"] for each in call.told()] == ["Settings"]
    refusal = "an answering machine has taken the call"
    assert call.outcomes == [("o 1", refusal), ("o 2", refusal), ("o 3", "")]


def test_nor_are_those_that_were_under_way() -> None:
    call = Driver(settings=SETTINGS, voicemail=MESSAGE)
    call.attach()
    call.change(Say("Are you still interested?"), "o 1")
    call.change(Update("prompt", "He is a member."), "o 2")
    call.conversation.answered(BEEP, call.now)
    call._take()
    has_told(call)

    assert [each["type"] for each in call.told()] == ["Settings"]
    assert {refusal for _, refusal in call.outcomes} == {"an answering machine has taken the call"}


def test_a_transfer_under_way_is_called_off() -> None:
    call = talking(
        settings=SETTINGS, voicemail=MESSAGE, tools=("transfer_call",), transfers={"a": "+1555"}
    )
    request = json.loads(asks("transfer_call"))
    request["functions"][0]["arguments"] = '{"target": "a"}'
    call.says(words("Hello?"), json.dumps(request))
    assert call.conversation.state is State.ENDING

    call.conversation.answered(BEEP, call.now)
    call._take()
    has_told(call)
    call.listen(3)

    assert (call.over, call.transfer) == (Cause.ANSWERING_MACHINE, "")


def test_an_agent_that_fails_ends_the_call_without_an_apology() -> None:
    call = answered()
    call.wait(0.01)
    call.forget()
    call.says(WELCOME, FATAL)

    assert call.over == Cause.ANSWERING_MACHINE
    assert not [each for each in call.phone() if isinstance(each, Audio)]


def test_an_agent_that_does_not_come_is_not_excused_with_a_hold_line() -> None:
    call = answered()
    for _ in range(20):
        call.listen(0.5)
        call.loses_agent("1006")

    assert call.over == Cause.ANSWERING_MACHINE
    assert not [each for each in call.phone() if isinstance(each, Audio)]


def test_a_successor_begins_the_message_anew() -> None:
    heard = (Taken("w1", 1), record.Heard("You have reached Bob.", 4), Said(1, "Hello.", 5))
    call = Driver(
        inherited=log(*heard, AnsweredBy(BEEP), Said(2, MESSAGE, 7), Taken("w2", 2)),
        settings=SETTINGS,
        voicemail=MESSAGE,
    )
    call.attach()
    has_told(call)
    told = call.told()
    call.listen(2.2)

    assert [each["type"] for each in told] == ["Settings"]
    assert told[0]["agent"]["greeting"] == MESSAGE
    assert "context" not in told[0]["agent"]
    assert call.over == Cause.ANSWERING_MACHINE


def test_a_successor_hears_the_greeting_to_its_end() -> None:
    past = log(Taken("w1", 1), AnsweredBy("machine_start"), Taken("w2", 2))
    call = Driver(inherited=replace(past, cursor=70), settings=SETTINGS, voicemail=MESSAGE)
    call.conversation.rejoined(call.now)
    call._take()
    assert call.listens_after == [70]

    call.speak_up(12)
    assert call.over == ""
    call.listen(2.1)

    assert call.connects == 1


def test_a_successor_of_one_that_has_told_it_all_only_waits_for_the_end() -> None:
    past = (
        AnsweredBy(BEEP),
        Said(1, MESSAGE, 7),
        Ending(Cause.ANSWERING_MACHINE, 8),
        Taken("w2", 2),
    )
    call = Driver(inherited=log(Taken("w1", 1), *past), settings=SETTINGS, voicemail=MESSAGE)
    call.attach()
    call.listen(5)

    assert call.connects == 0
    assert call.over == Cause.ANSWERING_MACHINE


def test_a_successor_without_a_message_hangs_up() -> None:
    call = Driver(inherited=log(Taken("w1", 1), AnsweredBy(BEEP), Taken("w2", 2)))

    assert call.over == Cause.ANSWERING_MACHINE


@pytest.mark.parametrize("by", ["human", "unknown"])
def test_a_person_in_the_log_changes_nothing(by: str) -> None:
    said: list[tuple[int, Entry]] = [(1, record.Heard("Hello?", 4)), (2, AnsweredBy(by))]

    assert fold(said, {}).machine == ""
    assert fold(said, {}).owed == "Hello?"
