"""One agent file: what the agent is, read, checked, and rendered for a call."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.calls import Ringing
from worker import deepgram, oldshape
from worker.agents.bridge import Bridge, read_bridge, read_sounds
from worker.agents.document import Document, Where, texts_in
from worker.placeholders import ENV, is_variable, names_in, render
from worker.toolbox import Toolbox

NO_TOOLS = Toolbox()
"""What there is without the setting TOOLS."""

NO_ENVIRON: Mapping[str, str] = {}

# Deepgram's own, where the agent block names none.
EOT_TIMEOUT_S = 5.0

PARTS = ("agent", "settings", "bridge")

# What an agent block alone must hold something of, to be known as one.
BLOCK = ("listen", "think", "speak", "greeting", "language", "context", "think_live")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Values that Deepgram keeps beside a stored agent, and fills in itself.
_STORED_VALUE = re.compile(r"\bDG_[A-Z0-9_]+")


class NotStored(Exception):
    """A stored agent that cannot be had. Says why."""


Stored = Callable[[str], Any]
"""Fetches the agent block that Deepgram has under a UUID. Raises: NotStored."""


@dataclass(frozen=True, slots=True)
class AgentFile:
    """One agent, ready to be rendered for a call."""

    name: str
    agent: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    bridge: Bridge
    sounds: Mapping[str, bytes] = field(repr=False)
    """What the lines sound like that need no agent: `apology` and `hold`."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What `${env:NAME}` is when the Settings are sent."""

    def blocks(self, part: str) -> list[dict[str, Any]]:
        """Of listen, think or speak: the one there is, or those in order of preference."""
        return as_list(self.agent.get(part))

    @property
    def uses_flux(self) -> bool:
        """Whether Flux listens, which can be told that a turn is over."""
        providers = [each.get("provider", {}) for each in self.blocks("listen")]
        return any(
            each.get("version") == "v2" or str(each.get("model", "")).startswith("flux")
            for each in providers
        )

    @property
    def eot_timeout_s(self) -> float:
        """Seconds of quiet after which the service takes the caller's turn for over: the longest
        of them, where several may listen.
        """
        given = [
            each.get("provider", {}).get("eot_timeout_ms") for each in self.blocks("listen") or [{}]
        ]
        return max(
            each / 1000 if isinstance(each, int | float) else EOT_TIMEOUT_S for each in given
        )

    def settings_for(self, ringing: Ringing, toolbox: Toolbox = NO_TOOLS) -> str:
        """The Settings message for one call: placeholders filled, our functions added.

        `${env:NAME}` stays, until it is sent (`worker.placeholders`).
        """
        agent, values = copy.deepcopy(self.agent), self._values(ringing)
        if "greeting" in agent:
            agent["greeting"] = render(agent["greeting"], values)
        for think in as_list(agent.get("think")):
            if "prompt" in think:
                think["prompt"] = render(think["prompt"], values)
            declared = toolbox.declarations(self.bridge.tools, self.bridge.transfers)
            if declared:
                think["functions"] = [*think.get("functions", []), *declared]
        return deepgram.settings(agent, self.settings)

    def voicemail_for(self, ringing: Ringing) -> str:
        """What an answering machine is told."""
        return render(self.bridge.voicemail, self._values(ringing))

    def _values(self, ringing: Ringing) -> dict[str, str]:
        """What placeholders stand for in this call."""
        of_call = {**ringing.parameters, "from": ringing.caller, "to": ringing.called}
        return {**self.bridge.parameters, **of_call}


def load(
    path: Path,
    toolbox: Toolbox = NO_TOOLS,
    environ: Mapping[str, str] = NO_ENVIRON,
    stored: Stored | None = None,
) -> tuple[AgentFile, list[str]]:
    """One agent file, and warnings to log.

    Args:
        environ: Where `${env:NAME}` is looked up.
        stored: Fetches an agent that is given by its UUID.

    Raises:
        BadAgentFile: With file, line and field.
    """
    document = Document(path)
    data = document.data
    document.must(isinstance(data, dict), (), "must be a mapping with `agent:`")
    parts = _parts(document, data)
    if isinstance(parts["agent"], str):
        parts["agent"] = _fetched(document, parts["agent"], stored)
    try:
        parts, warnings = oldshape.convert(parts)
    except (AttributeError, KeyError, TypeError):
        document.must(False, ("agent",), "has the old shape, and cannot be converted")
        raise
    _check_agent(document, parts["agent"])
    document.must(isinstance(parts["settings"], dict), ("settings",), "must be a mapping")
    for part in PARTS:
        document.must_be_json(parts[part], (part,))
    for part in ("agent", "settings"):
        _check_variables(document, parts[part], (part,), environ)
    _check_said(document, parts["bridge"], ("bridge",))
    bridge = read_bridge(document, parts["bridge"], toolbox)
    sounds = read_sounds(document, bridge)
    file = AgentFile(path.stem, parts["agent"], parts["settings"], bridge, sounds, environ)
    if bridge.tools and not file.blocks("think"):
        warnings = [
            *warnings,
            "bridge.tools: nobody is told of them, since there is no agent.think",
        ]
    return file, [f"{path.name}: {warning}" for warning in warnings]


