"""What functions answer in a replay."""

from shared.record import Entry, ToolAnswered, ToolAsked
from shared.replayed import NOT_RECORDED, answer, answers, canonical

LOG: list[Entry] = [
    ToolAsked("c1", "book", '{"day": "Monday", "guests": 2}', 1, 10),
    ToolAnswered("c1", "book", "full", 11),
    ToolAsked("c2", "book", '{"day": "Sunday", "guests": 2}', 2, 20),
    ToolAsked("c3", "hours", "", 2, 20),
    ToolAnswered("c2", "book", "booked", 21),
]


def test_a_request_is_answered_as_it_was() -> None:
    known = answers(LOG)

    assert answer(known, "book", '{"day": "Monday", "guests": 2}') == "full"
    assert answer(known, "book", '{"day": "Sunday", "guests": 2}') == "booked"


def test_arguments_may_come_in_another_order() -> None:
    assert answer(answers(LOG), "book", '{"guests":2,"day":"Monday"}') == "full"


def test_other_arguments_get_what_the_function_answered_last() -> None:
    assert answer(answers(LOG), "book", '{"day": "Friday"}') == "booked"
    assert answer(answers(LOG), "book", "no JSON") == "booked"


def test_a_function_that_was_never_answered_is_an_error() -> None:
    assert answer(answers(LOG), "hours", "{}") == NOT_RECORDED
    assert answer({}, "book", "{}") == NOT_RECORDED


def test_canonical_arguments() -> None:
    assert canonical('{"b": 1,  "a": [2]}') == canonical('{"a":[2],"b":1}') == '{"a": [2], "b": 1}'
    assert canonical("") == "{}"
    assert canonical("no JSON") == "no JSON"


def test_arguments_too_deep_for_json_are_no_json() -> None:
    assert canonical("[" * 100_000) == "[" * 100_000
