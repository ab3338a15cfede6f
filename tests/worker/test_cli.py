"""`python -m worker COMMAND`: what an operator asks before a worker serves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from worker import cli
from worker.agents.editors import printed

Write = Callable[..., Path]

GOOD = """
agent:
  greeting: Hello ${name} at ${to}.
  listen: {provider: {type: deepgram, version: v2, model: flux-general-en}}
  think:
  - provider: {type: open_ai, model: gpt-4o-mini}
    endpoint: {url: "https://llm.example.com", headers: {authorization: "Bearer ${env:LLM_KEY}"}}
    prompt: Ask ${order}.
  - provider: {type: anthropic, model: claude-haiku-4-5}
bridge:
  numbers: ["+15550001111"]
  parameters: {name: you}
  tools: [end_call, transfer_call]
  transfers: {sales: "+15550002222"}
"""


def test_the_agents_are_told(
    agent_file: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_KEY", "s3cret")
    path = agent_file(GOOD)

    assert cli.main(["agents", str(path.parent)]) == 0

    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
    assert dict(lines) == {
        "answers": "calls to +15550001111; calls that name the agent default; "
        "all that nobody else answers",
        "listen": "deepgram flux-general-en",
        "think": "open_ai gpt-4o-mini, else anthropic claude-haiku-4-5",
        "speak": "Deepgram's default",
        "tools": "end_call, transfer_call",
        "transfers": "sales to +15550002222",
        "parameters": "name (else 'you'), order",
        "environment": "LLM_KEY",
    }


def test_all_bad_files_are_told_at_once(
    agent_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = agent_file(GOOD)
    other = agent_file("agent: {}\nbridge: {tols: []}\n", "other.yaml")

    assert cli.main(["agents", str(path.parent)]) == 2

    first, second = capsys.readouterr().err.splitlines()
    where = "agent.think.0.endpoint.headers.authorization"
    assert first == f"{path}:7: {where}: ${{env:LLM_KEY}}: the environment has no LLM_KEY"
    assert second.startswith(f"{other}:2: bridge.tols: is not known here; did you mean tools?")


def test_files_that_do_not_go_together_are_told(
    agent_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    agent_file("agent: {}\nbridge: {numbers: ['+15550001111']}\n")
    path = agent_file("agent: {}\nbridge: {numbers: ['+15550001111']}\n", "other.yaml")

    assert cli.main(["agents", str(path.parent)]) == 2

    assert capsys.readouterr().err.startswith(f"{path}:2: bridge.numbers.0: this number")


def test_the_folder_of_the_setting_is_the_one(
    agent_file: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent_file("agent: {greeting: Hi}\nbridge: {tools: [end_call]}\n")
    monkeypatch.setenv("AGENTS", str(path.parent))

    assert cli.main(["agents"]) == 0

    told = capsys.readouterr()
    assert told.out.startswith(f"{path}\n")
    assert "bridge.tools: nobody is told of them" in told.err


def test_a_bad_setting_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLS", "nowhere.py")

    assert cli.main(["agents"]) == 2
    assert "TOOLS" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert capsys.readouterr().out == printed()


@pytest.mark.parametrize("argv", [["fly"], ["--help"]])
def test_what_it_does_not_know_it_answers_with_what_it_does(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    assert "python -m worker agents" in capsys.readouterr().err
