"""Agent files: what the agent is, as YAML in three parts.

    agent:     Deepgram's `Settings.agent`, passed through as it stands, unknown fields and all
    settings:  what stands beside it in Settings: tags, flags, mip_opt_out, experimental
    bridge:    ours, and strict

A file that holds the agent block alone is taken as such, and so is a whole
Settings message. The early-access shape of Deepgram's first Twilio guide is
converted, with a warning for each thing that became another (`worker.oldshape`).
"""

import copy
import math
import os.path
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any

import yaml

from shared.calls import Claim, Ringing
from shared.lines import sound_of
from shared.settings import Settings
from worker import deepgram, oldshape
from worker.terms import Line, Terms
from worker.toolbox import Toolbox
from worker.tools import BUILT_IN, TRANSFER_CALL

DEFAULT = "default"

NO_TOOLS = Toolbox()
"""What there is without the setting TOOLS."""

# Deepgram's own, where the agent block names none.
EOT_TIMEOUT_S = 5.0

# E.164, or an address of SIP.
_TARGET = re.compile(r"\+[1-9][0-9]{4,14}|sips?:[^\s<>\"]+@[^\s<>\"]+")

_PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")

# Half of a surrogate pair: YAML can write one, UTF-8 cannot.
_HALF = re.compile("[\ud800-\udfff]")


class BadAgentFile(ValueError):
    """An agent file that cannot be used: names file, line and field."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The part that is ours. All fields are optional in the file."""

    tools: tuple[str, ...] = ()
    """Functions of ours that the agent may call."""
    protect_greeting: bool | None = None
    """Whether the caller's "hello?" leaves the greeting alone. Not set: on outbound calls only."""
    goodbye: str = "Goodbye."
    """What is said when the call must end and the agent has no word for it."""
    transfers: dict[str, str] = field(default_factory=dict, repr=False)
    """To whom `transfer_call` may transfer: a name for the agent, a phone number or SIP address."""
    filler: str = "One moment, please."
    """What is said when an answer takes long."""
    still_there: str = "Are you still there?"
    """What is said when nobody has spoken for `idle_s`; after the second time the call ends."""
    last_minute: str = "We have one more minute."
    """What is said a minute before the call has lasted `MAX_CALL_S`."""
    idle_s: float = 10.0
    """Seconds of silence of both sides; 0: it may last for ever."""
    go_on: str = "(The line was interrupted for a moment. Please go on where you stopped.)"
    """What an agent is told that takes up the call where another was cut off."""
    hold: str = "One moment, please."
    """The text of `hold_sound`."""
    hold_sound: str = ""
    """Mu-law file that is played when the agent has been gone for two seconds. Empty: ours."""
    apology: str = "Sorry, something went wrong on our side. Please call again later."
    """The text of `apology_sound`."""
    apology_sound: str = ""
    """Mu-law file (8 kHz, no header) that is played when there is no agent. Empty: ours."""


@dataclass(frozen=True, slots=True)
class AgentFile:
    """One agent, ready to be rendered for a call."""

    name: str
    agent: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    bridge: Bridge

    @property
    def uses_flux(self) -> bool:
        """Whether Flux listens, which can be told that a turn is over."""
        providers = [each.get("provider", {}) for each in _as_list(self.agent.get("listen"))]
        return any(
            each.get("version") == "v2" or str(each.get("model", "")).startswith("flux")
            for each in providers
        )

    @property
    def eot_timeout_s(self) -> float:
        """Seconds of quiet after which the service takes the caller's turn for over."""
        listen = (_as_list(self.agent.get("listen")) or [{}])[0]
        given = listen.get("provider", {}).get("eot_timeout_ms")
        return given / 1000 if isinstance(given, int | float) else EOT_TIMEOUT_S

    def settings_for(self, ringing: Ringing, toolbox: Toolbox = NO_TOOLS) -> str:
        """The Settings message for one call: placeholders filled, our functions added."""
        agent = copy.deepcopy(self.agent)
        values = {**ringing.parameters, "from": ringing.caller, "to": ringing.called}
        if "greeting" in agent:
            agent["greeting"] = _fill(agent["greeting"], values)
        for think in _as_list(agent.get("think")):
            if "prompt" in think:
                think["prompt"] = _fill(think["prompt"], values)
            declared = toolbox.declarations(self.bridge.tools, self.bridge.transfers)
            if declared:
                think["functions"] = [*think.get("functions", []), *declared]
        return deepgram.settings(agent, self.settings)


def load_folder(
    folder: Path, toolbox: Toolbox = NO_TOOLS
) -> tuple[dict[str, AgentFile], list[str]]:
    """All agents of a folder by name, and warnings to log.

    Raises:
        BadAgentFile: If a file cannot be used, or there is no `default.yaml`.
    """
    agents: dict[str, AgentFile] = {}
    warnings: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        agents[path.stem], more = load(path, toolbox)
        warnings += more
    if DEFAULT not in agents:
        raise BadAgentFile(f"{folder / 'default.yaml'}: missing; AGENTS must name its folder")
    return agents, warnings


