"""Scripts: read from YAML, refused with the place of the fault, resumed from a context."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.sound import RATE
from sim.agent.script import BadScript, Script, ScriptedCall, Turn, load, parse
from sim.voice import speak

TEXT = """
turns:
  - caller: What is there?
    say: [A car., Another car.]
    think_s: 1
  - heard: Book it.
    interrupt_after_s: 2.5
    call:
      - {name: book, arguments: {day: Monday}, then: ["Booked: {response}"], defer_until_eot: true}
otherwise: {heard: ["Hm."], say: ["Yes."]}
"""

SCRIPT = parse(yaml.safe_load(TEXT))


def said(role: str, content: str) -> dict[str, Any]:
    return {"type": "History", "role": role, "content": content}


def test_a_turn_is_read() -> None:
    assert SCRIPT.turns[0] == Turn(
        heard="What is there?",
        caller="What is there?",
        say=("A car.", "Another car."),
        think_s=1.0,
    )


def test_a_call_is_read() -> None:
    call = ScriptedCall("book", '{"day": "Monday"}', ("Booked: {response}",), defer_until_eot=True)

    assert SCRIPT.turns[1].call == (call,)
    assert SCRIPT.turns[1].interrupt_after_s == 2.5


def test_the_response_is_said() -> None:
    assert SCRIPT.turns[1].call[0].said("at ten") == ["Booked: at ten"]


def test_there_is_an_answer_beyond_the_last_turn() -> None:
    assert SCRIPT.turn(1) is SCRIPT.turns[1]
    assert [SCRIPT.turn(n) for n in (2, 99)] == [Turn(heard="Hm.", say=("Yes.",))] * 2


@pytest.mark.parametrize(
    ("context", "turn", "unsaid"),
    [
        ([], 0, []),
        ([said("assistant", "Hello.")], 0, []),
        ([said("user", " ")], 0, []),
        ([said("user", "What?")], 1, ["A car.", "Another car."]),
        ([said("user", "What?"), said("assistant", "A car. Anoth")], 1, ["Another car."]),
        (
            [
                said("user", "What?"),
                said("assistant", "A car."),
                said("assistant", "Another car."),
                {"type": "History", "function_calls": []},
            ],
            1,
            [],
        ),
    ],
)
def test_a_conversation_is_resumed_from_its_context(
    context: list[dict[str, Any]], turn: int, unsaid: list[str]
) -> None:
    assert SCRIPT.resume(context) == (turn, unsaid)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "script: expected a mapping"),
        ("{turn: []}", "script: unknown key turn"),
        ("{turns: {}}", "turns: expected a list"),
        ("{turns: [{}]}", "turns[0].caller: expected a text"),
        ("{turns: [{heard: 1}]}", "turns[0].caller: expected a text"),
        ("{turns: [{heard: a, say: b}]}", "turns[0].say: expected a list"),
        ("{turns: [{heard: a, say: [1]}]}", "turns[0].say[0]: expected a text"),
        ("{turns: [{heard: a, think_s: -1}]}", "turns[0].think_s: expected a number of seconds"),
        ("{turns: [{heard: a, call: [{}]}]}", "turns[0].call[0].name: expected a text"),
        ("{otherwise: {say: []}}", "otherwise: an empty list"),
    ],
)
def test_a_bad_script_is_refused_with_the_place(text: str, sentence: str) -> None:
    with pytest.raises(BadScript) as bad:
        parse(yaml.safe_load(text))

    assert str(bad.value) == sentence


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("turns: [")

    with pytest.raises(BadScript, match="not YAML"):
        load(file)


def test_the_packaged_script_has_an_answer_worth_interrupting() -> None:
    asked, cut_in, *_, goodbye = load().turns

    assert sum(len(speak(sentence)) for sentence in asked.say) > 8 * RATE
    assert cut_in.interrupt_after_s
    assert [(call.name, call.defer_until_eot) for call in goodbye.call] == [("end_call", True)]


def test_an_empty_script_still_answers() -> None:
    assert Script(()).turn(0).say
