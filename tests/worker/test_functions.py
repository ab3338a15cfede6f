"""Functions of the operator's own, keys, transfers and silence, as the conversation sees them."""

import json
from typing import Any

import pytest

from shared.messages import Digit, Ended, Move
from shared.record import (
    DialFailed,
    Ending,
    Over,
    Pressed,
    ToolAnswered,
    ToolAsked,
    ToolCancelled,
    Transferring,
    Typed,
)
from tests.worker.driver import (
    APPLIED,
    DONE,
    ONSET,
    WELCOME,
    Driver,
    asks,
    entries,
    sentence,
    takes_back,
    talking,
    words,
)
from worker.terms import Inherited


def asks_with(name: str, call_id: str = "t1", **arguments: Any) -> str:
    function = {"id": call_id, "name": name, "arguments": json.dumps(arguments)}
    return json.dumps({"type": "FunctionCallRequest", "functions": [function]})


def answers(call: Driver) -> list[tuple[str, str]]:
    """What the agent was answered: (id, content)."""
    told = call.told()
    return [(e["id"], e["content"]) for e in told if e["type"] == "FunctionCallResponse"]


def own(*names: str, filler: str = "", **terms: Any) -> Driver:
    return talking(own_tools=dict.fromkeys(names, filler), **terms)


# -- functions ----------------------------------------------------------------


def test_a_function_is_in_the_log_before_it_runs_and_its_answer_before_the_agent_has_it() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks_with("look", what="cars"))

    (asked,) = entries(call, ToolAsked)
    assert (asked.id, asked.name, json.loads(asked.arguments)) == ("t1", "look", {"what": "cars"})
    assert [each.name for each in call.runs] == ["look"]

    call.answers("three")

    assert [each.content for each in entries(call, ToolAnswered)] == ["three"]
    assert answers(call) == [("t1", "three")]


def theirs(name: str, content: str, call_id: str = "") -> str:
    """What Deepgram tells of a function that it called itself."""
    told = {"type": "FunctionCallResponse", "name": name, "content": content}
    return json.dumps({**told, "id": call_id} if call_id else told)


@pytest.mark.parametrize("call_id", ["id-book", ""])
def test_what_deepgram_calls_itself_is_not_asked_of_the_next_agent_again(call_id: str) -> None:
    call = talking()
    call.says(ONSET, words("Book."), asks("look", "book", client_side=False))
    call.says(theirs("book", "B7", call_id))
    call.loses_agent("closed 1006")
    call.says(WELCOME, APPLIED)

    settings, injected = call.told()
    user, *calls = settings["agent"]["context"]["messages"]
    look, book = (each["function_calls"][0] for each in calls)
    assert user["content"] == "Book."
    assert (look["name"], look["client_side"]) == ("look", False)
    assert "do not repeat" in look["response"]
    assert (book["name"], book["client_side"], book["response"]) == ("book", False, "B7")
    assert injected["content"] != "Book."


def test_an_answer_of_another_function_than_deepgram_called_is_passed_by() -> None:
    call = talking()
    call.says(asks("look", client_side=False), theirs("book", "B7"), theirs("look", "x", "id-9"))

    assert entries(call, ToolAnswered) == []


def test_a_function_that_deepgram_takes_back_has_its_name_in_the_log() -> None:
    call = talking()
    call.says(asks("look", client_side=False), takes_back("look"), theirs("look", "three"))

    asked, cancelled = call.log()
    assert isinstance(asked, ToolAsked)
    assert cancelled == ToolCancelled("id-look", "look", 0)


def test_while_deepgram_calls_a_function_and_after_it_the_agent_has_its_time_to_answer() -> None:
    call = talking()
    call.says(ONSET, words("Look."))
    for news in (asks("look", client_side=False), theirs("look", "three")):
        call.wait(14)
        call.says(news)
    call.wait(14)
    connects = call.connects
    assert connects == 1

    call.wait(2)

    assert call.connects == connects + 1


def test_functions_run_side_by_side_and_each_is_answered() -> None:
    call = own("look", "find")
    call.says(asks("look", "find"))
    assert [each.name for each in call.runs] == ["look", "find"]

    call.answers("second", run=1)
    call.answers("first", run=0)

    assert answers(call) == [("id-find", "second"), ("id-look", "first")]


