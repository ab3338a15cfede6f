"""The agent service: its address, and whether it takes the key.

The handshake is the question; the session is closed before it has any Settings.
"""

from collections.abc import Iterator

from edge.doctor.finding import Finding, bad, ok, skipped
from edge.doctor.visit import Unreached, Upgrade, place_of, upgrade
from shared import regions
from shared.settings import Settings

# Welcome comes at once.
WELCOME_WITHIN_S = 3.0

NAME = "agent"


def findings(settings: Settings) -> Iterator[Finding]:
    """The address first: with a wrong one, what it answers says nothing."""
    if complaint := regions.complaint(settings.agent_url):
        yield bad(NAME, *_halves(complaint))
    elif not settings.deepgram_api_key and not settings.deepgram_agent_url:
        todo = "run this where the worker's settings are"
        yield skipped(NAME, "no DEEPGRAM_API_KEY here: it is the worker's", todo)
    else:
        yield _session(settings)


def _halves(complaint: str) -> tuple[str, str]:
    what, _, todo = complaint.partition(": ")
    return what, f"DEEPGRAM_AGENT_URL: {todo}"


def _session(settings: Settings) -> Finding:
    key, url = settings.deepgram_api_key, settings.agent_url
    host = place_of(url)[0]
    headers = {"Authorization": f"Token {key}"} if key else {}
    try:
        got = upgrade(url, headers, waits_s=WELCOME_WITHIN_S)
    except Unreached as why:
        return bad(NAME, f"{host}: {why}", "look at DEEPGRAM_AGENT_URL, and the way out of here")
    return _verdict(host, got)


def _verdict(host: str, got: Upgrade) -> Finding:
    match got.status:
        case 101 if '"Welcome"' in got.first:
            return ok(NAME, f"{host}: it welcomes us")
        case 101:
            return bad(NAME, f"{host}: no Welcome came", "is that an agent service (v1)?")
        case 401:
            return bad(NAME, f"{host}: the key is refused (401)", "set DEEPGRAM_API_KEY anew")
        case 403:
            return bad(NAME, f"{host}: the key may not (403)", "give the key agent rights")
        case 429:
            todo = "set MAX_SESSIONS to what your plan allows, or wait for calls to end"
            return bad(NAME, f"{host}: the key is right, all sessions are in use (429)", todo)
    return bad(NAME, f"{host}: HTTP {got.status}, no upgrade", "look at DEEPGRAM_AGENT_URL")
