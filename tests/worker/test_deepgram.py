"""Deepgram's messages: every one of the protocol is read, or refused without quoting it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary import BadMessage
from sim.agent import protocol
from worker.deepgram import (
    AgentAudioDone,
    AgentError,
    AgentText,
    AgentWarning,
    Event,
    FunctionAnswered,
    FunctionCall,
    FunctionCallCancelled,
    FunctionCallRequest,
    InjectionRefused,
    LatencyReport,
    Noted,
    SettingsApplied,
    Unknown,
    Updated,
    UserStartedSpeaking,
    UserText,
    Welcome,
    function_call_response,
    inject_agent_message,
    inject_user_message,
    parse,
    settings,
)

READ: list[tuple[str, Event]] = [
    # Welcome, and the early-access one
    ('{"type":"Welcome","request_id":"7d1f0b5e-0c0b"}', Welcome("7d1f0b5e-0c0b")),
    ('{"type":"Welcome","session_id":"fe44"}', Welcome("fe44")),
    ('{"type":"Welcome","request_id":null}', Welcome("")),
    ('{"type":"Welcome"}', Welcome("")),
    ('{"type":"SettingsApplied"}', SettingsApplied()),
    # ConversationText
    ('{"type":"ConversationText","role":"user","content":"Yes."}', UserText("Yes.")),
    ('{"type":"ConversationText","role":"user","content":""}', UserText("")),
    (
        '{"type":"ConversationText","role":"user","content":"S\\u00ed.","languages":["es"],'
        '"languages_hinted":["es","en"],"conversational_behavior":"default"}',
        UserText("Sí."),
    ),
    ('{"type":"ConversationText","role":"assistant","content":"Hi."}', AgentText("Hi.")),
    ('{"type":"ConversationText","role":"assistant","content":""}', AgentText("")),
    (
        '{"type":"ConversationText","role":"assistant","content":"Mhm.",'
        '"conversational_behavior":"backchannel"}',
        AgentText("Mhm.", "backchannel"),
    ),
    (
        '{"type":"ConversationText","role":"assistant","content":"Hi.",'
        '"conversational_behavior":null}',
        AgentText("Hi."),
    ),
    # turns
    ('{"type":"UserStartedSpeaking"}', UserStartedSpeaking()),
    ('{"type":"AgentAudioDone"}', AgentAudioDone()),
    ('{"type":"AgentAudioDone","added_tomorrow":[1]}', AgentAudioDone()),
    # functions
    (
        '{"type":"FunctionCallRequest","functions":[{"id":"call_9aZ","name":"book",'
        '"arguments":"{\\"slot\\":\\"3 PM\\"}","client_side":true,"thought_signature":"x"}]}',
        FunctionCallRequest((FunctionCall("call_9aZ", "book", '{"slot":"3 PM"}', signature="x"),)),
    ),
    (
        '{"type":"FunctionCallRequest","functions":[{"id":"a","name":"b","arguments":"{}"},'
        '{"id":"c","name":"d","arguments":"","client_side":false}]}',
        FunctionCallRequest(
            (FunctionCall("a", "b", "{}"), FunctionCall("c", "d", "{}", client_side=False))
        ),
    ),
    (
        '{"type":"FunctionCallRequest","functions":[{"id":"a","name":"b"}]}',
        FunctionCallRequest((FunctionCall("a", "b", "{}"),)),
    ),
    ('{"type":"FunctionCallRequest","functions":[]}', FunctionCallRequest(())),
    (
        '{"type":"FunctionCallCancelled","functions":[{"id":"a","name":"b"},{"id":"c"}]}',
        FunctionCallCancelled(("a", "c")),
    ),
    # LatencyReport: whole, split, and with numbers as strings
    (
        '{"type":"LatencyReport","stt_latency":0.1,"ttt_token_latency":0.41,'
        '"ttt_text_latency":0.5,"ttt_tool_latency":0,"ttt_thinking_latency":null,'
        '"tts_latency":0.07,"total_latency":1}',
        LatencyReport(
            {
                "stt_latency": 0.1,
                "ttt_token_latency": 0.41,
                "ttt_text_latency": 0.5,
                "ttt_tool_latency": 0.0,
                "tts_latency": 0.07,
                "total_latency": 1.0,
            }
        ),
    ),
    (
        '{"type":"LatencyReport","tts_latency":"0.25"}',
        LatencyReport({"tts_latency": 0.25}),
    ),
    ('{"type":"LatencyReport"}', LatencyReport({})),
    # changes in mid-call, injections, warnings, errors
    ('{"type":"PromptUpdated"}', Updated("prompt")),
    ('{"type":"SpeakUpdated"}', Updated("speak")),
    ('{"type":"ThinkUpdated"}', Updated("think")),
    ('{"type":"InjectionRefused","message":"The user is speaking."}', InjectionRefused()),
    ('{"type":"InjectionRefused"}', InjectionRefused()),
    (
        '{"type":"Warning","code":"SLOW_THINK_REQUEST","description":"..."}',
        AgentWarning("SLOW_THINK_REQUEST"),
    ),
    ('{"type":"Warning","description":"..."}', AgentWarning("UNKNOWN")),
    ('{"type":"Warning","code":null}', AgentWarning("UNKNOWN")),
    (
        '{"type":"Error","code":"CLIENT_MESSAGE_TIMEOUT","description":"We waited too long"}',
        AgentError("CLIENT_MESSAGE_TIMEOUT"),
    ),
    ('{"type":"Error","message":"of the early access"}', AgentError("UNKNOWN")),
    ('{"type":"Error","code":null,"description":"..."}', AgentError("UNKNOWN")),
    (
        '{"type":"FunctionCallResponse","id":"call_9aZ","name":"book","content":"{}"}',
        FunctionAnswered("book", "{}", "call_9aZ"),
    ),
    (
        '{"type":"FunctionCallResponse","name":"book","content":"{}"}',
        FunctionAnswered("book", "{}"),
    ),
    # what asks nothing of us
    ('{"type":"History","role":"assistant","content":"Hi."}', Noted("History")),
    (
        '{"type":"History","function_calls":[{"id":"call_9aZ","name":"book",'
        '"client_side":false,"arguments":"{}","response":"{}"}]}',
        Noted("History"),
    ),
    ('{"type":"AgentThinking","content":"Let me see"}', Noted("AgentThinking")),
    (
        '{"type":"AgentStartedSpeaking","total_latency":1.2,"tts_latency":0.1,"ttt_latency":1}',
        Noted("AgentStartedSpeaking"),
    ),
    ('{"type":"EndOfTurn","trigger":"model"}', Noted("EndOfTurn")),
    ('{"type":"ListenUpdated"}', Noted("ListenUpdated")),
    ('{"type":"ThinkLiveUpdated"}', Noted("ThinkLiveUpdated")),
    (
        '{"type":"FrustrationDetected","count":1,"escalated":false}',
        Noted("FrustrationDetected"),
    ),
    (
        '{"type":"__customFromThinkProvider","content":{"a":1}}',
        Noted("__customFromThinkProvider"),
    ),
    # the early access's own, and tomorrow's
    ('{"type":"EndOfThought"}', Unknown("EndOfThought")),
    ('{"type":"FunctionCalling","tool_calls":[]}', Unknown("FunctionCalling")),
    ('{"type":"InstructionsUpdated"}', Unknown("InstructionsUpdated")),
    ('{"type":"UserStoppedSpeaking"}', Unknown("UserStoppedSpeaking")),
    ('{"type":""}', Unknown("")),
]


@pytest.mark.parametrize(("text", "event"), READ, ids=lambda value: str(value)[:60])
def test_a_message_is_read(text: str, event: Event) -> None:
    assert parse(text) == event


REFUSED = [
    "",
    "not JSON, secret",
    "null",
    "7",
    '"secret"',
    "[]",
    '["type"]',
    "{}",
    '{"type":null}',
    '{"type":7}',
    '{"type":["secret"]}',
    '{"type":"ConversationText","role":"user"}',
    '{"type":"ConversationText","content":"secret"}',
    '{"type":"ConversationText","role":"user","content":7}',
    '{"type":"ConversationText","role":"secret","content":"secret"}',
    '{"type":"ConversationText","role":"user","content":"\\ud800 secret"}',
    '{"type":"ConversationText","role":"assistant","content":"s","conversational_behavior":1}',
    '{"type":"Welcome","request_id":7}',
    '{"type":"FunctionCallRequest"}',
    '{"type":"FunctionCallRequest","functions":null}',
    '{"type":"FunctionCallRequest","functions":{"id":"secret"}}',
    '{"type":"FunctionCallRequest","functions":[{"id":"secret"}]}',
    '{"type":"FunctionCallRequest","functions":[{"id":1,"name":"a","arguments":"{}"}]}',
    '{"type":"FunctionCallRequest","functions":[{"id":"a","name":"a","arguments":{"a":1}}]}',
    '{"type":"FunctionCallRequest","function_name":"a","function_call_id":"b","input":{}}',
    '{"type":"FunctionCallCancelled"}',
    '{"type":"FunctionCallCancelled","functions":[{"name":"a"}]}',
    '{"type":"LatencyReport","total_latency":"secret"}',
    '{"type":"LatencyReport","total_latency":[]}',
    '{"type":"LatencyReport","total_latency":"nan"}',
    '{"type":"LatencyReport","total_latency":1e999}',
    r'{"type":"LatencyReport","secret\ud800_latency":1}',
    '{"type":"LatencyReport","total_latency":1' + "0" * 400 + "}",
    '{"type":"Warning","code":7}',
    '{"type":"Error","code":["secret"]}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:60])
def test_a_malformed_message_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse(text)

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_bytes_are_read_as_text() -> None:
    assert parse(b'{"type":"Welcome","request_id":"r"}') == Welcome("r")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(sorted({json.loads(text)["type"] for text, _ in READ}))
FIELDS = st.sampled_from(
    [
        "role",
        "content",
        "functions",
        "id",
        "name",
        "arguments",
        "request_id",
        "code",
        "total_latency",
        "client_side",
        "conversational_behavior",
    ]
)
FUNCTIONS = st.lists(st.dictionaries(FIELDS, JSON, max_size=4), max_size=3)
BODIES = st.dictionaries(FIELDS, JSON | FUNCTIONS | st.sampled_from(["user", "assistant"]))


@given(
    st.text()
    | st.binary()
    | JSON.map(json.dumps)
    | st.builds(lambda kind, body: json.dumps({**body, "type": kind}), TYPES, BODIES)
)
def test_whatever_arrives_is_read_or_refused(frame: str | bytes) -> None:
    with contextlib.suppress(BadMessage):  # the only exception that parse() documents
        parse(frame)


@given(TYPES, BODIES)
def test_what_was_read_can_be_written_to_the_log(kind: str, body: dict[str, Any]) -> None:
    from shared.record import ENTRIES, Heard, Said

    try:
        event = parse(json.dumps({**body, "type": kind}))
    except BadMessage:
        return
    match event:
        case UserText(text):
            assert ENTRIES.pack(Heard(text, 1))
        case AgentText(text, behavior):
            assert ENTRIES.pack(Said(1, text, 1, behavior))


# -- what we send -------------------------------------------------------------


def test_settings_say_how_the_telephone_sounds() -> None:
    message = json.loads(settings({"greeting": "Hi"}, {"tags": ["a"], "mip_opt_out": True}))

    assert message == {
        "type": "Settings",
        "tags": ["a"],
        "mip_opt_out": True,
        "audio": {
            "input": {"encoding": "mulaw", "sample_rate": 8000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {"greeting": "Hi"},
    }


def test_a_function_is_answered_by_id_name_and_content() -> None:
    message = function_call_response(FunctionCall("call_9aZ", "book", "{}"), '{"ok": true}')

    assert json.loads(message) == {
        "type": "FunctionCallResponse",
        "id": "call_9aZ",
        "name": "book",
        "content": '{"ok": true}',
    }


def test_words_are_injected_behind_those_that_wait() -> None:
    assert json.loads(inject_agent_message("Bye.")) == {
        "type": "InjectAgentMessage",
        "message": "Bye.",
        "behavior": "queue",
    }
    assert json.loads(inject_user_message("(42)")) == {
        "type": "InjectUserMessage",
        "content": "(42)",
    }


@pytest.mark.parametrize("event", [UserText("secret"), AgentText("secret")], ids=str)
def test_words_stay_out_of_a_repr(event: Event) -> None:
    assert "secret" not in repr(event)


def test_arguments_stay_out_of_a_repr() -> None:
    assert "secret" not in repr(FunctionCallRequest((FunctionCall("a", "b", "secret"),)))


@given(st.text(), st.text(), st.text(), st.sampled_from(["default", "queue", "interrupt"]))
def test_whatever_we_say_the_service_understands(a: str, b: str, c: str, behavior: str) -> None:
    answer = function_call_response(FunctionCall(a, b, "{}"), c)

    assert protocol.parse(answer) == protocol.FunctionCallResponse(a, b, c)
    told = protocol.parse(inject_agent_message(a, behavior))
    assert told == protocol.InjectAgentMessage(a, behavior)
    assert protocol.parse(inject_user_message(a)) == protocol.InjectUserMessage(a)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_whatever_an_agent_is_told_to_be_the_service_understands(
    text: str, tags: list[str]
) -> None:
    think = {"provider": {"type": "open_ai", "model": text}, "prompt": text}
    message = settings({"greeting": text, "think": think}, {"tags": tags})

    assert not isinstance(protocol.parse(message), protocol.Refusal)