def test_asked_again_while_it_runs_a_function_runs_once_and_both_are_answered() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks_with("book", "a", at=3), asks_with("book", "b", at=3))
    assert len(call.runs) == 1

    call.answers("booked")

    assert answers(call) == [("a", "booked"), ("b", "booked")]


def test_asked_again_in_the_same_turn_it_is_answered_from_the_log() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks_with("book", "a", at=3))
    call.answers("booked")
    call.says(asks_with("book", "b", at=3))

    assert len(call.runs) == 1
    assert answers(call) == [("a", "booked"), ("b", "booked")]


def test_a_transfer_that_is_asked_for_again_while_its_goodbye_is_said_is_answered_alike() -> None:
    call = talking(tools=("transfer_call",), transfers={"sales": "+15550142"})
    call.says(ONSET, words("Sales."), asks_with("transfer_call", "a", target="sales"))
    call.says(asks_with("transfer_call", "b", target="sales"))

    assert answers(call) == [("a", '{"ok": true}'), ("b", '{"ok": true}')]
    assert len(entries(call, Transferring)) == 1


def test_a_transfer_that_came_to_nothing_may_be_asked_for_again_in_the_same_turn() -> None:
    call = Driver(tools=("transfer_call",), transfers={"sales": "+15550142"})
    call.attach()
    call.says(WELCOME, APPLIED, ONSET, words("Sales."))
    call.says(asks_with("transfer_call", "a", target="sales"))
    log = [*call.log(), Over("transferred", 0), DialFailed("busy")]

    back = Driver(
        inherited=Inherited(log=[(0, entry) for entry in log]),
        tools=("transfer_call",),
        transfers={"sales": "+15550142"},
    )
    back.attach()
    back.says(WELCOME, APPLIED, asks_with("transfer_call", "b", target="sales"))

    assert len(entries(back, Transferring)) == 1


def test_a_number_is_waited_for_again_though_one_was_told_in_this_turn() -> None:
    call = talking(tools=("collect_digits",))
    call.says(ONSET, words("Here."), asks_with("collect_digits", "a"))
    for digit in "12#":
        call.caller(Digit(digit, call.clock))
    call.says(asks_with("collect_digits", "b"))
    assert answers(call) == [("a", '{"digits": "12"}')]

    for digit in "34#":
        call.caller(Digit(digit, call.clock))

    assert answers(call) == [("b", '{"digits": "34"}')]


def test_in_another_turn_or_with_other_arguments_it_runs_again() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks_with("book", "a", at=3))
    call.answers("booked")
    call.says(asks_with("book", "b", at=4), ONSET, words("Again."), asks_with("book", "c", at=3))

    assert len({each.key for each in call.runs}) == 3


def test_a_request_that_comes_before_its_turn_is_confirmed_belongs_to_it() -> None:
    call = own("book")
    call.says(ONSET, asks_with("book", "a", at=3))
    call.answers("booked")
    call.says(words("Book."), asks_with("book", "b", at=3))

    assert len(call.runs) == 1


def test_a_function_that_is_taken_back_is_cancelled_and_gets_no_answer() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"), takes_back("look"))
    assert call.cancels == [call.runs[0].key]
    assert [each.name for each in entries(call, ToolCancelled)] == ["look"]

    call.answers("three")

    assert answers(call) == []


def test_a_function_that_takes_long_is_bridged_by_its_filler() -> None:
    call = own("look", filler="Let me see.")
    call.says(ONSET, words("Look."), asks("look"))
    call.forget()
    call.listen(1.6)

    assert [each["message"] for each in call.told()] == ["Let me see."]


def test_a_quick_one_needs_none() -> None:
    call = own("look", filler="Let me see.")
    call.says(ONSET, words("Look."), asks("look"))
    call.answers("three")
    call.forget()
    call.listen(1.6)

    assert call.told() == []


def test_the_answer_of_a_function_outlives_the_agent_that_asked_for_it() -> None:
    call = own("look")
    call.says(ONSET, words("Look."), asks("look"))
    call.loses_agent("closed 1011")
    call.says(WELCOME, APPLIED)
    call.forget()
    call.answers("three")

    assert [each.content for each in entries(call, ToolAnswered)] == ["three"]
    (told,) = call.told()
    assert told["type"] == "InjectUserMessage"
    assert "three" in told["content"]


