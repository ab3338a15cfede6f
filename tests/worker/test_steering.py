"""Changes in mid-call: what the agent is told, what is in force, what who asked is told."""

import json
from typing import Any

import pytest

from shared import record
from sim.agent.protocol import parse
from sim.agent.settings import Settings
from tests.worker.driver import (
    APPLIED,
    DONE,
    ONSET,
    REFUSED,
    WELCOME,
    Driver,
    ending,
    entries,
    sentence,
    talking,
    words,
)
from worker import deepgram
from worker.changes import Resume, Say, Update, applied, voice
from worker.terms import Inherited

FUNCTIONS = [{"name": "end_call"}]
SETTINGS = json.dumps(
    {
        "type": "Settings",
        "agent": {
            "think": {"provider": {"model": "a"}, "prompt": "Sell.", "functions": FUNCTIONS},
            "speak": {"provider": {"model": "v"}},
            "greeting": "Hello.",
        },
    }
)
PROMPT = Update("prompt", "He is a member.")
PROMPT_UPDATED = '{"type":"PromptUpdated"}'
SPEAK_UPDATED = '{"type":"SpeakUpdated"}'
BAD_VOICE = '{"type":"Error","code":"INVALID_SETTINGS","description":"..."}'


def steered() -> Driver:
    return talking(settings=SETTINGS)


def settings_told(call: Driver) -> dict[str, Any]:
    """The agent block that an agent was configured with last."""
    agent: dict[str, Any] = [e for e in call.told() if e["type"] == "Settings"][-1]["agent"]
    return agent


def log_so_far(call: Driver) -> Inherited:
    """What a successor finds."""
    return Inherited(log=[(0, entry) for entry in call.log()])


# -- changes of the settings --------------------------------------------------------


def test_a_change_is_sent_and_in_the_log_once_it_is_acknowledged() -> None:
    call = steered()
    call.change(PROMPT, "o 1")

    assert call.told() == [{"type": "UpdatePrompt", "prompt": "He is a member."}]
    assert entries(call, record.Updated) == []
    assert call.outcomes == []

    call.says(PROMPT_UPDATED)

    assert entries(call, record.Updated) == [record.Updated("prompt", "He is a member.", 0)]
    assert call.outcomes == [("o 1", "")]


def test_the_next_agent_session_has_it() -> None:
    call = steered()
    call.change(PROMPT)
    call.change(voice("flux-kit-en"))
    call.says(PROMPT_UPDATED, SPEAK_UPDATED)
    call.loses_agent("closed 1011")
    call.forget()
    call.says(WELCOME)

    agent = settings_told(call)
    assert agent["think"]["prompt"] == "Sell.\nHe is a member."
    assert agent["speak"]["provider"] == {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-kit-en",
    }


def test_so_has_a_successor_and_what_was_not_acknowledged_it_has_not() -> None:
    call = Driver(settings=SETTINGS)
    call.attach()
    call.says(WELCOME, APPLIED)
    call.change(PROMPT)
    call.says(PROMPT_UPDATED)
    call.change(voice("aura-2-thalia-en"))

    successor = Driver(inherited=log_so_far(call), settings=SETTINGS)
    successor.says(WELCOME)

    agent = settings_told(successor)
    assert agent["think"]["prompt"] == "Sell.\nHe is a member."
    assert agent["speak"] == {"provider": {"model": "v"}}


def test_another_think_block_keeps_the_prompt_and_the_functions_unless_it_has_its_own() -> None:
    call = steered()
    call.change(Update("think", '{"provider": {"model": "b"}}'))
    call.change(Update("think", '[{"provider": {"model": "b"}, "prompt": "Be short."}]'))

    bare, own = (each["think"] for each in call.told())
    assert bare == {"provider": {"model": "b"}, "prompt": "Sell.", "functions": FUNCTIONS}
    assert own == [{"provider": {"model": "b"}, "prompt": "Be short.", "functions": FUNCTIONS}]


