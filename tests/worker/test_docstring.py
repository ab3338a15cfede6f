"""Docstrings: what an agent is told of them."""

from hypothesis import given
from hypothesis import strategies as st

from worker.docstring import Docstring, parse

WHOLE = """Book a table,
    if there is one.

    Only one a call.

    Args:
        day: The day of the visit,
            as the caller says it.
        guests (int): How many come: children too.
        **more: Wishes.

    Returns:
        day: this is no parameter.

    Raises:
        ToolError: If nothing is free.
    """


def test_the_summary_is_what_stands_before_the_sections() -> None:
    assert parse(WHOLE).summary == "Book a table, if there is one.\n\nOnly one a call."


def test_parameters_are_read_with_the_lines_that_go_on() -> None:
    assert parse(WHOLE).parameters == {
        "day": "The day of the visit, as the caller says it.",
        "guests": "How many come: children too.",
        "more": "Wishes.",
    }


def test_none_is_an_empty_docstring() -> None:
    assert parse(None) == parse("") == parse("  \n ") == Docstring()


def test_a_docstring_may_have_parameters_only() -> None:
    assert parse("Args:\n    a: One.") == Docstring("", {"a": "One."})


def test_an_empty_section_says_nothing() -> None:
    assert parse("Do it.\n\nArgs:\n") == Docstring("Do it.")


def test_words_of_a_sentence_are_no_section() -> None:
    assert parse("Args: none that matter.").summary == "Args: none that matter."


NAMES = st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z0-9,.]{1,9}( [A-Za-z0-9,.]{1,9}){0,9}", fullmatch=True)


@given(WORDS, st.dictionaries(NAMES, WORDS, max_size=4), st.integers(0, 8))
def test_what_is_written_google_style_is_read(
    summary: str, parameters: dict[str, str], indent: int
) -> None:
    margin = " " * indent
    lines = [summary, "", f"{margin}Args:"]
    for name, text in parameters.items():
        first, _, rest = text.partition(" ")
        lines += [f"{margin}    {name}: {first}", f"{margin}        {rest}"]

    assert parse("\n".join(lines)) == Docstring(summary, parameters)


LINES = st.sampled_from(["", "Args:", "Returns:", "    a: one", "    b (int): two", "      more"])


@given(st.lists(LINES | st.text(max_size=8)))
def test_of_any_text_nothing_is_made_up(lines: list[str]) -> None:
    text = "\n".join(lines)

    doc = parse(text)

    told = " ".join((doc.summary, *doc.parameters.values()))
    assert set(told.split()) <= set(text.replace(":", ": ").split()) | set(text.split())
