"""A call's past, folded from its log: each rule of "Resume" with the entries that show it."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calls import Ringing
from shared.record import (
    Attached,
    Configured,
    Cut,
    Ending,
    Entry,
    Finished,
    Heard,
    Lost,
    Onset,
    Over,
    Paused,
    Pressed,
    Released,
    Resumed,
    Said,
    Taken,
    ToolAnswered,
    ToolAsked,
)
from sim.agent import protocol
from worker.agents import load
from worker.context import with_past
from worker.functions import UNKNOWN_OUTCOME
from worker.history import Past, fold

ATTACHED = Attached("MZ1", "edge-1")
HELLO = Said(1, "Hello, how are you?", 0)
ASK = Heard("What cars do you have?", 100)
CARS = Said(2, "We have three cars here.", 110)
GREETED = (ATTACHED, HELLO, Finished(0))


def past_of(*log: Entry, sounded: dict[int, int] | None = None) -> Past:
    return fold([(0, entry) for entry in log], sounded or {})


def said(past: Past) -> list[tuple[str, str]]:
    return [(each["role"], each["content"]) for each in past.messages]


# -- who said what ------------------------------------------------------------


def test_an_empty_log_is_a_new_call() -> None:
    assert past_of() == Past()
    assert past_of(Taken("w", 1), ATTACHED).is_new


def test_texts_are_messages_in_order() -> None:
    past = past_of(*GREETED, ASK, CARS, Finished(120))

    assert past.messages == (
        {"type": "History", "role": "assistant", "content": "Hello, how are you?"},
        {"type": "History", "role": "user", "content": "What cars do you have?"},
        {"type": "History", "role": "assistant", "content": "We have three cars here."},
    )
    assert (past.owed, past.was_cut_off, past.has_greeted, past.is_new) == ("", False, True, False)


def test_a_turn_is_one_message() -> None:
    past = past_of(*GREETED, ASK, Heard("Electric ones.", 130), CARS, Said(3, "All red.", 140))

    assert said(past)[1:] == [
        ("user", "What cars do you have? Electric ones."),
        ("assistant", "We have three cars here. All red."),
    ]


def test_a_passage_is_known_by_its_caller_entries_on_the_newest_stream() -> None:
    paused = (ATTACHED, Paused(10), Paused(20), Resumed(30), Resumed(40), Paused(50))

    assert past_of(*paused[:-1]).passages == ((10, 30),)
    assert not past_of(*paused[:-1]).is_private
    past = past_of(*paused)
    assert past.is_private
    assert [n for n in (10, 11, 30, 31, 50, 51, 99) if past.is_in_passage(n)] == [11, 30, 51, 99]
    assert past_of(*paused, Attached("MZ2", "e"), Resumed(7)).passages == ((0, 7),)
    assert past_of(*paused, Resumed(60), Attached("MZ2", "e")).passages == ()


def test_a_noise_is_no_turn() -> None:
    past = past_of(*GREETED, Onset(90), Heard("", 95), Heard("  ", 97))

    assert said(past) == [("assistant", "Hello, how are you?")]
    assert past.turns == 0


def test_an_interrupted_sentence_is_what_was_heard_of_it() -> None:
    past = past_of(*GREETED, ASK, CARS, Onset(150, True), Cut(2, 500, 900, "We have", 150))

    assert said(past)[-1] == ("assistant", "We have")
    assert not past.was_cut_off


def test_a_sentence_of_which_nothing_was_heard_was_not_said() -> None:
    log = (*GREETED, ASK, CARS, Onset(150, True), Cut(2, 0, 900, "", 150), Heard("Wait.", 160))
    past = past_of(*log, Said(3, "Yes?", 170), Finished(180))

    assert said(past)[1:] == [("user", "What cars do you have? Wait."), ("assistant", "Yes?")]


@pytest.mark.parametrize("behavior", ["bridge", "backchannel", "filler"])
def test_lines_of_ours_and_what_is_no_turn_are_not_the_agents_words(behavior: str) -> None:
    past = past_of(*GREETED, Said(2, "One moment, please.", 100, behavior))

    assert said(past) == [("assistant", "Hello, how are you?")]
    assert past.sentences == 2
    assert not past.was_cut_off


def test_keys_are_told_as_the_agent_was_told_of_them() -> None:
    past = past_of(*GREETED, Pressed("12", 90), Said(2, "Twelve.", 100))

    assert said(past)[1:] == [
        ("user", "(The caller pressed 12 on the keypad.)"),
        ("assistant", "Twelve."),
    ]


# -- functions ----------------------------------------------------------------

ASKED = ToolAsked("f1", "book", '{"day": 6}', 1, 105)


def called(past: Past) -> dict[str, Any]:
    (message,) = [each for each in past.messages if "function_calls" in each]
    (call,) = message["function_calls"]
    assert isinstance(call, dict)
    return call


def test_a_function_stays_with_its_answer() -> None:
    past = past_of(*GREETED, ASK, ASKED, ToolAnswered("f1", "book", "done", 106), CARS)

    assert called(past) == {
        "id": "f1",
        "name": "book",
        "client_side": True,
        "arguments": '{"day": 6}',
        "response": "done",
    }
    assert [each.get("role", "function") for each in past.messages] == [
        *("assistant", "user", "function", "assistant"),
    ]


def test_a_function_that_deepgram_called_itself_is_told_as_one() -> None:
    theirs = replace(ASKED, is_ours=False)
    past = past_of(*GREETED, ASK, theirs, ToolAnswered("f1", "book", "done", 106), CARS)

    assert called(past)["client_side"] is False
    assert called(past)["response"] == "done"


@pytest.mark.parametrize("is_ours", [True, False])
def test_no_answer_is_awaited_for_ever_of_a_function_that_is_not_ours(*, is_ours: bool) -> None:
    asked, heard = replace(ASKED, is_ours=is_ours), Heard("And a car?", 130)
    past = past_of(
        *GREETED, ASK, asked, CARS, Finished(120), heard, Said(3, "Yes.", 140), Finished(150)
    )

    assert past.was_cut_off == is_ours


def test_a_function_without_an_answer_may_have_run() -> None:
    assert called(past_of(*GREETED, ASK, ASKED))["response"] == UNKNOWN_OUTCOME
    assert UNKNOWN_OUTCOME == "interrupted, outcome unknown, do not repeat"


@pytest.mark.parametrize("answers", [(), (ToolAnswered("f1", "book", "done", 106),)])
def test_a_turn_in_which_a_function_was_asked_is_the_agents_and_never_asked_again(
    answers: tuple[Entry, ...],
) -> None:
    past = past_of(*GREETED, ASK, ASKED, *answers)

    assert past.owed == ""
    assert past.was_cut_off


# -- whose turn it is ---------------------------------------------------------


def test_a_turn_that_nothing_answered_is_owed_and_not_among_the_messages() -> None:
    past = past_of(*GREETED, ASK)

    assert past.owed == "What cars do you have?"
    assert said(past) == [("assistant", "Hello, how are you?")]


def test_a_turn_whose_answer_nobody_heard_is_owed() -> None:
    past = past_of(*GREETED, ASK, CARS, sounded={2: 0})

    assert past.owed == "What cars do you have?"
    assert not past.was_cut_off


def test_of_an_answer_under_way_what_was_sent_was_heard() -> None:
    past = past_of(*GREETED, ASK, CARS, sounded={2: 800})

    assert said(past)[-1] == ("assistant", "We have")
    assert past.was_cut_off
    assert past.owed == ""


def test_what_sounded_for_long_enough_was_said_whole() -> None:
    past = past_of(*GREETED, ASK, CARS, sounded={2: 5000})

    assert said(past)[-1] == ("assistant", "We have three cars here.")
    assert past.was_cut_off


def test_a_sentence_before_that_under_way_was_heard() -> None:
    past = past_of(*GREETED, ASK, CARS, Said(3, "All of them are red.", 130), sounded={3: 0})

    assert said(past)[-1] == ("assistant", "We have three cars here.")


def test_an_answer_that_was_finished_was_not_cut_off() -> None:
    assert not past_of(*GREETED, ASK, CARS, Finished(130)).was_cut_off


def test_a_noise_in_an_answer_leaves_it_under_way() -> None:
    assert past_of(*GREETED, ASK, CARS, Onset(120), Heard("", 130)).was_cut_off


# -- the greeting -------------------------------------------------------------


def test_a_greeting_that_had_not_begun_is_still_to_come() -> None:
    past = past_of(Taken("w", 1), ATTACHED, HELLO, sounded={1: 0})

    assert past.is_new
    assert not past.has_greeted


def test_a_greeting_that_waited_for_a_phone_is_lost_with_its_owner() -> None:
    assert past_of(Taken("w", 1), HELLO, Finished(0), Taken("x", 2), ATTACHED).is_new
    assert past_of(Taken("w", 1), HELLO, Finished(0), ATTACHED, Taken("x", 2)).has_greeted


def test_so_is_what_was_said_to_a_phone_that_was_lost() -> None:
    past = past_of(*GREETED, ASK, Lost("MZ1", "no frames"), CARS, Finished(0), Taken("x", 2))

    assert past.owed == "What cars do you have?"


def test_an_owner_that_loses_its_agent_still_has_what_waits() -> None:
    assert past_of(Taken("w", 1), HELLO, Finished(0)).has_greeted


# -- where to go on -----------------------------------------------------------


def test_an_utterance_is_open_from_its_onset_to_its_words() -> None:
    assert past_of(*GREETED, Onset(90)).onset == 90
    assert past_of(*GREETED, Onset(90), ASK).onset == 0
    assert past_of(*GREETED, Onset(90), Heard("", 100)).onset == 0
    assert past_of(*GREETED, Onset(90), CARS).onset == 0


@pytest.mark.parametrize("behavior", ["bridge", "backchannel", "filler"])
def test_a_line_of_ours_or_what_is_no_turn_closes_no_utterance(behavior: str) -> None:
    assert past_of(*GREETED, Onset(90), Said(2, "One moment.", 99, behavior)).onset == 90


def test_the_newest_entry_that_the_log_speaks_of_is_known() -> None:
    assert past_of(*GREETED, ASK, Cut(1, 0, 0, "", 50)).up == 100


def test_a_new_stream_counts_anew() -> None:
    past = past_of(*GREETED, ASK, Onset(150), Attached("MZ2", "edge-2"))

    assert (past.up, past.onset) == (0, 0)
    assert past.owed == "What cars do you have?"


def test_numbering_goes_on() -> None:
    past = past_of(*GREETED, ASK, CARS, Heard("Thanks.", 200), Heard("", 210))

    assert (past.turns, past.sentences) == (2, 2)


def test_an_end_under_way_is_carried_over_unless_it_was_called_off() -> None:
    assert past_of(*GREETED, Ending("agent ended the call", 90)).ending == "agent ended the call"
    assert past_of(*GREETED, Ending("agent ended the call", 90), Ending("", 99)).ending == ""


def test_the_settings_in_force_are_the_newest() -> None:
    past = past_of(Configured("{1}", "r-1"), Configured("{2}", "r-2"))

    assert past.settings == "{2}"


def test_when_each_owner_took_it_is_known_since_it_was_given_away() -> None:
    taken = [(at, Taken("w", at)) for at in (1, 2, 3)]

    assert fold(taken, {}).taken_ms == (1, 2, 3)
    assert fold([*taken, (4, Released("w")), (5, Taken("x", 5))], {}).taken_ms == (5,)


def test_a_call_that_is_over_is_over() -> None:
    assert past_of(*GREETED, Over("phone lost")).is_over


# -- Settings with a past -----------------------------------------------------

AGENTS = Path(__file__).parents[2] / "agents"


@pytest.fixture
def settings() -> str:
    """The Settings of the agent that comes with the product."""
    agent, _ = load(AGENTS / "default.yaml")
    return agent.settings_for(Ringing("CA1", "+1", "+2"))


def test_the_settings_of_a_new_call_stay_as_they_are(settings: str) -> None:
    assert with_past(settings, Past(), answer_owed=False) is settings


def test_a_call_that_goes_on_has_a_context_and_no_greeting(settings: str) -> None:
    past = past_of(*GREETED, ASK, CARS, Finished(0))
    before, after = json.loads(settings), json.loads(with_past(settings, past, answer_owed=False))

    assert before["agent"].pop("greeting")
    assert after["agent"].pop("context") == {"messages": list(past.messages)}
    assert after == before


def test_the_owed_turn_is_in_the_context_if_more_of_it_is_to_come(settings: str) -> None:
    past = past_of(*GREETED, ASK)
    with_it = json.loads(with_past(settings, past, answer_owed=True))["agent"]["context"]
    without = json.loads(with_past(settings, past, answer_owed=False))["agent"]["context"]

    assert with_it["messages"] == [
        *past.messages,
        {"type": "History", "role": "user", "content": "What cars do you have?"},
    ]
    assert without["messages"] == list(past.messages)


def test_a_context_of_the_agent_file_comes_first() -> None:
    given = {"type": "History", "role": "user", "content": "I called before."}
    settings = json.dumps({"agent": {"context": {"messages": [given], "more": 1}}})

    context = json.loads(with_past(settings, past_of(*GREETED), answer_owed=False))["agent"]

    assert context["context"]["more"] == 1
    assert context["context"]["messages"] == [given, *past_of(*GREETED).messages]


def test_a_first_turn_that_is_injected_leaves_no_empty_context(settings: str) -> None:
    agent = json.loads(with_past(settings, past_of(ATTACHED, ASK), answer_owed=False))["agent"]

    assert "context" not in agent
    assert "greeting" not in agent


# -- whatever a log holds -------------------------------------------------------

# Few numbers and names, so that entries meet each other.
HELD: dict[object, st.SearchStrategy[Any]] = {
    int: st.integers(-1, 6) | st.integers(-(2**63), 2**63 - 1),
    str: st.sampled_from(["", "a", "c1", "collect_digits", "Two words.", '{"count":4}', "[[["])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    bool: st.booleans(),
    dict[str, float]: st.just({"total_latency": 0.5}),
}
ENTRY = st.sampled_from(get_args(Entry)).flatmap(
    lambda kind: st.builds(kind, **{each.name: HELD[each.type] for each in fields(kind)})
)
LOGS = st.lists(st.tuples(st.integers(0, 2**53), ENTRY), max_size=25)
AGENT = json.dumps(
    {
        "type": "Settings",
        "audio": {
            "input": {"encoding": "mulaw", "sample_rate": 8000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {"greeting": "Hello."},
    }
)


@given(LOGS, st.dictionaries(st.integers(-1, 6), st.integers(0, 9000)), st.booleans())
def test_whatever_a_log_holds_a_new_agent_can_be_told_of_it(
    log: list[tuple[int, Entry]], sounded: dict[int, int], answer_owed: bool
) -> None:
    past = fold(log, sounded)

    told = protocol.parse(with_past(AGENT, past, answer_owed=answer_owed))
    assert not isinstance(told, protocol.Refusal)
    assert past.turns >= 0
    assert isinstance(past.is_poison, bool)
    for cut in past.cut_short:
        assert cut.heard_ms >= 0
