"""What a client may say: each text frame read into a value, or refused as the service refuses it.

Pure. `parse` looks at one message alone; `admit` says whether it may come at this point of the
session. What the service says is in `events`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NoReturn

from sim.agent import schema, settings, shapes
from sim.agent.settings import Function, Settings
from sim.agent.shapes import Check, fields, text, word

BEFORE_SETTINGS = "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"
BINARY_BEFORE_SETTINGS = "BINARY_MESSAGE_BEFORE_SETTINGS"
ALREADY_APPLIED = "SETTINGS_ALREADY_APPLIED"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An `Error` in the making: the session ends with it."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class UpdatePrompt:
    """Append to the prompt."""

    prompt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpdateSpeak:
    """Another voice."""


@dataclass(frozen=True, slots=True)
class UpdateThink:
    """Another language model, prompt and set of functions."""

    functions: Mapping[str, Function]


@dataclass(frozen=True, slots=True)
class UpdateListen:
    """Other ears; what is left out keeps its value."""

    provider: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InjectAgentMessage:
    """Have the agent say this."""

    message: str = field(repr=False)
    behavior: str = "default"


@dataclass(frozen=True, slots=True)
class InjectUserMessage:
    """Take this as said by the user."""

    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FunctionCallResponse:
    """What a function returned."""

    id: str | None
    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing but a sign of life."""


@dataclass(frozen=True, slots=True)
class ForceEndTurn:
    """The user's turn is over, whatever the sound says."""


@dataclass(frozen=True, slots=True)
class CustomToThinkProvider:
    """Something for a language model of one's own."""


ClientMessage = (
    Settings
    | UpdatePrompt
    | UpdateSpeak
    | UpdateThink
    | UpdateListen
    | InjectAgentMessage
    | InjectUserMessage
    | FunctionCallResponse
    | KeepAlive
    | ForceEndTurn
    | CustomToThinkProvider
)

Raw = dict[str, Any]


def _shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    return fields({"type": text, **required}, optional)


# By wire type: the shape, and what to make of a message which has it.
_MESSAGES: dict[str, tuple[Check, Callable[[Raw], ClientMessage]]] = {
    "Settings": (schema.SETTINGS, settings.read),
    "UpdatePrompt": (_shape({"prompt": text}), lambda raw: UpdatePrompt(raw["prompt"])),
    "UpdateSpeak": (_shape({"speak": schema.SPEAK}), lambda _raw: UpdateSpeak()),
    "UpdateThink": (
        _shape({"think": schema.THINK}),
        lambda raw: UpdateThink(settings.functions(raw["think"])),
    ),
    "UpdateListen": (
        _shape({"listen": schema.LISTEN_UPDATE}),
        lambda raw: UpdateListen(raw["listen"]["provider"]),
    ),
    "InjectAgentMessage": (
        _shape({"message": text}, {"behavior": word("default", "queue", "interrupt")}),
        lambda raw: InjectAgentMessage(raw["message"], raw.get("behavior", "default")),
    ),
    "InjectUserMessage": (
        _shape({"content": text}),
        lambda raw: InjectUserMessage(raw["content"]),
    ),
    "FunctionCallResponse": (
        _shape({"name": text, "content": text}, {"id": text}),
        lambda raw: FunctionCallResponse(raw.get("id"), raw["name"], raw["content"]),
    ),
    "KeepAlive": (_shape({}), lambda _raw: KeepAlive()),
    "ForceEndTurn": (_shape({}), lambda _raw: ForceEndTurn()),
    "__customToThinkProvider": (
        _shape({"content": shapes.anything}),
        lambda _raw: CustomToThinkProvider(),
    ),
}

TYPES = frozenset(_MESSAGES)
"""The wire types of all client messages."""


def parse(frame: str) -> ClientMessage | Refusal:
    """Read one text frame; whatever it holds, it is read or refused."""
    try:
        raw = json.loads(frame, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Refusal(shapes.UNPARSABLE, "not JSON")
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in _MESSAGES:
        return Refusal(shapes.UNPARSABLE, "not a message of a known type")
    shape, read = _MESSAGES[kind]
    try:
        shape(raw, "")
    except shapes.UnfitError as unfit:
        return Refusal(unfit.code, f"{kind}: {unfit}")
    return read(raw)


def _no_constant(_name: str) -> NoReturn:
    # Python reads NaN and Infinity, which JSON does not have.
    raise ValueError("not JSON")


class Stage(Enum):
    """How far a session has come."""

    WELCOMED = "welcomed"
    APPLYING = "applying"
    TALKING = "talking"


def admit(message: ClientMessage, stage: Stage) -> Refusal | None:
    """Whether a message may come at this stage: None if it may."""
    match stage, isinstance(message, Settings):
        case (Stage.WELCOMED, True) | (Stage.TALKING, False):
            return None
        case Stage.APPLYING, False:
            return Refusal(BEFORE_SETTINGS, "Wait for SettingsApplied before any other message.")
        case Stage.WELCOMED, False:
            return Refusal(BEFORE_SETTINGS, "The first message must be 'Settings'.")
        case _:
            return Refusal(ALREADY_APPLIED, "Settings can be sent once in a session.")
