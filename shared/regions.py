"""Where Deepgram's agent service is, and the addresses that people take for it."""

import re
from urllib.parse import urlsplit

from shared.settings import DEEPGRAM_AGENT_URL as GLOBAL

PATH = urlsplit(GLOBAL).path

_REGION = re.compile(r"(?:api|agent)\.([a-z]{2})\.deepgram\.com")


def complaint(url: str) -> str:
    """What is wrong with an agent service's address, as a sentence; "" if nothing is known to be.

    An address that is not Deepgram's own is the operator's business.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host.endswith("deepgram.com"):
        return ""
    region = _REGION.fullmatch(host)
    right = f"wss://api.{region[1]}.deepgram.com{PATH}" if region else GLOBAL
    if url == right:
        return ""
    if host == "api.deepgram.com":
        return f"api.deepgram.com has no agents: use {right}"
    if region and host.startswith("agent."):
        return f"a region's host is api.{region[1]}.deepgram.com: use {right}"
    if parts.scheme != "wss" or parts.path != PATH or parts.query:
        return f"Deepgram's agents are nowhere else: use {right}"
    return ""
