"""What the service says: every server message as a JSON object, its fields in their order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

SETTINGS_APPLIED: Event = {"type": "SettingsApplied"}
USER_STARTED_SPEAKING: Event = {"type": "UserStartedSpeaking"}
AGENT_AUDIO_DONE: Event = {"type": "AgentAudioDone"}
PROMPT_UPDATED: Event = {"type": "PromptUpdated"}
SPEAK_UPDATED: Event = {"type": "SpeakUpdated"}
THINK_UPDATED: Event = {"type": "ThinkUpdated"}
LISTEN_UPDATED: Event = {"type": "ListenUpdated"}


@dataclass(frozen=True, slots=True)
class Call:
    """One function call of the language model."""

    id: str
    name: str
    arguments: str = field(repr=False)
    client_side: bool
    thought_signature: str = field(default="", repr=False)
    """Of the language models that have one."""

    @property
    def signed(self) -> Event:
        """The field that only calls of those models have."""
        return {"thought_signature": self.thought_signature} if self.thought_signature else {}


def render(event: Event) -> str:
    """An event as the text frame that carries it."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def welcome(request_id: str) -> Event:
    """The first message, sent before anything was asked."""
    return {"type": "Welcome", "request_id": request_id}


def conversation_text(role: str, content: str) -> Event:
    """A confirmed user turn, or one sentence of the agent just before its sound."""
    return {
        "type": "ConversationText",
        "role": role,
        "content": content,
        "conversational_behavior": "default",
    }


def history(role: str, content: str) -> Event:
    """What was just said, in the form that `agent.context.messages` takes."""
    return {"type": "History", "role": role, "content": content}


def history_calls(answered: Sequence[tuple[Call, str]]) -> Event:
    """Function calls with their responses, in the form that `agent.context.messages` takes."""
    calls = [
        {
            "id": call.id,
            "name": call.name,
            "client_side": call.client_side,
            "arguments": call.arguments,
            "response": response,
            **call.signed,
        }
        for call, response in answered
    ]
    return {"type": "History", "function_calls": calls}


def function_call_request(calls: Sequence[Call]) -> Event:
    """The language model wants functions called."""
    functions = [
        {
            "id": call.id,
            "name": call.name,
            "arguments": call.arguments,
            "client_side": call.client_side,
            **call.signed,
        }
        for call in calls
    ]
    return {"type": "FunctionCallRequest", "functions": functions}


def function_call_cancelled(calls: Sequence[Call]) -> Event:
    """The user went on speaking: nobody waits for these any more."""
    functions = [{"id": call.id, "name": call.name} for call in calls]
    return {"type": "FunctionCallCancelled", "functions": functions}


def function_call_response(call: Call, content: str) -> Event:
    """What a function returned which the service called itself."""
    return {"type": "FunctionCallResponse", "id": call.id, "name": call.name, "content": content}


def agent_started_speaking(total: float, tts: float, ttt: float) -> Event:
    """The first sound of an utterance; only sessions with `experimental` are told."""
    return {
        "type": "AgentStartedSpeaking",
        "total_latency": total,
        "tts_latency": tts,
        "ttt_latency": ttt,
    }


def latency_report(name: str, seconds: float | str) -> Event:
    """One figure of a turn: the service splits its reports so."""
    return {"type": "LatencyReport", name: seconds}


def injection_refused(message: str) -> Event:
    """An injected message will not be said."""
    return {"type": "InjectionRefused", "message": message}


def end_of_turn(trigger: str) -> Event:
    """In production, in no specification: Flux is sure of a turn's end, or tired of waiting."""
    return {"type": "EndOfTurn", "trigger": trigger}


def warning(code: str, description: str) -> Event:
    """Something is amiss and the session goes on."""
    return {"type": "Warning", "code": code, "description": description}


def error(code: str, description: str) -> Event:
    """Something is amiss and the session is over."""
    return {"type": "Error", "code": code, "description": description}