def test_a_successor_does_not_run_it_again() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks("book"))
    successor = Driver(
        inherited=Inherited(log=[(0, e) for e in call.log()]), own_tools={"book": ""}
    )
    successor.says(WELCOME, APPLIED)

    assert successor.runs == []
    (function,) = successor.context()[-1]["function_calls"]
    assert "do not repeat" in function["response"]


def test_its_answer_after_the_end_is_still_logged() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks("book"))
    call.conversation.hung_up("caller hung up")
    call.answers("booked")

    assert [each.content for each in entries(call, ToolAnswered)] == ["booked"]


def test_nobody_is_moved_while_a_function_runs() -> None:
    call = own("book")
    call.says(ONSET, words("Book."), asks("book"))

    assert not call.conversation.quiet.is_moment


# -- keys ---------------------------------------------------------------------


def press(call: Driver, keys: str) -> None:
    for key in keys:
        call.caller(Digit(key, call.clock))


def collecting(**arguments: Any) -> Driver:
    call = talking(tools=("end_call", "collect_digits"))
    call.says(ONSET, words("Pay."), asks_with("collect_digits", **arguments))
    call.forget()
    return call


def test_a_number_goes_to_the_function_that_waits_for_it() -> None:
    call = collecting(count=4)
    press(call, "471")
    assert answers(call) == []

    press(call, "1")

    assert answers(call) == [("t1", '{"digits": "4711"}')]


def test_the_hash_ends_it_too() -> None:
    call = collecting()
    press(call, "47#")

    assert answers(call) == [("t1", '{"digits": "47"}')]


def test_after_eight_seconds_the_function_says_that_it_waits_and_the_number_follows() -> None:
    call = collecting(count=4)
    call.listen(8.1)
    assert "waiting" in answers(call)[0][1]

    press(call, "4711")

    assert ["4711" in each.get("content", "") for each in call.told()] == [True]


def test_a_number_follows_after_a_cancel_as_well() -> None:
    call = collecting(count=2)
    call.says(
        json.dumps({"type": "FunctionCallCancelled", "functions": [{"id": "t1", "name": ""}]})
    )
    press(call, "47")

    told = call.told()
    assert [each["type"] for each in told] == ["InjectUserMessage"]


def test_of_a_sensitive_number_neither_log_nor_stream_keeps_anything() -> None:
    call = collecting(count=4, sensitive=True)
    before = call.sequence
    press(call, "4711")

    assert answers(call) == [("t1", '{"digits": "4711"}')]
    assert "4711" not in str([(e, getattr(e, "content", "")) for e in call.log()])
    assert call.forgotten == list(range(before + 1, before + 5))


def test_a_number_half_pressed_outlives_its_worker() -> None:
    call = talking()
    press(call, "47")
    log = call.log()
    assert [each.digit for each in log if isinstance(each, Typed)] == ["4", "7"]

    successor = Driver(inherited=Inherited(log=[(0, each) for each in log]))
    successor.attach()
    successor.says(WELCOME, APPLIED)
    successor.wait(1.6)

    assert [each.digits for each in entries(successor, Pressed)] == ["47"]


# -- transfers ----------------------------------------------------------------


def transferring(**terms: Any) -> Driver:
    call = talking(tools=("transfer_call",), transfers={"sales": "+15550001111"}, **terms)
    call.says(ONSET, words("Sales please."), asks_with("transfer_call", target="sales"))
    return call


def test_a_transfer_is_said_goodbye_to_and_then_the_call_is_somebody_elses() -> None:
    call = transferring()
    assert answers(call) == [("t1", '{"ok": true}')]
    call.says(sentence("I put you through."), b"\x20" * 8000, DONE)
    call.listen(0.9)
    assert call.over == ""

    call.listen(0.3)

    assert (call.over, call.transfer) == ("transferred", "+15550001111")
    log = call.log()
    assert Transferring("+15550001111", 1) in [
        Transferring(each.target, 1) for each in log if isinstance(each, Transferring)
    ]
    assert isinstance(log[-1], Over)


