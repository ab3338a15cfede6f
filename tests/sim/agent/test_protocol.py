"""The client's messages: read into values, or refused with the service's own codes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.agent import protocol
from sim.agent.protocol import (
    FunctionCallResponse,
    InjectAgentMessage,
    InjectUserMessage,
    KeepAlive,
    Refusal,
    Stage,
    UpdateListen,
    UpdateThink,
    admit,
    parse,
)
from sim.agent.settings import Function, Settings
from tests.sim.agent.talk import FLUX, MULAW, settings, thinks

FULL = r"""
{"type":"Settings","tags":["tenant-42","twilio"],"experimental":false,"mip_opt_out":false,
 "flags":{"history":false},
 "audio":{"input":{"encoding":"mulaw","sample_rate":8000},
          "output":{"encoding":"mulaw","sample_rate":8000,"container":"none"}},
 "agent":{
  "context":{"messages":[
     {"type":"History","role":"user","content":"I need to move my appointment."},
     {"type":"History","function_calls":[{"id":"fc_1","name":"find_booking","client_side":true,
        "arguments":"{\"phone\":\"+15550100\"}","response":"{\"booking\":\"B7\"}"}]},
     {"type":"History","role":"assistant","content":"I found booking B7."}]},
  "listen":{"provider":{"type":"deepgram","version":"v2","model":"flux-general-en",
     "eot_threshold":0.7,"eager_eot_threshold":0.5,"eot_timeout_ms":3000,"keyterms":["Acme"]}},
  "think":[
    {"provider":{"type":"open_ai","model":"gpt-4o-mini","temperature":0.4},
     "prompt":"You are a helpful car seller.",
     "functions":[{"name":"end_call","description":"Hang up.","defer_until_eot":true,
                   "parameters":{"type":"object","properties":{}}},
                  {"name":"look_up","endpoint":{"url":"https://a.example","method":"POST"}}]},
    {"provider":{"type":"anthropic","model":"claude-haiku-4-5"},"prompt":"You are"}],
  "speak":[{"provider":{"type":"deepgram","version":"v2","model":"flux-alexis-en"}},
           {"provider":{"type":"deepgram","model":"aura-2-thalia-en"}}],
  "greeting":"Hi, thanks for calling Acme."}}
