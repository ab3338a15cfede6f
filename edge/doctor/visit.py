"""The network, as Twilio meets it: one request, one certificate, one upgrade, no retries.

Nothing goes through a proxy of this machine's: what counts is the way from outside.
"""

import asyncio
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlencode, urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

# Twilio gives a connection ten seconds.
WITHIN_S = 10.0

# Of an answer, so much is read.
MAX_BODY = 64 * 1024

# As Twilio's webhooks and sockets call themselves: some proxies turn away who is no browser.
WEBHOOK_AGENT = "TwilioProxy/1.1"
SOCKET_AGENT = "Twilio.TmeWs/1.0"

PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class Unreached(Exception):
    """No answer came. The text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to an HTTP request."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: str = field(repr=False)
    took_ms: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows, and a client believes."""

    protocol: str  # "TLSv1.3"
    days_left: float


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of a WebSocket's handshake."""

    status: int  # 101 if there was a socket; it is closed again
    first: str = field(repr=False)
    """The first message, if one was waited for and came."""


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def addresses(host: str) -> list[str]:
    """What a name stands for. Raises: Unreached."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as exc:
        raise Unreached(_why(exc)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def certificate(host: str, port: int) -> Certificate:
    """Shake hands as a client does that trusts what this machine trusts.

    Raises:
        ssl.SSLError: If the certificate, or the server's TLS, is not to be believed.
        Unreached
    """
    try:
        with socket.create_connection((host, port), WITHIN_S) as plain:  # noqa: SIM117
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as tls:
                until = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
                return Certificate(tls.version() or "", (until - time.time()) / 86400)
    except ssl.SSLError:
        raise
    except OSError as exc:
        raise Unreached(_why(exc)) from None


def request(
    url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """GET, or POST a form; a redirection is an answer as any other. Raises: Unreached."""
    parts, body = urlsplit(url), None if form is None else urlencode(form)
    sent = {"User-Agent": WEBHOOK_AGENT, **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    connection = _connection(parts)
    began_at = time.monotonic()
    try:
        connection.request("GET" if body is None else "POST", target, body, sent)
        answer = connection.getresponse()
        text = answer.read(MAX_BODY).decode(errors="replace")
    except (OSError, http.client.HTTPException) as exc:
        raise Unreached(_why(exc)) from None
    finally:
        connection.close()
    named = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, named, text, (time.monotonic() - began_at) * 1000)


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=WITHIN_S, context=context)
    return http.client.HTTPConnection(host, port, timeout=WITHIN_S)


def upgrade(url: str, headers: Mapping[str, str], *, waits_s: float = 0.0) -> Upgrade:
    """Open a WebSocket and close it again.

    Args:
        waits_s: How long to wait for a first message; 0: not at all.

    Raises:
        Unreached
    """
    # A loop of its own: the library's client without one reads and writes from two threads, which
    # TLS is not for, and may then wait for ever.
    return asyncio.run(_upgrade(url, headers, waits_s))


class _Connect(connect):
    """No redirection is followed: neither Twilio nor a worker follows one."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _upgrade(url: str, headers: Mapping[str, str], waits_s: float) -> Upgrade:
    try:
        async with _Connect(
            url,
            additional_headers=dict(headers),
            compression=None,
            user_agent_header=None,
            proxy=None,
            open_timeout=WITHIN_S,
            close_timeout=2.0,
        ) as opened:
            try:
                async with asyncio.timeout(waits_s):
                    first = await opened.recv()
            except (TimeoutError, WebSocketException):
                first = ""
        return Upgrade(101, str(first))
    except InvalidStatus as refused:
        return Upgrade(refused.response.status_code, "")
    except (OSError, TimeoutError, InvalidHandshake) as exc:
        raise Unreached(_why(exc)) from None


def _why(exc: Exception) -> str:
    """What failed, in a few words; an exception's own text may quote what was sent."""
    match exc:
        case socket.gaierror() | UnicodeError():
            return "there is no such name in the DNS"
        case ConnectionRefusedError():
            return "the connection is refused: nobody listens there"
        case TimeoutError():
            return f"no answer within {WITHIN_S:.0f} s: a firewall, or nobody"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not to be believed: {exc.verify_message}"
        case ssl.SSLError():
            return f"TLS fails: {exc.reason or 'no reason given'}"
        case ConnectionError() | http.client.RemoteDisconnected():
            return "the connection is closed without an answer"
    return f"no answer that can be read ({type(exc).__name__})"
