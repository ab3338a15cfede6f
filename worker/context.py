"""A past as a new agent session is told of it: in its Settings, or as words that it answers."""

import json

from worker.history import Past


def with_past(settings: str, past: Past, *, answer_owed: bool) -> str:
    """A Settings message that goes on where the past ended.

    Args:
        settings: The message as for a new call.
        answer_owed: Whether the caller's unanswered turn goes into the context, because more
            of it is still to be heard; otherwise it is injected, to be answered by itself.
    """
    if past.is_new:
        return settings
    message = json.loads(settings)
    messages = list(past.messages)
    if past.owed and answer_owed:
        messages.append({"type": "History", "role": "user", "content": past.owed})
    agent = message["agent"]
    agent.pop("greeting", None)
    if messages:
        before = agent.get("context", {}).get("messages", [])
        agent["context"] = {**agent.get("context", {}), "messages": [*before, *messages]}
    return json.dumps(message)
