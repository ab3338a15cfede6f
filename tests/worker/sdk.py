"""What we send, read by the typed models of Deepgram's own SDK."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

with warnings.catch_warnings():
    # The SDK imports the legacy client of websockets, which warns.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram.agent.v1 import types as models

MODELS: dict[str, type[BaseModel]] = {
    "Settings": models.AgentV1Settings,
    "FunctionCallResponse": models.AgentV1SendFunctionCallResponse,
    "InjectAgentMessage": models.AgentV1InjectAgentMessage,
    "InjectUserMessage": models.AgentV1InjectUserMessage,
    "KeepAlive": models.AgentV1KeepAlive,
    "ForceEndTurn": models.AgentV1ForceEndTurn,
}


def extras(model: Any, path: str = "") -> Iterator[str]:
    """The fields that the SDK has no name for: it keeps them, the service may refuse them."""
    if isinstance(model, BaseModel):
        yield from (f"{path}.{name}" for name in model.model_extra or {})
        for name in type(model).model_fields:
            yield from extras(getattr(model, name), f"{path}.{name}")
    elif isinstance(model, list):
        for number, each in enumerate(model):
            yield from extras(each, f"{path}.{number}")


def holds(whole: Any, part: Any) -> bool:
    """Whether all of `part` is in `whole`; the SDK adds defaults such as a version."""
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def typed(message: str) -> BaseModel:
    """The SDK's own model of a message, if it takes each part of it, and loses none."""
    raw = json.loads(message)
    model = MODELS[raw["type"]].model_validate(raw)
    unknown = list(extras(model))
    assert unknown == [], unknown
    assert holds(model.model_dump(mode="json", exclude_unset=True), raw)
    return model