"""


def refusal(message: Any) -> Refusal:
    refused = parse(json.dumps(message))
    assert isinstance(refused, Refusal)
    return refused


def test_full_settings_are_read() -> None:
    read = parse(FULL)

    assert isinstance(read, Settings)
    assert (read.greeting, read.history, len(read.context)) == (
        "Hi, thanks for calling Acme.",
        False,
        3,
    )
    assert read.functions == {
        "end_call": Function("end_call", client_side=True, deferred=True),
        "look_up": Function("look_up", client_side=False, deferred=False),
    }


def test_an_agent_may_be_a_stored_one() -> None:
    message = settings() | {"agent": "7d1f0b5e-0c0b-4f2d-9f43-2a4f6f1c3a10"}

    assert isinstance(parse(json.dumps(message)), Settings)
    assert refusal(message | {"agent": "my-agent"}).code == "INVALID_AGENT_ID"


@pytest.mark.parametrize("length", [25_000, 25_001])
def test_a_prompt_may_be_too_long_for_a_managed_model(length: int) -> None:
    read = parse(json.dumps(settings(think=thinks() | {"prompt": "x" * length})))

    assert isinstance(read, Settings)
    assert read.long_prompt is (length > 25_000)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("open_ai", "gpt-4o-mini"),
        ("anthropic", "claude-haiku-4-5"),
        ("google", "gemini-2.5-flash"),
        ("nvidia", "nemotron-3-nano-30B-A3B"),
        ("deepgram", "think-fast"),
    ],
)
def test_the_models_that_the_service_runs_itself_need_no_endpoint(kind: str, model: str) -> None:
    think = {"provider": {"type": kind, "model": model}}

    assert isinstance(parse(json.dumps(settings(think=think))), Settings)


PROVIDER = FLUX["provider"]
THINK = thinks()
AURA = {"type": "deepgram", "model": "aura-2-thalia-en"}
ELEVEN = {"provider": {"type": "eleven_labs", "model_id": "eleven_turbo_v2_5"}}


@pytest.mark.parametrize("scheme", ["wss", "https"])
def test_another_s_voice_has_its_endpoint(scheme: str) -> None:
    speak = ELEVEN | {"endpoint": {"url": f"{scheme}://a.example/v1", "headers": {"key": "k"}}}

    assert isinstance(parse(json.dumps(settings(speak=speak))), Settings)


def test_the_fast_model_cannot_be_had_by_those_who_opt_out_of_model_improvement() -> None:
    fast = settings(think=[thinks(), {"provider": {"type": "deepgram", "model": "think-fast"}}])

    assert isinstance(parse(json.dumps(fast)), Settings)
    assert refusal(fast | {"mip_opt_out": True}).code == "INVALID_SETTINGS"


@pytest.mark.parametrize(
    "agent",
    [
        {"greeting": 1},
        {"listen": {"provider": {"model": "nova-3"}}},
        {"listen": {"provider": {"type": "deepgram", "model": "nova-3", "eot_threshold": 0.7}}},
        {"listen": {"model": "nova-3"}},
        {"think": {"prompt": "no provider"}},
        {"think": THINK | {"instructions": "as it was called in early access"}},
        {"think": THINK | {"tools": []}},
        {"think": thinks({"type": "function", "function": {"name": "f"}})},
        {"think": thinks({"description": "nameless"})},
        {"think": THINK | {"context_length": "some"}},
        {"think_live": {"provider": {"type": "deepgram"}}},
        {"speak": {"provider": {"type": "deepgram"}}},
        {"speak": {"model": "aura-asteria-en"}},
        {"context": {"messages": [{"role": "user", "content": "no type"}]}},
        {"context": {"messages": [{"type": "History", "function_calls": [{"id": "1"}]}]}},
        {"context": {"messages": ["text"]}},
    ],
)
def test_settings_of_the_wrong_shape_cannot_be_parsed(agent: dict[str, Any]) -> None:
    assert refusal(settings(**agent)).code == "UNPARSABLE_CLIENT_MESSAGE"


@pytest.mark.parametrize(
    "agent",
    [
        {"listen": {"provider": {"type": "acme"}}},
        {"listen": {"provider": {"type": "deepgram", "model": "flux-general-en"}}},
        {"listen": {"provider": PROVIDER | {"model": "nova-3"}}},
        {"listen": {"provider": PROVIDER | {"eot_threshold": 0.4}}},
        {"listen": {"provider": PROVIDER | {"eot_timeout_ms": 400}}},
        {"listen": {"provider": PROVIDER | {"eager_eot_threshold": 0.8}}},
        {"listen": {"provider": PROVIDER | {"language_hints": ["en"]}}},
        {"think": {"provider": {"type": "acme", "model": "m"}}},
        {"think": {"provider": {"type": "open_ai", "model": "m", "temperature": 3}}},
        {"think": {"provider": {"type": "groq", "model": "openai/gpt-oss-20b"}}},
        {"think": THINK | {"context_length": "max"}},
        {"think": thinks({"name": "f", "initial_agent_filler": True})},
        {"think": []},
        {"speak": {"provider": {"type": "open_ai", "model": "tts-1", "voice": "nova"}}},
        {"speak": {"provider": AURA, "endpoint": {"url": "http://a.example"}}},
        {"speak": {"provider": AURA, "endpoint": {"url": "wss://a.example"}}},
        {"speak": {"provider": AURA, "endpoint": {"url": "https://["}}},
        {"speak": ELEVEN | {"endpoint": {"url": "wss://a.example/v?model_id=m"}}},
        {"speak": {"provider": AURA | {"version": "v2"}}},
        {"speak": {"provider": AURA | {"expressivity": 1}}},
        {"context": {"messages": [{"type": "History", "role": "system", "content": ""}]}},
    ],
)
def test_settings_with_values_out_of_bounds_are_invalid(agent: dict[str, Any]) -> None:
    assert refusal(settings(**agent)).code == "INVALID_SETTINGS"


def test_a_speed_out_of_range_fails_to_speak() -> None:
    agent = {"speak": {"provider": AURA | {"speed": 2}}}

    assert refusal(settings(**agent)).code == "FAILED_TO_SPEAK"


@pytest.mark.parametrize(
    "audio",
    [
        {},
        {"input": MULAW},
        {"input": MULAW, "output": {"encoding": "linear16", "sample_rate": 24000}},
        {"input": MULAW, "output": MULAW | {"container": "wav"}},
        {"input": MULAW, "output": MULAW | {"bitrate": 32000}},
        {"input": MULAW | {"sample_rate": 16000}, "output": MULAW},
        {"input": MULAW | {"encoding": "ulaw"}, "output": MULAW},
    ],
)
def test_other_sound_than_telephone_mulaw_is_invalid(audio: dict[str, Any]) -> None:
    assert refusal(settings() | {"audio": audio}).code == "INVALID_SETTINGS"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('{"type":"KeepAlive"}', KeepAlive()),
        ('{"type":"ForceEndTurn"}', protocol.ForceEndTurn()),
        (
            '{"type":"UpdatePrompt","prompt":"And be brief."}',
            protocol.UpdatePrompt("And be brief."),
        ),
        ('{"type":"InjectUserMessage","content":"one"}', InjectUserMessage("one")),
        ('{"type":"InjectAgentMessage","message":"Hm."}', InjectAgentMessage("Hm.", "default")),
        (
            '{"type":"InjectAgentMessage","message":"Hm.","behavior":"queue"}',
            InjectAgentMessage("Hm.", "queue"),
        ),
        (
            '{"type":"FunctionCallResponse","id":"call_1","name":"f","content":"{}"}',
            FunctionCallResponse("call_1", "f", "{}"),
        ),
        (
            '{"type":"UpdateSpeak","speak":{"provider":{"type":"deepgram","model":"aura-2-zeus-en"}}}',
            protocol.UpdateSpeak(),
        ),
        (
            '{"type":"UpdateThink","think":{"provider":{"type":"open_ai","model":"gpt-5"}}}',
            UpdateThink({}),
        ),
        (
            '{"type":"UpdateListen","listen":{"provider":{"type":"deepgram","model":"nova-3"}}}',
            UpdateListen({"type": "deepgram", "model": "nova-3"}),
        ),
        ('{"type":"__customToThinkProvider","content":[1]}', protocol.CustomToThinkProvider()),
    ],
)
def test_every_other_message_is_read(frame: str, message: protocol.ClientMessage) -> None:
    assert parse(frame) == message


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "hello",
        "[]",
        "null",
        '{"type":1}',
        '{"type":"Setting"}',
        '{"type":"SettingsConfiguration"}',
        '{"type":"KeepAlive","extra":1}',
        '{"type":"UpdatePrompt","prompt":NaN}',
        '{"type":"InjectAgentMessage","content":"the old name"}',
        '{"type":"InjectAgentMessage","message":"Hm.","behavior":"loud"}',
        '{"type":"InjectAgentMessage","is_dynamic":true}',
        '{"type":"FunctionCallResponse","id":"1","output":"the old name"}',
        '{"type":"FunctionCallResponse","id":"1","name":"f","content":{}}',
        '{"type":"UpdateListen","listen":{}}',
        '{"type":"UpdateThink_Live","think_live":{}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_message_cannot_be_parsed(frame: str) -> None:
    refused = parse(frame)

    assert isinstance(refused, Refusal)
    assert refused.code == "UNPARSABLE_CLIENT_MESSAGE"


def test_a_refusal_does_not_quote_what_was_said() -> None:
    assert "1234" not in repr(refusal({"type": "InjectUserMessage", "content": [1234]}))


@pytest.mark.parametrize(
    ("stage", "frame", "code"),
    [
        (Stage.WELCOMED, '{"type":"KeepAlive"}', "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"),
        (Stage.APPLYING, '{"type":"KeepAlive"}', "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"),
        (Stage.APPLYING, FULL, "SETTINGS_ALREADY_APPLIED"),
        (Stage.TALKING, FULL, "SETTINGS_ALREADY_APPLIED"),
        (Stage.WELCOMED, FULL, None),
        (Stage.TALKING, '{"type":"KeepAlive"}', None),
    ],
)
def test_settings_come_first_and_once(stage: Stage, frame: str, code: str | None) -> None:
    message = parse(frame)
    assert not isinstance(message, Refusal)

    refused = admit(message, stage)

    assert (refused and refused.code) == code


KNOWN_KEYS = st.sampled_from(
    ["type", "model", "version", "name", "role", "content", "provider", "functions", "endpoint"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | KNOWN_KEYS, inner),
    max_leaves=12,
)
TYPES = st.sampled_from(sorted(protocol.TYPES))


@given(st.text() | JSON.map(json.dumps))
def test_whatever_arrives_is_read_or_refused(frame: str) -> None:
    assert parse(frame) is not None


@given(TYPES, st.dictionaries(KNOWN_KEYS, JSON))
def test_whatever_a_message_holds_is_read_or_refused(type_: str, fields: dict[str, Any]) -> None:
    assert parse(json.dumps({**fields, "type": type_})) is not None


@given(JSON, JSON, JSON)
def test_whatever_an_agent_is_made_of_is_read_or_refused(a: Any, b: Any, c: Any) -> None:
    agent = {"listen": {"provider": a}, "think": {"provider": b}, "speak": [{"provider": c}]}

    assert isinstance(parse(json.dumps(settings(**agent))), Settings | Refusal)
