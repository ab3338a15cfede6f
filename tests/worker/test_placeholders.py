"""What stands in braces: a call's values are rendered, the environment's are sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.placeholders import filled, names_in, render

ENVIRON = {"KEY": "s3cret", "OTHER": 'quote " and \\ and ${env:KEY}'}


def sent(text: str, **values: str) -> str:
    """A text as it is sent, of a call with these values."""
    message = json.loads(filled(json.dumps({"agent": {"p": [render(text, values)]}}), ENVIRON))
    return str(message["agent"]["p"][0])


def test_the_environment_is_filled_in_when_it_is_sent_and_not_before() -> None:
    assert render("Bearer ${env:KEY}", {}) == "Bearer ${env:KEY}"
    assert sent("Bearer ${env:KEY}") == "Bearer s3cret"


def test_a_value_of_the_environment_stays_one_text_and_is_not_filled_again() -> None:
    assert sent("${env:OTHER}") == 'quote " and \\ and ${env:KEY}'


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("${name}", {"name": "${env:KEY}"}),
        ("${name}", {"name": "$${env:KEY}"}),
        ("${name}", {"name": "${env:$}{env:KEY}"}),
        ("${a}${b}", {"a": "$", "b": "{env:KEY}"}),
        ("${a}${b}", {"a": "${env:", "b": "KEY}"}),
        ("${a}{env:KEY}", {"a": "$"}),
        ("${a}KEY}", {"a": "${env:"}),
        ("$${a}", {"a": "{env:KEY}"}),
    ],
)
def test_a_caller_cannot_ask_for_the_environment(text: str, values: dict[str, str]) -> None:
    told = sent(text, **values)

    assert "s3cret" not in told
    expected = text
    for name, value in values.items():
        expected = expected.replace(f"${{{name}}}", value)
    assert told == expected


def test_what_a_caller_says_beside_it_leaves_the_environment_alone() -> None:
    assert sent("${a}${env:KEY}${a}", a="$") == "$s3cret$"


PIECES = st.lists(
    st.sampled_from(["$", "{", "}", "${", "env:", "KEY", "${env:KEY}", "${env:$}", "x"])
)


@given(PIECES, PIECES, PIECES)
def test_whatever_callers_bring_arrives_as_it_is(
    one: list[str], two: list[str], three: list[str]
) -> None:
    values = {"a": "".join(one), "b": "".join(two), "c": "".join(three)}

    told = sent("<${a}${b}|${c}>", **values)

    assert told == f"<{values['a']}{values['b']}|{values['c']}>"


def test_a_variable_that_is_missing_where_it_is_sent_keeps_its_name() -> None:
    assert filled('{"a": "${env:NOWHERE}"}', {}) == '{"a": "${env:NOWHERE}"}'


def test_the_names_in_a_text_are_known() -> None:
    assert names_in("${from} ${env:KEY} ${x y} $5 ${") == (["from", "x y"], ["KEY"])
