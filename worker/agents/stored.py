"""Agents that Deepgram keeps: fetched by UUID when their file is read.

`GET /v1/projects/{project}/agents/{agent}` answers the agent block, as an object or as
JSON in a text; a stored one never changes.
"""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from shared.settings import Settings
from worker.agents.file import NotStored, Stored

TIMEOUT_S = 10.0

# A prompt may be long; this is many of them.
MAX_BYTES = 2**20

_GLOBAL_AGENT, _GLOBAL_API = "agent.deepgram.com", "api.deepgram.com"

_HINTS = {
    401: "; check DEEPGRAM_API_KEY",
    403: "; may DEEPGRAM_API_KEY read the project?",
    404: "; check the UUID and DEEPGRAM_PROJECT_ID",
}


def stored_agents(settings: Settings) -> Stored | None:
    """How a stored agent is fetched, if it is set whose they are."""
    project = settings.deepgram_project_id
    if not project:
        return None

    def fetch(agent_id: str) -> Any:
        path = f"/v1/projects/{quote(project, safe='')}/agents/{agent_id}"
        return block_in(_get(settings, path))

    return fetch


def _get(settings: Settings, path: str) -> bytes:
    """The body of an answer from the REST service beside the agent service.

    Raises:
        NotStored: If there is none, or it says no. Redirections are not followed: the key is
            for this host.
    """
    url = urlsplit(settings.agent_url)
    host = _GLOBAL_API if url.hostname == _GLOBAL_AGENT else url.hostname or ""
    is_safe = url.scheme == "wss"
    kind = http.client.HTTPSConnection if is_safe else http.client.HTTPConnection
    connection = kind(host, url.port, timeout=TIMEOUT_S)
    try:
        headers = {"Authorization": f"Token {settings.deepgram_api_key}"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise NotStored(f"{host} cannot be reached ({type(exc).__name__})") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NotStored(f"{host} answers http {answer.status}{_HINTS.get(answer.status, '')}")
    return body


def block_in(body: bytes) -> Any:
    """The agent block in an answer. Raises: NotStored."""
    try:
        config = json.loads(body)["config"]
        return json.loads(config) if isinstance(config, str) else config
    except (KeyError, RecursionError, TypeError, ValueError) as exc:
        raise NotStored(f"what came is no agent ({type(exc).__name__})") from None