def test_a_prompt_is_appended_to_each_block_that_one_falls_back_on() -> None:
    two = json.dumps({"agent": {"think": [{"prompt": "A."}, {"provider": {}}]}})

    think = json.loads(applied(two, "prompt", "B."))["agent"]["think"]

    assert [each["prompt"] for each in think] == ["A.\nB.", "B."]


def test_a_prompt_makes_no_think_block_which_without_a_provider_would_be_refused() -> None:
    without = deepgram.settings({"greeting": "Hello."}, {})

    assert isinstance(parse(applied(without, "prompt", "B.")), Settings)


@pytest.mark.parametrize(
    ("settings", "what", "content"),
    [("", "prompt", "A."), ("{}", "prompt", "A."), (SETTINGS, "speak", "not JSON")],
)
def test_an_update_that_makes_no_sense_changes_nothing(
    settings: str, what: str, content: str
) -> None:
    assert applied(settings, what, content) == settings


def test_what_a_change_says_is_data_and_what_it_keeps_is_filled_in() -> None:
    settings = SETTINGS.replace("Sell.", "Sell ${env:WHAT}.")
    call = talking(settings=settings, variables={"WHAT": "cars", "KEY": "secret"})
    call.change(Update("prompt", "He said ${env:KEY}."))
    call.change(Update("think", '{"provider": {"model": "b"}}'))
    prompt, think = call.told()
    assert prompt["prompt"] == "He said ${env:KEY}."
    assert think["think"]["prompt"] == "Sell cars."

    call.says(PROMPT_UPDATED)
    call.loses_agent("closed 1011")
    call.says(WELCOME)

    assert settings_told(call)["think"]["prompt"] == "Sell cars.\nHe said ${env:KEY}."


def test_a_change_waits_for_an_agent() -> None:
    call = Driver(settings=SETTINGS)
    call.change(PROMPT, "o 1")
    call.says(WELCOME)
    assert [each["type"] for each in call.told()] == ["Settings"]

    call.says(APPLIED, PROMPT_UPDATED)

    assert [each["type"] for each in call.told()] == ["UpdatePrompt"]
    assert call.outcomes == [("o 1", "")]


def test_a_change_that_the_agent_refuses_ends_its_session_and_not_the_call() -> None:
    call = steered()
    call.change(voice("nobody"), "o 1")
    call.says(BAD_VOICE)
    assert call.outcomes == [("o 1", "the agent refused it")]
    assert call.connects == 2

    call.forget()
    call.says(WELCOME, APPLIED)

    assert call.over == ""
    assert [each["type"] for each in call.told()] == ["Settings"]


def test_without_a_change_to_blame_that_error_is_final() -> None:
    call = steered()
    call.says(BAD_VOICE)
    call.listen(3)

    assert call.over == "agent failed"


def test_a_change_under_way_when_the_agent_is_lost_may_or_may_not_have_been_done() -> None:
    call = steered()
    call.change(PROMPT, "o 1")
    call.loses_agent("closed 1006")

    assert call.outcomes == [
        ("o 1", "the agent session was lost: whether it was done is not known")
    ]


# -- words ------------------------------------------------------------------------


def test_words_are_injected_and_done_when_the_agent_says_them() -> None:
    call = steered()
    call.change(Say("One moment. I am asking."), "o 1")
    assert [each["message"] for each in call.told()] == ["One moment. I am asking."]

    call.says(sentence("One moment."), b"\x11" * 800)

    assert call.outcomes == [("o 1", "")]
    assert [each.behavior for each in entries(call, record.Said)] == ["injected"]


def test_they_are_part_of_the_conversation_for_the_next_agent() -> None:
    call = steered()
    call.change(Say("A table is free."))
    call.says(sentence("A table is free."), b"\x11" * 800, DONE)
    call.listen(0.5)
    call.loses_agent("closed 1011")
    call.says(WELCOME)

    assert {"type": "History", "role": "assistant", "content": "A table is free."} in call.context()