def load(path: Path, toolbox: Toolbox = NO_TOOLS) -> tuple[AgentFile, list[str]]:
    """One agent file, and warnings to log.

    Raises:
        BadAgentFile: With file, line and field.
    """
    try:
        return _load(path, toolbox)
    except RecursionError:
        raise BadAgentFile(f"{path}: is nested too deep, or contains itself") from None


def _load(path: Path, toolbox: Toolbox) -> tuple[AgentFile, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise BadAgentFile(f"{path}: cannot be read ({type(exc).__name__})") from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadAgentFile(f"{path}{line}: not YAML: {getattr(exc, 'problem', exc)}") from exc
    except ValueError as exc:  # a date that is none
        raise BadAgentFile(f"{path}: not YAML: {exc}") from exc
    check = _Check(path, root)
    check.that(isinstance(data, dict), (), "must be a mapping with `agent:`")
    try:
        parts, warnings = oldshape.convert(_parts(data))
    except (AttributeError, KeyError, TypeError):
        check.that(False, ("agent",), "has the old shape, and cannot be converted")
        raise
    for key in parts.get("unknown", ()):
        check.that(False, (key,), "is not known here; known: agent, settings, bridge")
    _check_agent(check, parts["agent"])
    check.that(isinstance(parts["settings"], dict), ("settings",), "must be a mapping")
    _check_json(check, parts["agent"], ("agent",))
    _check_json(check, parts["settings"], ("settings",))
    bridge = _bridge(check, parts["bridge"], path.parent, toolbox)
    _check_json(check, parts["bridge"], ("bridge",))
    file = AgentFile(path.stem, parts["agent"], parts["settings"], bridge)
    return file, [f"{path.name}: {warning}" for warning in warnings]


def choose(agents: Mapping[str, AgentFile], ringing: Ringing) -> AgentFile:
    """The agent for a call: by the `agent` parameter, else the default."""
    return agents.get(ringing.agent, agents[DEFAULT])


def terms_of(claim: Claim, agent: AgentFile, settings: Settings, toolbox: Toolbox) -> Terms:
    """What a conversation must know of this call and its agent."""
    ringing, bridge = claim.ringing, agent.bridge
    protects = bridge.protect_greeting
    own = {name: tool.filler for name, tool in toolbox.tools.items() if name in bridge.tools}
    return Terms(
        settings=agent.settings_for(ringing, toolbox),
        mark_prefix=f"{claim.epoch:x}",
        uses_flux=agent.uses_flux,
        call_sid=ringing.call_sid,
        tools=bridge.tools,
        own_tools=own,
        transfers=bridge.transfers,
        protects_greeting=ringing.direction != "inbound" if protects is None else protects,
        has_webhook=ringing.has_webhook,
        goodbye=bridge.goodbye,
        go_on=bridge.go_on,
        filler=bridge.filler,
        still_there=bridge.still_there,
        last_minute=bridge.last_minute,
        max_s=settings.max_call_s,
        idle_s=bridge.idle_s,
        utterance_s=agent.eot_timeout_s + 1.0,
        apology=Line(bridge.apology, sound_of(bridge.apology_sound, "apology")),
        hold=Line(bridge.hold, sound_of(bridge.hold_sound, "hold")),
        ring_s=settings.ring_s + ringing.notice_s,
        reattach_s=settings.reattach_s,
    )


def _parts(data: dict[str, Any]) -> dict[str, Any]:
    """The three parts of a file, whichever of its shapes it has."""
    if data.get("type") in ("Settings", "SettingsConfiguration"):
        beside = {k: v for k, v in data.items() if k not in ("type", "audio", "agent", "bridge")}
        return {"agent": data.get("agent"), "settings": beside, "bridge": data.get("bridge") or {}}
    if "agent" in data:
        known = {"agent": data["agent"], "settings": data.get("settings") or {}}
        rest = {k: v for k, v in data.items() if k not in ("agent", "settings", "bridge")}
        return {**known, "bridge": data.get("bridge") or {}, "unknown": rest}
    return {"agent": data, "settings": {}, "bridge": {}}


class _Check:
    """Finds the line of a field in the file for what is wrong with it."""

    def __init__(self, path: Path, root: yaml.Node | None) -> None:
        self._path = path
        self._root = root

    def that(self, is_good: bool, where: tuple[str | int, ...], wanted: str) -> None:
        if not is_good:
            name = ".".join(str(step) for step in where)
            place = f"{self._path}:{self._line(where)}"
            raise BadAgentFile(f"{place}: {name + ': ' if name else ''}{wanted}")

    def _line(self, where: Iterable[str | int]) -> int:
        node = self._root
        line = node.start_mark.line if node else 0
        for step in where:
            node, line = _step(node, step, line)
        return line + 1


def _step(node: yaml.Node | None, step: str | int, line: int) -> tuple[yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return node, line  # not in the file as it was written: the nearest place that is


def _check_agent(check: _Check, agent: Any) -> None:
    """Only the shapes that we build on: the rest is between the file and Deepgram."""
    check.that(isinstance(agent, dict), ("agent",), "must be a mapping (Deepgram's agent block)")
    greeting = agent.get("greeting", "")
    check.that(isinstance(greeting, str), ("agent", "greeting"), "must be a text")
    context = agent.get("context", {})
    check.that(isinstance(context, dict), ("agent", "context"), "must be a mapping")
    messages = context.get("messages", [])
    check.that(isinstance(messages, list), ("agent", "context", "messages"), "must be a list")
    for part in ("listen", "think", "speak"):
        block = agent.get(part, {})
        is_list = isinstance(block, list)
        for number, each in enumerate(_as_list(block)):
            where = ("agent", part, number) if is_list else ("agent", part)
            check.that(isinstance(each, dict), where, "must be a mapping")
            provider = each.get("provider", {})
            check.that(isinstance(provider, dict), (*where, "provider"), "must be a mapping")
            functions = each.get("functions", [])
            check.that(isinstance(functions, list), (*where, "functions"), "must be a list")
            prompt = each.get("prompt", "")
            check.that(isinstance(prompt, str), (*where, "prompt"), "must be a text")


def _check_json(check: _Check, value: Any, where: tuple[str | int, ...]) -> None:
    """YAML knows more than JSON: a date, or a number that is none, could not be sent."""
    if isinstance(value, dict):
        for key, each in value.items():
            check.that(isinstance(key, str), (*where, key), "must be a text: put it in quotes")
            _check_json(check, each, (*where, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_json(check, each, (*where, number))
    else:
        check.that(_is_json(value), where, "is not JSON: put it in quotes")


def _is_json(value: Any) -> bool:
    """Whether a single value can be sent, and read wherever it arrives."""
    match value:
        case str():
            return _HALF.search(value) is None
        case int():
            return abs(value) < 1 << 64
        case float():
            return math.isfinite(value)
    return value is None


_BRIDGE_TYPES: dict[str, tuple[type | UnionType, str]] = {
    "tools": (list, "must be a list of names"),
    "protect_greeting": (bool, "must be true or false"),
    "goodbye": (str, "must be a text"),
    "transfers": (dict, "must be a mapping of names to phone numbers or SIP addresses"),
    "filler": (str, "must be a text"),
    "still_there": (str, "must be a text"),
    "last_minute": (str, "must be a text"),
    "idle_s": (int | float, "must be a number of seconds"),
    "go_on": (str, "must be a text"),
    "hold": (str, "must be a text"),
    "hold_sound": (str, "must be a file's path"),
    "apology": (str, "must be a text"),
    "apology_sound": (str, "must be a file's path"),
}


def _bridge(check: _Check, data: Any, folder: Path, toolbox: Toolbox) -> Bridge:
    check.that(isinstance(data, dict), ("bridge",), "must be a mapping")
    known = ", ".join(each.name for each in fields(Bridge))
    for key, value in data.items():
        check.that(key in _BRIDGE_TYPES, ("bridge", key), f"is not known here; known: {known}")
        kind, wanted = _BRIDGE_TYPES[key]
        check.that(isinstance(value, kind), ("bridge", key), wanted)
    known = ", ".join((*BUILT_IN, *toolbox.tools))
    for number, name in enumerate(data.get("tools", [])):
        wanted = f"no such function; known: {known}"
        is_known = isinstance(name, str) and (name in BUILT_IN or name in toolbox.tools)
        check.that(is_known, ("bridge", "tools", number), wanted)
    _check_transfers(check, data)
    check.that(data.get("idle_s", 0) >= 0, ("bridge", "idle_s"), "must not be negative")
    values = {**data, "tools": tuple(data.get("tools", ()))}
    for key in ("apology_sound", "hold_sound"):
        if data.get(key):
            path = folder / data[key]
            check.that(os.path.isfile(path), ("bridge", key), "no such file")
            values[key] = str(path)
    return Bridge(**values)


def _check_transfers(check: _Check, data: dict[str, Any]) -> None:
    targets = data.get("transfers", {})
    for name, target in targets.items():
        is_target = isinstance(name, str) and _TARGET.fullmatch(str(target)) is not None
        wanted = 'must be a quoted number such as "+15551230000", or sip:name@host'
        is_text = isinstance(target, str)  # YAML takes +1555 without quotes for a sum
        check.that(is_target and is_text, ("bridge", "transfers", name), wanted)
    needs = bool(targets) or TRANSFER_CALL not in data.get("tools", [])
    check.that(needs, ("bridge", "tools"), f"{TRANSFER_CALL} needs targets: `transfers:`")


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Placeholders like `${from}` filled; what is no placeholder of ours stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def _as_list(block: Any) -> list[Any]:
    """A block that may be one mapping or an ordered list of them."""
    if block is None:
        return []
    return block if isinstance(block, list) else [block]
