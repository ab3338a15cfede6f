"""What is said in a conversation: a script in YAML, one entry a user turn.

    turns:
      - caller: What cars do you have?       # what a simulated caller says
        heard: What cars do you have?        # what the agent recognises; default: what was said
        say: [We have three., The first...]  # the agent's sentences, each spoken on its own
        think_s: 0.4                         # the language model's time; default: the server's
        interrupt_after_s: 3                 # the caller says this so long into the answer before
        press: "1234#"                       # keys that the caller presses after the answer
        call:                                # functions called once `say` is said
          - name: book
            arguments: {day: Monday}
            then: ["Booked: {response}"]     # said with the response
            defer_until_eot: true            # not before the turn is confirmed
            response: "{}"                   # of a function which the service calls itself
            thought_signature: b64           # as some language models have it
    otherwise:                               # turns beyond the last one
      heard: [...]                           # one after the other
      say: [...]

The script does not understand a word: the n-th turn is the n-th entry. Turns in the context that
a session begins with count, so a session that takes over another goes on where that one was.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEFAULT = Path(__file__).parent / "scripts" / "car_seller.yaml"
"""The script that comes with the product: a call to a car dealer."""


class BadScript(ValueError):
    """A script file does not say what a script says."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A function that the agent calls."""

    name: str
    arguments: str = "{}"
    then: tuple[str, ...] = ()
    defer_until_eot: bool = False
    response: str = '{"ok":true}'
    thought_signature: str = field(default="", repr=False)

    def said(self, response: str) -> list[str]:
        """The sentences which follow the response."""
        return [sentence.replace("{response}", response) for sentence in self.then]


@dataclass(frozen=True, slots=True)
class Turn:
    """One user turn, and what the agent makes of it."""

    heard: str = field(repr=False)
    caller: str = field(default="", repr=False)
    say: tuple[str, ...] = field(default=(), repr=False)
    call: tuple[ScriptedCall, ...] = ()
    think_s: float | None = None
    interrupt_after_s: float | None = None
    press: str = field(default="", repr=False)

    def sentences(self) -> list[str]:
        """Everything that the agent may say in this turn."""
        return [*self.say, *(sentence for call in self.call for sentence in call.then)]


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation, and what goes on after its end."""

    turns: tuple[Turn, ...]
    heard: tuple[str, ...] = ("I see.", "And what else?", "Tell me more about that.")
    say: tuple[str, ...] = (
        "That is a good question.",
        "Let me tell you what I know about it.",
        "Is there anything else that I can do for you?",
    )

    def turn(self, number: int) -> Turn:
        """The user turn of this number, the first being 0; there is no last one."""
        if number < len(self.turns):
            return self.turns[number]
        beyond = number - len(self.turns)
        return Turn(heard=self.heard[beyond % len(self.heard)], say=self.say)

    def resume(self, context: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
        """Where a conversation with this context stands.

        Returns:
            The number of the next user turn, and what of the last answer has not been said.
        """
        asked = [i for i, message in enumerate(context) if _is_user(message)]
        if not asked:
            return 0, []
        said = " ".join(message.get("content", "") for message in context[asked[-1] + 1 :])
        answer = self.turn(len(asked) - 1).sentences()
        return len(asked), [sentence for sentence in answer if sentence not in said]


def _is_user(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "user" and bool(message["content"].strip())


def load(path: str | Path | None = None) -> Script:
    """Read a script file: the packaged one if none is named.

    Raises:
        BadScript: If it is not a script; the sentence names the place.
        OSError: If there is no such file.
    """
    try:
        return parse(yaml.safe_load(Path(path or DEFAULT).read_text("utf-8")))
    except yaml.YAMLError as error:
        raise BadScript("not YAML") from error


def parse(document: Any) -> Script:
    """A script out of a YAML document.

    Raises:
        BadScript: If it is not a script; the sentence names the place.
    """
    known = _known(document, {"turns", "otherwise"}, "script")
    otherwise = _known(known.get("otherwise", {}), {"heard", "say"}, "otherwise")
    lists = {key: _texts(value, f"otherwise.{key}") for key, value in otherwise.items()}
    if not all(lists.values()):
        raise BadScript("otherwise: an empty list")
    turns = _list(known.get("turns", []), "turns")
    return Script(tuple(_turn(raw, f"turns[{i}]") for i, raw in enumerate(turns)), **lists)


def _turn(raw: Any, place: str) -> Turn:
    known = _known(raw, {*Turn.__slots__}, place)
    calls = _list(known.get("call", []), f"{place}.call")
    caller = _text(known.get("caller", known.get("heard")), f"{place}.caller")
    return Turn(
        heard=_text(known.get("heard", caller), f"{place}.heard"),
        caller=caller,
        say=_texts(known.get("say", []), f"{place}.say"),
        call=tuple(_call(call, f"{place}.call[{i}]") for i, call in enumerate(calls)),
        think_s=_seconds(known.get("think_s"), f"{place}.think_s"),
        interrupt_after_s=_seconds(known.get("interrupt_after_s"), f"{place}.interrupt_after_s"),
        press=_keys(known.get("press", ""), f"{place}.press"),
    )


def _call(raw: Any, place: str) -> ScriptedCall:
    known = _known(raw, {*ScriptedCall.__slots__}, place)
    arguments = _known(known.get("arguments", {}), None, f"{place}.arguments")
    return ScriptedCall(
        name=_text(known.get("name"), f"{place}.name"),
        arguments=json.dumps(arguments),
        then=_texts(known.get("then", []), f"{place}.then"),
        defer_until_eot=known.get("defer_until_eot", False) is True,
        response=_text(known.get("response", ScriptedCall("").response), f"{place}.response"),
        thought_signature=_text(known.get("thought_signature", ""), f"{place}.thought_signature"),
    )


def _known(value: Any, keys: set[str] | None, place: str) -> Mapping[str, Any]:
    """A mapping that has these keys at most; None for any keys."""
    if not isinstance(value, dict):
        raise BadScript(f"{place}: expected a mapping")
    if keys is not None and (unknown := [str(key) for key in value if key not in keys]):
        raise BadScript(f"{place}: unknown key {unknown[0]}")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadScript(f"{place}: expected a list")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise BadScript(f"{place}: expected a text")
    return value


def _keys(value: Any, place: str) -> str:
    keys = _text(value, place)
    if not set(keys) <= set("0123456789*#"):
        raise BadScript(f"{place}: expected keys of a phone")
    return keys


def _texts(value: Any, place: str) -> tuple[str, ...]:
    return tuple(_text(item, f"{place}[{i}]") for i, item in enumerate(_list(value, place)))


def _seconds(value: Any, place: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadScript(f"{place}: expected a number of seconds")
    return float(value)
