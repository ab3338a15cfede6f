"""Every text message that we send is one that Deepgram's SDK 7.17 has a model for."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.calls import Ringing
from tests.worker.sdk import MODELS, typed
from worker.agents import load
from worker.deepgram import (
    FORCE_END_TURN,
    FunctionCall,
    function_call_response,
    inject_agent_message,
    inject_user_message,
    settings,
)

DEFAULT = Path(__file__).parents[2] / "agents" / "default.yaml"


def test_the_settings_of_the_default_agent_are_typed_throughout() -> None:
    agent, _ = load(DEFAULT)

    model: Any = typed(agent.settings_for(Ringing("CA1", "+15550100", "+15550199")))

    assert model.agent.greeting == "Hello, how are you today?"
    assert model.agent.think.provider.model == "gpt-4o-mini"
    assert model.agent.think.functions[0].name == "end_call"
    assert model.agent.listen.provider.eot_timeout_ms == 3000
    assert (model.audio.input.encoding, model.audio.input.sample_rate) == ("mulaw", 8000)
    assert (model.audio.output.encoding, model.audio.output.container) == ("mulaw", "none")


def test_settings_with_everything_beside_the_agent_are_typed() -> None:
    beside = {
        "tags": ["tenant-42"],
        "experimental": False,
        "mip_opt_out": True,
        "flags": {"history": True},
    }

    model: Any = typed(settings({"greeting": "Hi."}, beside))

    assert model.mip_opt_out is True
    assert model.flags.history is True


def test_settings_with_a_history_and_fallbacks_are_typed() -> None:
    said = {"type": "History", "role": "assistant", "content": "I found booking B7."}
    think = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "You ..."}
    speak = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}

    model: Any = typed(
        settings({"context": {"messages": [said]}, "think": [think], "speak": [speak]}, {})
    )

    assert model.agent.context.messages[0].content == "I found booking B7."


@pytest.mark.parametrize(
    "message",
    [
        FORCE_END_TURN,
        function_call_response(FunctionCall("id-1", "book", "{}"), '{"ok": true}'),
        inject_agent_message("Bye."),
        inject_agent_message("Bye.", "interrupt"),
        inject_user_message("(42)"),
    ],
)
def test_a_message_is_typed(message: str) -> None:
    assert type(typed(message)) is MODELS[json.loads(message)["type"]]


def test_a_field_that_the_sdk_does_not_know_would_show() -> None:
    with pytest.raises(AssertionError, match="no_such_field"):
        typed('{"type":"KeepAlive","no_such_field":1}')
