"""JSON Schema of agent files, by which editors complete and check them as they are typed.

`python -m worker schema` prints it; `agents/schema.json` is what it printed. Of our own part
it is strict, since it is made of `Bridge`; of Deepgram's it knows what is documented, and lets
pass what is not: a field that Deepgram adds tomorrow can be used tomorrow.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from shared.settings import NUMBER
from worker.agents.bridge import SIP, described
from worker.tools import BUILT_IN

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_TARGET = {"type": "string", "pattern": f"^(?:{NUMBER}|{SIP})$"}


def schema() -> dict[str, Any]:
    """The schema of an agent file in three parts."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Agent file",
        "type": "object",
        "required": ["agent"],
        "additionalProperties": False,
        "properties": {
            "agent": _agent(),
            "settings": {
                "description": "What stands beside agent in Deepgram's Settings.",
                **_object(
                    tags=_list_of(_TEXT),
                    experimental={"type": "boolean"},
                    mip_opt_out={"type": "boolean"},
                    flags=_object(history={"type": "boolean"}),
                ),
            },
            "bridge": _bridge(),
        },
    }


def _bridge() -> dict[str, Any]:
    """Our own part, with what is known of some fields beyond their types."""
    properties = described()
    names = {"anyOf": [{"enum": list(BUILT_IN)}, {"type": "string"}]}
    properties["tools"]["items"] = names
    properties["numbers"]["items"] = _TARGET
    properties["transfers"]["additionalProperties"] = _TARGET
    return {
        "description": "Holdfast's own part.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


def _agent() -> dict[str, Any]:
    """Deepgram's agent block, or the UUID of one that Deepgram keeps."""
    block = _object(
        greeting={**_TEXT, "description": "What the agent says first. May hold ${from}, ${to}."},
        language={**_TEXT, "description": "Better: language of listen's and speak's provider."},
        context=_object(messages=_list_of({"type": "object"})),
        listen=_one_or_more(_object(provider=_listen())),
        think=_one_or_more(_think()),
        speak=_one_or_more(_object(provider=_speak(), endpoint=_endpoint())),
    )
    stored = {"type": "string", "format": "uuid", "description": "A stored agent's UUID."}
    return {"description": "Deepgram's Settings.agent.", "anyOf": [block, stored]}


def _listen() -> dict[str, Any]:
    return _provider(
        ["deepgram"],
        version={"enum": ["v1", "v2"], "description": "v2 for Flux."},
        model={**_TEXT, "examples": ["flux-general-en", "flux-general-multi", "nova-3"]},
        language=_TEXT,
        language_hints=_list_of(_TEXT),
        keyterms=_list_of(_TEXT),
        smart_format={"type": "boolean"},
        eot_threshold=_between(0.5, 1.0),
        eager_eot_threshold=_between(0.3, 0.9),
        eot_timeout_ms={"type": "integer", "minimum": 500, "maximum": 60000},
    )


def _think() -> dict[str, Any]:
    kinds = ["open_ai", "anthropic", "google", "groq", "aws_bedrock", "nvidia", "deepgram"]
    provider = _provider(
        kinds,
        model=_TEXT,
        temperature=_between(0, 2),
        reasoning_mode={"enum": ["none", "minimal", "low", "medium", "high"]},
    )
    function = _object(
        name=_TEXT,
        description=_TEXT,
        parameters={"type": "object", "description": "JSON Schema."},
        endpoint=_endpoint(method=_TEXT),
        defer_until_eot={"type": "boolean"},
    )
    return _object(
        provider=provider,
        endpoint=_endpoint(),
        prompt={**_TEXT, "description": "May hold ${from}, ${to} and parameters."},
        functions=_list_of(function),
        context_length={"anyOf": [{"enum": ["max"]}, _NUMBER]},
    )


def _speak() -> dict[str, Any]:
    return _provider(
        ["deepgram", "eleven_labs", "cartesia", "open_ai", "aws_polly"],
        version=_TEXT,
        model={**_TEXT, "examples": ["aura-2-thalia-en", "flux-kit-en"]},
        model_id=_TEXT,
        voice={},
        language=_TEXT,
        speed=_NUMBER,
    )


def _endpoint(**more: Any) -> dict[str, Any]:
    """Where requests go; a secret in a header is `${env:NAME}`."""
    headers = {"type": "object", "additionalProperties": _TEXT}
    headers["description"] = "Secrets as ${env:NAME}: filled in only when it is sent."
    return _object(url=_TEXT, headers=headers, **more)


def _provider(kinds: list[str], **properties: Any) -> dict[str, Any]:
    # `examples` complete like `enum`, and let through what is added tomorrow.
    return {**_object(type={**_TEXT, "examples": kinds}, **properties), "required": ["type"]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _one_or_more(block: dict[str, Any]) -> dict[str, Any]:
    """A block, or several in order of preference: each is asked when the one before it fails."""
    return {"anyOf": [block, _list_of(block)]}


def _between(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


def printed() -> str:
    """The schema as it stands in its file."""
    return json.dumps(schema(), indent=2) + "\n"


def main(_arguments: Sequence[str], _environ: Mapping[str, str]) -> int:
    """`python -m worker schema`."""
    sys.stdout.write(printed())
    return 0