@pytest.mark.parametrize("target", ["boss", "", 7])
def test_there_are_no_other_targets_than_the_operators(target: object) -> None:
    call = talking(tools=("transfer_call",), transfers={"sales": "+15550001111"})
    call.says(ONSET, words("Please."), asks_with("transfer_call", target=target))

    assert "error" in answers(call)[0][1]
    assert entries(call, Ending) == []


def test_a_call_from_a_bin_cannot_be_transferred() -> None:
    call = transferring(has_webhook=False)

    assert "error" in answers(call)[0][1]
    assert call.over == ""


def test_a_successor_brings_the_transfer_to_its_end() -> None:
    call = transferring()
    call.says(sentence("I put you through."), b"\x20" * 8000)
    successor = Driver(inherited=Inherited(log=[(0, each) for each in call.log()]))
    successor.attach()
    successor.wait(5)

    assert (successor.over, successor.transfer) == ("transferred", "+15550001111")


# -- moving to another edge ---------------------------------------------------


def test_the_phone_is_moved_in_a_quiet_moment() -> None:
    call = talking()
    call.says(sentence("Hello there."), b"\x20" * 8000, DONE)
    call.conversation.move()
    call.listen(0.9)
    assert Move() not in call.phone()

    call.listen(0.3)

    assert call.phone() == [Move()]


def test_a_call_from_a_bin_is_not_moved() -> None:
    call = talking(has_webhook=False)
    call.conversation.move()
    call.listen(1)

    assert call.phone() == []


# -- silence ------------------------------------------------------------------


def idle(call: Driver, seconds: float) -> None:
    """Nobody speaks; the conversation is looked after as its session does."""
    for _ in range(round(seconds * 2)):
        call.listen(0.5)
        call.conversation.look(call.now)
        call._take()


def test_a_silent_caller_is_asked_twice_and_then_parted_from() -> None:
    call = talking(idle_s=10.0)
    asked = []
    for _ in range(3):
        idle(call, 11)
        asked += [each["message"] for each in call.told()]
    call.says(sentence("Bye now."), b"\x20" * 800, DONE)
    call.listen(1)

    assert asked == ["Are you still there?", "Are you still there?", "Bye now."]
    assert call.over == "nobody there"


def test_who_answers_is_asked_anew() -> None:
    call = talking(idle_s=10.0)
    idle(call, 22)
    call.says(ONSET, words("Yes, I am here."), sentence("Good."), b"\x20" * 800, DONE)
    call.forget()
    idle(call, 11.5)

    assert [each["message"] for each in call.told()] == ["Are you still there?"]
    assert call.over == ""


def test_while_the_agent_is_heard_nobody_is_silent() -> None:
    call = talking(idle_s=10.0)
    call.says(sentence("A very long sentence."), b"\x20" * 8000 * 12, DONE)
    idle(call, 20)

    assert call.told() == []


def test_while_keys_or_a_function_are_awaited_nobody_is_asked() -> None:
    call = collecting(count=4)
    idle(call, 30)

    assert all(each["type"] != "InjectAgentMessage" for each in call.told())


@pytest.mark.parametrize("name", ["transfer_call", "collect_digits", "end_call"])
@pytest.mark.parametrize(
    "arguments",
    ["[" * 100_000, '{"target":' * 100_000, '{"count": "%s"}' % ("9" * 5000), '{"count": 1e999}'],
    ids=["deep", "deep target", "long count", "endless count"],
)
def test_arguments_that_no_model_should_write_end_no_call(name: str, arguments: str) -> None:
    call = talking(tools=(name,), transfers={"sales": "+15550000"})
    function = {"id": "f-1", "name": name, "arguments": arguments}

    call.says(json.dumps({"type": "FunctionCallRequest", "functions": [function]}))
    call.wait(10)

    answers = [each for each in call.told() if each["type"] == "FunctionCallResponse"]
    assert [each["id"] for each in answers] == ["f-1"]


def test_a_function_that_ends_after_the_call_is_for_the_log_alone() -> None:
    call = talking(tools=("book",), own_tools={"book": ""})
    call.says(asks("book"))
    call.caller(Ended("caller hung up"))
    call.forget()

    call.answers("booked")

    assert call.log() == [ToolAnswered("id-book", "book", "booked", 1)]
    assert call.agent() == []
    assert call.phone() == []