def _parts(document: Document, data: dict[Any, Any]) -> dict[str, Any]:
    """The three parts of a file, whichever of its shapes it has."""
    if data.get("type") in ("Settings", "SettingsConfiguration"):
        beside = {k: v for k, v in data.items() if k not in ("type", "audio", "agent", "bridge")}
        return {"agent": data.get("agent"), "settings": beside, "bridge": data.get("bridge") or {}}
    if any(part in data for part in PARTS):
        for key in data:
            document.must_know(key, PARTS, (key,), "is not known here")
        known = {part: data.get(part) or {} for part in ("settings", "bridge")}
        return {"agent": data.get("agent"), **known}
    is_block = any(name in data for name in BLOCK)
    for key in data if not is_block else ():
        document.must_know(key, PARTS, (key,), "is not known here")
    document.must(is_block, (), "must be a mapping with `agent:`")
    return {"agent": data, "settings": {}, "bridge": {}}


def _fetched(document: Document, agent_id: str, stored: Stored | None) -> Any:
    """The agent block that Deepgram has under this UUID.

    By its UUID alone it could not be used: it has no place for what was said so far, with
    which a call goes on, nor for our functions.
    """
    where = ("agent",)
    wanted = "must be a mapping (Deepgram's agent block), or the UUID of a stored one"
    document.must(_UUID.fullmatch(agent_id) is not None, where, wanted)
    if stored is None:
        wanted = "must be a mapping; for a stored agent set DEEPGRAM_PROJECT_ID and its key"
        document.must(False, where, wanted)
        return None
    try:
        block = stored(agent_id)
    except NotStored as reason:
        document.must(False, where, f"the stored agent cannot be had: {reason}")
        raise
    text = str(block)
    foreign = _STORED_VALUE.search(text)
    named = f"{foreign[0] if foreign else ''} is filled in by Deepgram alone; write it out"
    document.must(foreign is None, where, f"the stored agent: {named}")
    # Whoever may change it there is not to read the environment here.
    document.must("${" + ENV not in text, where, "a stored agent has no ${env:...}")
    return block


def _check_agent(document: Document, agent: Any) -> None:
    """Only the shapes that we build on: the rest is between the file and Deepgram."""
    must = document.must
    must(isinstance(agent, dict), ("agent",), "must be a mapping (Deepgram's agent block)")
    greeting = agent.get("greeting", "")
    must(isinstance(greeting, str), ("agent", "greeting"), "must be a text")
    _check_said(document, greeting, ("agent", "greeting"))
    context = agent.get("context", {})
    must(isinstance(context, dict), ("agent", "context"), "must be a mapping")
    messages = context.get("messages", [])
    must(isinstance(messages, list), ("agent", "context", "messages"), "must be a list")
    for part in ("listen", "think", "speak"):
        is_list = isinstance(agent.get(part), list)
        for number, each in enumerate(as_list(agent.get(part))):
            _check_block(document, each, ("agent", part, number) if is_list else ("agent", part))


def _check_block(document: Document, block: Any, where: Where) -> None:
    document.must(isinstance(block, dict), where, "must be a mapping")
    for name, kind, wanted in (
        ("provider", dict, "must be a mapping"),
        ("functions", list, "must be a list"),
        ("prompt", str, "must be a text"),
    ):
        value = block.get(name, kind())
        document.must(isinstance(value, kind), (*where, name), wanted)


def _check_said(document: Document, value: Any, where: Where) -> None:
    """What callers may hear, and logs keep; names of such texts, too."""
    wanted = "is said aloud and recorded, so it can have no ${env:...}"
    for place, text in texts_in(value, where):
        document.must("${" + ENV not in text, place, wanted)
        document.must("${" + ENV not in str(place[-1]), place, wanted)


def _check_variables(document: Document, value: Any, where: Where, env: Mapping[str, str]) -> None:
    for place, text in texts_in(value, where):
        for name in names_in(text)[1]:
            wanted = f"${{{ENV}{name}}} names no variable: letters, digits and _"
            document.must(is_variable(name), place, wanted)
            document.must(name in env, place, f"${{{ENV}{name}}}: the environment has no {name}")


def as_list(block: Any) -> list[Any]:
    """A block that may be one mapping or an ordered list of them."""
    if block is None:
        return []
    return block if isinstance(block, list) else [block]
