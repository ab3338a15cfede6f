"""The early-access shape of agent settings, turned into today's.

Deepgram's first Twilio guide used it, and many projects copied the guide:
`SettingsConfiguration`, `agent.listen.model`, `think.instructions`, `speak.model`,
and a greeting said by way of `context.replay`. Source: Deepgram's v1 migration
guide (deepgram-docs, voice-agent-v1-migration).
"""

import copy
from typing import Any


def convert(parts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """An agent file's parts in today's shape, and a sentence for each thing that changed.

    Raises:
        AttributeError, KeyError, TypeError: If something in them has no shape today.
    """
    changes: list[str] = []
    agent = parts["agent"]
    if isinstance(agent, dict) and isinstance(parts["settings"], dict):
        parts = copy.deepcopy(parts)
        agent = parts["agent"]
        _listen(agent, changes)
        _think(agent, changes)
        _speak(agent, changes)
        _context(agent, parts["settings"], changes)
    return parts, changes


def _move(block: dict[str, Any], old: str, new: str, into: dict[str, Any], path: str) -> str:
    into[new] = block.pop(old)
    return f"old shape: {path}.{old} became {path}.{'provider.' if into is not block else ''}{new}"


def _set_version(provider: dict[str, Any]) -> None:
    if str(provider["model"]).startswith("flux"):
        provider["version"] = "v2"


def _listen(agent: dict[str, Any], changes: list[str]) -> None:
    listen = agent.get("listen")
    if isinstance(listen, dict) and "model" in listen:
        provider = listen.setdefault("provider", {"type": "deepgram"})
        if not isinstance(provider, dict):
            return
        changes.append(_move(listen, "model", "model", provider, "agent.listen"))
        _set_version(provider)
        if "keyterms" in listen:
            changes.append(_move(listen, "keyterms", "keyterms", provider, "agent.listen"))


def _think(agent: dict[str, Any], changes: list[str]) -> None:
    think = agent.get("think")
    if not isinstance(think, dict):
        return
    if "model" in think:
        provider = think.setdefault("provider", {})
        if not isinstance(provider, dict):
            return
        changes.append(_move(think, "model", "model", provider, "agent.think"))
    if "instructions" in think:
        changes.append(_move(think, "instructions", "prompt", think, "agent.think"))
    for function in think.get("functions") or []:
        if isinstance(function, dict) and "url" in function:
            _endpoint(function, changes)


def _endpoint(function: dict[str, Any], changes: list[str]) -> None:
    endpoint: dict[str, Any] = {
        key: function.pop(key) for key in ("url", "method") if key in function
    }
    headers = function.pop("headers", [])
    if headers:
        endpoint["headers"] = {each["key"]: each["value"] for each in headers}
    function["endpoint"] = endpoint
    changes.append("old shape: agent.think.functions[].url became functions[].endpoint.url")


def _speak(agent: dict[str, Any], changes: list[str]) -> None:
    """Deepgram's voices. Those of others need an `endpoint` now, which the old shape has not.

    Raises:
        TypeError: If it is one of those.
    """
    speak = agent.get("speak")
    if not isinstance(speak, dict) or isinstance(speak.get("provider"), dict):
        return
    if "model" in speak or "voice_id" in speak:
        provider: dict[str, Any] = {"type": speak.pop("provider", "deepgram")}
        if provider["type"] != "deepgram" or "voice_id" in speak:
            raise TypeError("somebody else's voice")
        speak["provider"] = provider
        changes.append(_move(speak, "model", "model", provider, "agent.speak"))
        _set_version(provider)


def _context(agent: dict[str, Any], settings: dict[str, Any], changes: list[str]) -> None:
    context = settings.pop("context", None)
    if not isinstance(context, dict):
        return
    messages = [{"type": "History", **each} for each in context.get("messages") or []]
    if context.get("replay") and messages and messages[-1].get("role") == "assistant":
        agent["greeting"] = messages.pop()["content"]
        changes.append("old shape: context.replay became agent.greeting")
    if messages:
        agent["context"] = {"messages": messages}
        changes.append("old shape: context.messages became agent.context.messages")
