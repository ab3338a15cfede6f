"""What functions answer in a replayed call: what they answered when it was recorded.

The answers travel with the dispatch, so that any worker has them, wherever the
recording lies. A request is known by its name and its arguments; one with other
arguments gets what this function answered last, since an agent seldom words
things twice alike, and one that was never asked for gets an error.
"""

import json
from collections.abc import Iterable, Mapping

from shared.record import Entry, ToolAnswered, ToolAsked

NOT_RECORDED = '{"error": "this is a replay, and the recording has no answer of this function"}'


def answers(log: Iterable[Entry]) -> dict[str, str]:
    """The answers in a call's log, by request, and the last of each function by its name."""
    asked: dict[str, ToolAsked] = {}
    found: dict[str, str] = {}
    for entry in log:
        match entry:
            case ToolAsked(call_id):
                asked[call_id] = entry
            case ToolAnswered(call_id, name, content) if call_id in asked:
                found[_request(name, asked[call_id].arguments)] = content
                found[name] = content
    return found


def answer(known: Mapping[str, str], name: str, arguments: str) -> str:
    """What a function answers in a replay. `arguments` is JSON."""
    return known.get(_request(name, arguments)) or known.get(name, NOT_RECORDED)


def canonical(arguments: str) -> str:
    """Arguments in one spelling, whatever the order and the blanks they came in."""
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _request(name: str, arguments: str) -> str:
    return f"{name} {canonical(arguments)}"
