"""Deepgram's Voice Agent protocol (v1), as values: text frames in, events out, and back.

Events carry what the conversation acts on and no more; fields that Deepgram adds
are ignored, and so are messages that it adds (`Unknown`). Only a message that we
know and that lacks what its name promises is refused.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.vocabulary import BadMessage

# What reading foreign JSON can raise. These, and only these, become BadMessage.
_MALFORMED = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Welcome:
    request_id: str


@dataclass(frozen=True, slots=True)
class SettingsApplied:
    pass


@dataclass(frozen=True, slots=True)
class UserText:
    """The caller's turn is confirmed. Empty: a noise."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AgentText:
    """A sentence that the agent is about to say."""

    text: str = field(repr=False)
    behavior: str = "default"


@dataclass(frozen=True, slots=True)
class UserStartedSpeaking:
    pass


@dataclass(frozen=True, slots=True)
class AgentAudioDone:
    """The last sound of an utterance was sent. Says nothing of when it is heard."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    id: str
    name: str
    arguments: str = field(repr=False)  # JSON
    client_side: bool = True
    signature: str = field(default="", repr=False)  # `thought_signature` of some models


@dataclass(frozen=True, slots=True)
class FunctionCallRequest:
    functions: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True)
class FunctionAnswered:
    """What a function has answered that Deepgram called itself."""

    name: str
    content: str = field(repr=False)
    id: str = ""  # it may be left out


@dataclass(frozen=True, slots=True)
class FunctionCallCancelled:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatencyReport:
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class InjectionRefused:
    pass


@dataclass(frozen=True, slots=True)
class Updated:
    """A change of the Settings is in force: of the "prompt", of "think", of "speak"."""

    what: str


@dataclass(frozen=True, slots=True)
class AgentWarning:
    code: str


@dataclass(frozen=True, slots=True)
class AgentError:
    """The session is over; a close follows."""

    code: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A message that we know and that asks nothing of us: an acknowledgement, or telemetry."""

    type: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message from after this was written."""

    type: str


Event = (
    Welcome
    | SettingsApplied
    | UserText
    | AgentText
    | UserStartedSpeaking
    | AgentAudioDone
    | FunctionCallRequest
    | FunctionAnswered
    | FunctionCallCancelled
    | LatencyReport
    | InjectionRefused
    | Updated
    | AgentWarning
    | AgentError
    | Noted
    | Unknown
)

# Errors after which a new session with the same settings would fail alike
# (developers.deepgram.com/docs/voice-agent-errors-warnings).
FINAL_ERRORS = frozenset(
    {
        "AGENT_ID_NOT_SUPPORTED",
        "BINARY_MESSAGE_BEFORE_SETTINGS",
        "DATA-0002",
        "INVALID_AGENT_ID",
        "INVALID_SETTINGS",
        "NON_EXISTENT_FUNCTION_CALLED",
        "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS",
        "SETTINGS_ALREADY_APPLIED",
        "UNPARSABLE_CLIENT_MESSAGE",
        "USER_AUDIO_FORMAT",
    }
)

_NOTED = frozenset(
    {
        "AgentStartedSpeaking",  # with `experimental` only, and then not always
        "AgentThinking",  # not on every turn
        "EndOfTurn",  # in production, in no specification
        "FrustrationDetected",
        "History",  # repeats what ConversationText and our own answers have said
        "ListenUpdated",
        "ThinkLiveUpdated",
        "__customFromThinkProvider",
    }
)


def parse(text: str | bytes) -> Event:
    """Read one text frame from the agent.

    Raises:
        BadMessage: If it is no JSON object with a type, or lacks what its type promises.
    """
    try:
        message = json.loads(text)
        kind = _text(message["type"])
        if kind in _NOTED:
            return Noted(kind)
        reader = _READERS.get(kind)
        return reader(message) if reader else Unknown(kind)
    except _MALFORMED as exc:
        # Only the kind of error, and no cause: the rest may quote the caller.
        raise BadMessage(f"deepgram: {type(exc).__name__}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    value.encode()  # half a surrogate pair could not be written to the log
    return value


def _conversation_text(message: dict[str, Any]) -> Event:
    content = _text(message["content"])
    match message["role"]:
        case "user":
            return UserText(content)
        case "assistant":
            return AgentText(content, _text(message.get("conversational_behavior") or "default"))
    raise ValueError("role")


def _request(message: dict[str, Any]) -> Event:
    return FunctionCallRequest(
        tuple(
            FunctionCall(
                _text(each["id"]),
                _text(each["name"]),
                _text(each.get("arguments") or "{}"),
                each.get("client_side", True) is not False,
                _text(each.get("thought_signature") or ""),
            )
            for each in message["functions"]
        )
    )


def _answered(message: dict[str, Any]) -> Event:
    call_id = _text(message.get("id") or "")
    return FunctionAnswered(_text(message["name"]), _text(message["content"]), call_id)


def _cancelled(message: dict[str, Any]) -> Event:
    return FunctionCallCancelled(tuple(_text(each["id"]) for each in message["functions"]))


def _latency(message: dict[str, Any]) -> Event:
    # One field a message, or all in one; numbers, or numbers as strings.
    given = {k: v for k, v in message.items() if k.endswith("_latency") and v is not None}
    return LatencyReport({_text(name): _seconds(value) for name, value in given.items()})


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError("not finite")
    return seconds


_READERS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "Welcome": lambda m: Welcome(_text(m.get("request_id") or m.get("session_id") or "")),
    "SettingsApplied": lambda _: SettingsApplied(),
    "ConversationText": _conversation_text,
    "UserStartedSpeaking": lambda _: UserStartedSpeaking(),
    "AgentAudioDone": lambda _: AgentAudioDone(),
    "FunctionCallRequest": _request,
    "FunctionCallResponse": _answered,
    "FunctionCallCancelled": _cancelled,
    "LatencyReport": _latency,
    "InjectionRefused": lambda _: InjectionRefused(),
    "PromptUpdated": lambda _: Updated("prompt"),
    "ThinkUpdated": lambda _: Updated("think"),
    "SpeakUpdated": lambda _: Updated("speak"),
    "Warning": lambda m: AgentWarning(_text(m.get("code") or "UNKNOWN")),
    "Error": lambda m: AgentError(_text(m.get("code") or "UNKNOWN")),
}


# -- what we send ------------------------------------------------------------

FORCE_END_TURN = '{"type":"ForceEndTurn"}'


def settings(agent: dict[str, Any], siblings: dict[str, Any]) -> str:
    """The Settings message: an agent block as it stands, sound as the telephone has it.

    Args:
        agent: Deepgram's `Settings.agent`.
        siblings: What stands beside it: tags, flags, mip_opt_out, experimental, ...
    """
    sound = {"encoding": "mulaw", "sample_rate": 8000}
    audio = {"input": sound, "output": {**sound, "container": "none"}}
    return json.dumps({"type": "Settings", **siblings, "audio": audio, "agent": agent})


def function_call_response(call: FunctionCall, content: str) -> str:
    message = {"type": "FunctionCallResponse", "id": call.id, "name": call.name, "content": content}
    return json.dumps(message)


def inject_agent_message(text: str, behavior: str = "queue") -> str:
    return json.dumps({"type": "InjectAgentMessage", "message": text, "behavior": behavior})


def inject_user_message(text: str) -> str:
    return json.dumps({"type": "InjectUserMessage", "content": text})


def update(what: str, content: str) -> str:
    """A change of the Settings. `content`: a text for "prompt", else the block as JSON."""
    value = content if what == "prompt" else json.loads(content)
    return json.dumps({"type": f"Update{what.capitalize()}", what: value})
