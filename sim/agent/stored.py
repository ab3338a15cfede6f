"""Agents that the service keeps: what its REST route answers.

GET /v1/projects/{project}/agents/{agent}
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_PATH = re.compile(r"/v1/projects/[^/]+/agents/([^/]+)")


def is_ours(path: str) -> bool:
    """Whether this is the path of a stored agent."""
    return _PATH.fullmatch(path) is not None


def answer(path: str, stored: Mapping[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
    """What is told of the agent at a path: its block is JSON in a text, as it was stored."""
    match = _PATH.fullmatch(path)
    agent_id = match[1] if match else ""
    if agent_id not in stored:
        return HTTPStatus.NOT_FOUND, {"err_code": "NOT_FOUND", "err_msg": "No such agent."}
    config = json.dumps(stored[agent_id])
    return HTTPStatus.OK, {"agent_id": agent_id, "config": config, "metadata": {}}
