"""What a tool or an operator may have done in mid-call, and what that makes of the Settings.

Deepgram acknowledges each change of its Settings; from then on it is in force, and in the log.
A change that makes no sense cannot be made: whoever asks for it is told what is wrong, by a
TypeError or a ValueError.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PROMPT, THINK, SPEAK = "prompt", "think", "speak"
"""What can be changed: the words of `record.Updated`, and of Deepgram's messages."""

# What an UpdateThink that is silent about these would take away.
_KEPT = ("prompt", "functions")


@dataclass(frozen=True, slots=True)
class Say:
    """Have the agent say these words, after what it is saying."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        _must_be_text(self.text)


@dataclass(frozen=True, slots=True)
class Update:
    """Change the agent: append to its prompt, or give it another `think` or `speak` block."""

    what: str
    content: str = field(repr=False)  # the text, or the block as JSON

    def __post_init__(self) -> None:
        _must_be_text(self.content)
        if self.what != PROMPT:
            _must_be_blocks(json.loads(self.content))


@dataclass(frozen=True, slots=True)
class Pause:
    """Keep nothing of what is said from now on, neither words nor sound."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Keep it again."""


Change = Say | Update | Pause | Resume


def _must_be_text(value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"must be a text, not {type(value).__name__}")
    value.encode()  # half a surrogate pair could not be logged


def _must_be_blocks(value: object) -> None:
    blocks = value if isinstance(value, list) else [value]
    if not blocks or not all(isinstance(each, dict) for each in blocks):
        raise TypeError("must be a block or a list of blocks, each a mapping")


def voice(model: str) -> Update:
    """Another of Deepgram's voices, by its name, such as `aura-2-thalia-en`."""
    _must_be_text(model)
    provider = {"type": "deepgram", "model": model}
    if model.startswith("flux-"):
        provider["version"] = "v2"
    return Update(SPEAK, json.dumps({"provider": provider}))


CHANGES: dict[str, Callable[[str], Change]] = {
    "say": Say,
    "prompt": lambda text: Update(PROMPT, text),
    "voice": voice,
    "pause": lambda _: Pause(),
    "resume": lambda _: Resume(),
}
"""What an operator may order, by its name: made of the text of the order."""


def whole(update: Update, settings: str) -> Update:
    """This update so that it takes nothing away which it does not speak of.

    Args:
        settings: The Settings in force, JSON.
    """
    if update.what != THINK:
        return update
    now = next(iter(_thinkers(json.loads(settings)["agent"])), {})
    kept = {name: now[name] for name in _KEPT if name in now}
    blocks = json.loads(update.content)
    more = [{**kept, **each} for each in (blocks if isinstance(blocks, list) else [blocks])]
    return Update(THINK, json.dumps(more if isinstance(blocks, list) else more[0]))


def applied(settings: str, what: str, content: str) -> str:
    """The Settings, JSON, with an update that is in force; one without sense changes nothing."""
    try:
        message = json.loads(settings)
        _apply(message["agent"], what, content)
        return json.dumps(message)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return settings  # of a version that writes it otherwise


def _apply(agent: dict[str, Any], what: str, content: str) -> None:
    if what == PROMPT:
        for block in _thinkers(agent):
            block["prompt"] = "\n".join(each for each in (block.get("prompt"), content) if each)
    else:
        agent[what] = json.loads(content)


def _thinkers(agent: dict[str, Any]) -> list[dict[str, Any]]:
    """An agent's `think` block, or the blocks, if one falls back on the next.

    None is made where there is none: one of a prompt alone, say, would be refused.
    """
    block = agent.get(THINK) or []
    return block if isinstance(block, list) else [block]
