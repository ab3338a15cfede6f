"""The shape of Deepgram's first Twilio guide, which many projects have copied."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.calls import Ringing
from sim.agent.protocol import Refusal, parse
from tests.worker.sdk import typed
from worker.agents import BadAgentFile, load
from worker.oldshape import convert

Write = Callable[..., Path]

# As it stands in the guide's server.py.
GUIDE = """{
  "type": "SettingsConfiguration",
  "audio": {
    "input": {"encoding": "mulaw", "sample_rate": 8000},
    "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"}
  },
  "agent": {
    "listen": {"model": "nova-3"},
    "think": {
      "provider": {"type": "open_ai"},
      "model": "gpt-4o-mini",
      "instructions": "You are a helpful car seller."
    },
    "speak": {"model": "aura-2-thalia-en"}
  },
  "context": {
    "messages": [{"content": "Hello, how are you today?", "role": "assistant"}],
    "replay": true
  }
}"""


def settings(path: Path) -> str:
    agent, _ = load(path)
    return agent.settings_for(Ringing("CA1", "+15550100", "+15550199"))


def test_the_guides_settings_become_todays(agent_file: Write) -> None:
    assert json.loads(settings(agent_file(GUIDE))) == {
        "type": "Settings",
        "audio": {
            "input": {"encoding": "mulaw", "sample_rate": 8000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {
            "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
            "think": {
                "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
                "prompt": "You are a helpful car seller.",
            },
            "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
            "greeting": "Hello, how are you today?",
        },
    }


def test_each_thing_that_became_another_has_its_warning(agent_file: Write) -> None:
    _, warnings = load(agent_file(GUIDE))

    assert warnings == [
        "default.yaml: old shape: agent.listen.model became agent.listen.provider.model",
        "default.yaml: old shape: agent.think.model became agent.think.provider.model",
        "default.yaml: old shape: agent.think.instructions became agent.think.prompt",
        "default.yaml: old shape: agent.speak.model became agent.speak.provider.model",
        "default.yaml: old shape: context.replay became agent.greeting",
    ]


def test_the_stand_in_accepts_what_came_of_it(agent_file: Write) -> None:
    assert not isinstance(parse(settings(agent_file(GUIDE))), Refusal)


def test_deepgrams_sdk_accepts_what_came_of_it(agent_file: Write) -> None:
    model: Any = typed(settings(agent_file(GUIDE)))

    assert model.agent.listen.provider.model == "nova-3"
    assert model.agent.greeting == "Hello, how are you today?"


def test_todays_shape_is_left_alone() -> None:
    parts = {
        "agent": {
            "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
            "think": [{"provider": {"type": "open_ai", "model": "x"}, "prompt": "p"}],
            "speak": {"provider": {"type": "deepgram", "model": "y"}},
            "context": {"messages": []},
        },
        "settings": {"tags": ["a"]},
    }

    assert convert(parts) == (parts, [])


def old(agent: dict[str, Any], **beside: Any) -> tuple[dict[str, Any], list[str]]:
    """An old agent block in today's shape, and the changes."""
    parts, changes = convert({"agent": agent, "settings": beside})
    return parts["agent"], changes


def test_what_it_was_given_stays_as_it_was() -> None:
    given = {"agent": {"listen": {"model": "nova-3"}}, "settings": {}}
    convert(given)

    assert given == {"agent": {"listen": {"model": "nova-3"}}, "settings": {}}


def test_flux_needs_its_version() -> None:
    agent, _ = old({"listen": {"model": "flux-general-en", "keyterms": ["Acme"]}})

    assert agent["listen"] == {
        "provider": {
            "type": "deepgram",
            "model": "flux-general-en",
            "version": "v2",
            "keyterms": ["Acme"],
        }
    }


def test_a_functions_url_becomes_its_endpoint() -> None:
    function = {
        "name": "book",
        "url": "https://example.com/book",
        "method": "post",
        "headers": [{"key": "authorization", "value": "x"}],
    }

    agent, changes = old({"think": {"functions": [function, {"name": "ours"}]}})

    assert agent["think"]["functions"] == [
        {
            "name": "book",
            "endpoint": {
                "url": "https://example.com/book",
                "method": "post",
                "headers": {"authorization": "x"},
            },
        },
        {"name": "ours"},
    ]
    assert changes == [
        "old shape: agent.think.functions[].url became functions[].endpoint.url",
    ]


@pytest.mark.parametrize("part", ["listen", "speak"])
def test_a_flux_model_is_given_the_version_that_has_it(part: str) -> None:
    agent, _ = old({part: {"model": "flux-alexis-en"}})

    assert agent[part]["provider"] == {
        "type": "deepgram",
        "model": "flux-alexis-en",
        "version": "v2",
    }


def test_a_history_is_kept_as_the_agents_context() -> None:
    said = {"role": "assistant", "content": "Hi."}
    heard = {"role": "user", "content": "Hello."}

    agent, changes = old({}, context={"messages": [said, heard], "replay": True})

    assert agent == {
        "context": {"messages": [{"type": "History", **said}, {"type": "History", **heard}]}
    }
    assert changes == ["old shape: context.messages became agent.context.messages"]


def test_of_a_history_the_last_word_is_said_again() -> None:
    agent, _ = old(
        {},
        context={
            "messages": [
                {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": "Hi."},
            ],
            "replay": True,
        },
    )

    assert agent["greeting"] == "Hi."
    assert agent["context"]["messages"] == [
        {"type": "History", "role": "user", "content": "Hello."}
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"SettingsConfiguration"}',
        '{"type":"SettingsConfiguration","agent":"x"}',
        '{"type":"SettingsConfiguration","agent":{"listen":{"model":"a","provider":"x"}}}',
        '{"type":"SettingsConfiguration","agent":{"think":{"model":"a","provider":"x"}}}',
        '{"type":"SettingsConfiguration","agent":{"speak":{"model":"a","provider":"open_ai"}}}',
        '{"type":"SettingsConfiguration","agent":{"speak":{"model":"a","voice_id":"b"}}}',
        '{"type":"SettingsConfiguration","agent":{},"context":{"messages":["x"]}}',
        '{"type":"SettingsConfiguration","agent":{},"context":{"messages":7}}',
        '{"type":"SettingsConfiguration","agent":{},'
        '"context":{"replay":true,"messages":[{"role":"assistant"}]}}',
        '{"type":"SettingsConfiguration","agent":{"think":{"functions":'
        '[{"url":"u","headers":["x"]}]}}}',
    ],
)
def test_what_cannot_be_converted_is_a_bad_file(agent_file: Write, text: str) -> None:
    path = agent_file(text)

    with pytest.raises(BadAgentFile, match=r"default\.yaml:1: "):
        load(path)
