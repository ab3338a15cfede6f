"""What the stand-in keeps of a client's `Settings`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROMPT_LIMIT = 25_000
"""Characters of prompt that a managed model takes; what is longer is cut, with a Warning."""

EOT_TIMEOUT_S = 5.0
"""Quiet after which a turn ends without anybody being sure that it has."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function which the language model may call."""

    name: str
    client_side: bool
    deferred: bool


@dataclass(frozen=True, slots=True)
class Listening:
    """The part of the listen provider that turn taking depends on."""

    eager: bool = False
    manual: bool = False
    """`eot_threshold` 1.0: no pause alone confirms a turn before the timeout."""
    eot_timeout_s: float = EOT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Settings:
    """The first message of a session, valid by construction."""

    raw: Mapping[str, Any] = field(repr=False)
    greeting: str = field(repr=False)
    history: bool
    experimental: bool
    functions: Mapping[str, Function]
    listen: Mapping[str, Any]
    """The listen provider."""
    context: Sequence[Mapping[str, Any]] = field(repr=False)
    long_prompt: bool = False


def read(raw: Mapping[str, Any]) -> Settings:
    """What the stand-in keeps of a message which fits `schema.SETTINGS`."""
    # An agent given by its UUID is stored with the service, of which there is none here.
    agent = raw["agent"] if isinstance(raw["agent"], dict) else {}
    return Settings(
        raw=raw,
        greeting=agent.get("greeting", ""),
        history=raw.get("flags", {}).get("history", True),
        experimental=raw.get("experimental", False),
        functions=functions(agent.get("think", {})),
        listen=agent.get("listen", {}).get("provider", {}),
        context=tuple(agent.get("context", {}).get("messages", ())),
        long_prompt=_long_prompt(agent.get("think", {})),
    )


def _first(think: Any) -> Mapping[str, Any]:
    first: Mapping[str, Any] = think[0] if isinstance(think, list) else think
    return first


def _long_prompt(think: Any) -> bool:
    first = _first(think)
    return "endpoint" not in first and len(first.get("prompt", "")) > PROMPT_LIMIT


def functions(think: Any) -> dict[str, Function]:
    """The functions of a `think` block: of its first provider, as the others are fallbacks."""
    return {
        raw["name"]: Function(raw["name"], "endpoint" not in raw, raw.get("defer_until_eot", False))
        for raw in _first(think).get("functions", ())
    }


def listening(provider: Mapping[str, Any]) -> Listening:
    """How a listen provider takes turns."""
    return Listening(
        eager="eager_eot_threshold" in provider,
        manual=provider.get("eot_threshold") == 1.0,
        eot_timeout_s=provider.get("eot_timeout_ms", EOT_TIMEOUT_S * 1000) / 1000,
    )