def test_words_that_are_refused_are_tried_once_more_and_then_given_up() -> None:
    call = steered()
    call.says(ONSET)
    call.change(Say("One moment."), "o 1")
    call.says(REFUSED)
    assert call.outcomes == []

    call.says(words("Yes."))
    assert [each["message"] for each in call.told()] == ["One moment."] * 2
    call.says(ONSET, REFUSED)

    assert call.outcomes == [("o 1", "it was not said: somebody was speaking")]


def test_they_are_tried_again_too_when_the_turn_ends_in_silence() -> None:
    call = talking(uses_flux=False, utterance_s=2.0)
    call.says(ONSET)
    call.change(Say("One moment."))
    call.says(REFUSED)
    call.forget()
    call.listen(2.1)

    assert [each["message"] for each in call.told()] == ["One moment."]


def test_words_that_come_into_the_caller_s_turn_are_not_done() -> None:
    call = steered()
    call.change(Say("One moment."), "o 1")
    call.says(ONSET, sentence("One moment."))

    assert call.outcomes == [("o 1", "it was not said: somebody was speaking")]


def test_all_that_is_refused_at_once_is_tried_again_and_told_of() -> None:
    call = steered()
    call.says(ONSET)
    for number in range(8):
        call.change(Say(f"{number} is said."), f"o {number}")
    call.forget()
    call.says(*[REFUSED] * 8, words("Yes."))
    assert [each["message"][0] for each in call.told()] == list("01234567")

    call.says(*(sentence(f"{number} is said.") for number in range(7)), ONSET, REFUSED)

    refused = ("o 7", "it was not said: somebody was speaking")
    assert call.outcomes == [*((f"o {number}", "") for number in range(7)), refused]


def test_words_that_are_said_without_the_spaces_around_them_are_done() -> None:
    call = steered()
    call.change(Say(" One moment. "), "o 1")
    call.says(sentence("One moment."), b"\x11" * 800)

    assert call.outcomes == [("o 1", "")]


def test_a_line_of_ours_that_is_refused_is_no_order_s() -> None:
    call = ending()
    call.listen(4.2)
    call.says(ONSET, REFUSED, words("Wait, one more thing."))
    call.change(Say("One moment."), "o 1")
    call.says(REFUSED)
    assert call.outcomes == []

    call.says(words("Yes."), sentence("One moment."), b"\x11" * 800)

    assert call.outcomes == [("o 1", "")]


def test_words_of_which_nothing_comes_do_not_hold_the_call_up_for_ever() -> None:
    call = steered()
    call.change(Say("One moment."), "o 1")
    call.listen(14.9)
    call.beat()
    assert call.outcomes == []
    call.listen(0.2)
    call.beat()

    refusal = "the agent has not said it so far: whether it will is not known"
    assert call.outcomes == [("o 1", refusal)]
    assert call.conversation.quiet.is_moment


# -- when it cannot be ----------------------------------------------------------------


def test_a_call_that_ends_takes_no_change() -> None:
    call = ending()
    call.change(PROMPT, "o 1")

    assert call.outcomes == [("o 1", "the call is ending")]
    assert call.told() == []


def test_what_is_under_way_when_the_call_ends_is_told_so() -> None:
    call = steered()
    call.change(PROMPT, "o 1")
    call.detach()
    call.wait(11)

    assert call.over
    assert call.outcomes == [("o 1", "the call is over")]
    call.change(PROMPT, "o 2")
    assert call.outcomes[1:] == [("o 2", "the call is over")]


def test_no_more_than_some_wait_at_once() -> None:
    call = steered()
    for number in range(9):
        call.change(PROMPT, f"o {number}")

    assert call.outcomes == [("o 8", "too much is under way")]


def test_the_order_of_a_function_is_nobody_s_to_be_told_of() -> None:
    call = steered()
    call.change(PROMPT)
    call.change(Resume())
    call.says(PROMPT_UPDATED)

    assert call.outcomes == []


@pytest.mark.parametrize("change", [PROMPT, Say("One moment.")])
def test_a_call_with_a_change_under_way_is_not_moved(change: Update | Say) -> None:
    call = steered()
    assert call.conversation.quiet.is_moment

    call.change(change)

    assert not call.conversation.quiet.is_moment
