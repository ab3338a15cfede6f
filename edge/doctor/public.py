"""The way that Twilio comes: name, certificate, proxy, edge, and through all of them a socket."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from edge.app import STREAM_PATH
from edge.doctor import webhook
from edge.doctor.finding import Finding, Mark, bad, note, ok, skipped
from edge.doctor.visit import (
    SOCKET_AGENT,
    Reply,
    Unreached,
    addresses,
    certificate,
    place_of,
    request,
    upgrade,
)
from shared.settings import Settings

# A certificate is renewed well before this.
EXPIRES_SOON_DAYS = 14

_INCOMPLETE = (
    "its chain does not lead to an authority that this machine knows",
    "let the server send the intermediate certificates, too (its fullchain.pem)",
)

# OpenSSL's verify codes, and what to do.
_DISBELIEF = {
    9: ("it is not valid yet", "look at this machine's clock, and at the certificate's first day"),
    10: ("it has expired", "renew it"),
    18: ("it is signed by itself", "get one from an authority that all believe, Let's Encrypt say"),
    19: (
        "its chain ends at an authority of one's own",
        "get one from an authority that all believe",
    ),
    20: _INCOMPLETE,
    21: _INCOMPLETE,
    62: ("it is for another host", "get one for the host in PUBLIC_URL, or set PUBLIC_URL to its"),
}

_GATEWAY = frozenset({502, 503, 504})

Step = Callable[[], Finding]


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing on the way."""

    name: str
    step: Step
    todo: str
    """If nobody answers."""
    is_needed: bool = True
    """Whether what comes after it cannot be looked at without it."""


def findings(settings: Settings, edges: frozenset[str] | None) -> Iterator[Finding]:
    """What stands in the way, in the order in which Twilio meets it.

    Args:
        edges: Those that live on our Redis; None if it did not tell.
    """
    if not settings.public_url:
        todo = "set it to the address that Twilio calls: https://host"
        yield skipped("public url", "PUBLIC_URL is not set", todo)
        return
    yield shape(settings.public_url)
    way = True
    for check in _checks(settings, edges):
        if not way:
            yield skipped(check.name, "the way there is not free")
            continue
        finding = _result(check)
        way = finding.mark is not Mark.BAD or not check.is_needed
        yield finding


def _checks(settings: Settings, edges: frozenset[str] | None) -> list[_Check]:
    url = settings.public_url.rstrip("/")
    reach = "does the proxy run, and does it lead to the edge's PORT?"
    enter = "open the port to everybody; if it is, ask from elsewhere: not all networks lead back"
    return [
        _Check("dns", partial(_name, url), "look at PUBLIC_URL, and the name's DNS entry"),
        _Check("certificate", partial(_certificate, url), enter),
        _Check("healthz", partial(_health, url, edges), reach),
        _Check("webhook", partial(webhook.finding, settings), reach, is_needed=False),
        _Check("socket", partial(_socket, settings, url), reach, is_needed=False),
    ]


def _result(check: _Check) -> Finding:
    try:
        return check.step()
    except Unreached as why:
        return bad(check.name, str(why), check.todo)


def shape(url: str) -> Finding:
    """What can be said of PUBLIC_URL without going there."""
    name, parts = "public url", urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        todo = "set https://...: Twilio opens sockets with TLS alone (31922)"
        return (note if _is_private(host) else bad)(name, f"{url} has no TLS", todo)
    if host not in parts.netloc:
        todo = "spell it as it stands in Twilio's console: capitals are signed as they stand"
        return note(name, f"{url} has capitals", todo)
    if parts.port not in (None, 443):
        todo = (
            "if sockets fail (31901, 31910), put a proxy on 443: for sockets Twilio names no other"
        )
        return note(name, f"{url} is on port {parts.port}", todo)
    return ok(name, url.rstrip("/"))


def _name(url: str) -> Finding:
    host, _ = place_of(url)
    found = addresses(host)
    seen = f"{host} is {', '.join(found[:4])}"
    if all(map(_is_private, found)):
        return note("dns", f"{seen}: private", "for Twilio it must be a public address (31904)")
    if all(":" in each for each in found):
        return note("dns", f"{seen}: IPv6 alone", "give it an IPv4 address, too")
    return ok("dns", seen)


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return host == "localhost"


def _certificate(url: str) -> Finding:
    name = "certificate"
    if not url.startswith("https:"):
        return skipped(name, "PUBLIC_URL has no TLS")
    try:
        shown = certificate(*place_of(url))
    except ssl.SSLCertVerificationError as exc:
        usual = (exc.verify_message, "see what `openssl s_client -connect HOST:PORT` says")
        return bad(name, *_DISBELIEF.get(exc.verify_code, usual))
    except ssl.SSLError as exc:
        return bad(name, f"TLS fails: {exc.reason}", "does TLS 1.2 or newer listen on that port?")
    seen = f"good for {shown.days_left:.0f} days, {shown.protocol}"
    if shown.days_left < EXPIRES_SOON_DAYS:
        return note(name, seen, "renew it: is that automatic?")
    return ok(name, seen)


def _health(url: str, edges: frozenset[str] | None) -> Finding:
    name, reply = "healthz", request(f"{url}/healthz")
    edge = reply.headers.get("holdfast-edge", "")
    if reply.status != 200 or not edge:
        return bad(name, *_stranger(reply))
    if edges is None:
        return note(name, f"{edge} answers; whether it is ours only Redis knows")
    if edge not in edges:
        todo = "is the edge started with this REDIS_URL, and does PUBLIC_URL lead to it?"
        return bad(name, f"{edge} answers, which does not live on our Redis", todo)
    return ok(name, f"{edge} answers in {reply.took_ms:.0f} ms")


def _stranger(reply: Reply) -> tuple[str, str]:
    """Who answers in place of an edge, and what to do."""
    if code := reply.headers.get("ngrok-error-code"):
        return f"ngrok answers ({code})", "is the tunnel up, and does it lead to the edge's PORT?"
    if 300 <= reply.status < 400:
        where = urlsplit(reply.headers.get("location", ""))._replace(query="", fragment="").geturl()
        return (
            f"it redirects to {where}",
            "give Twilio, and PUBLIC_URL, that address: sockets go no second way",
        )
    if reply.status in _GATEWAY:
        return (
            f"the proxy finds no edge ({reply.status})",
            "let it lead to the edge's HOST and PORT",
        )
    if reply.status in (401, 403):
        return f"the proxy lets nobody in ({reply.status})", "let /twilio be reached by everybody"
    return f"something else answers ({reply.status})", "let PUBLIC_URL lead to the edge's PORT"


def _socket(settings: Settings, url: str) -> Finding:
    """An upgrade as Twilio asks for it; the socket is closed before it has said anything."""
    name, target = "socket", f"ws{url.removeprefix('http')}{STREAM_PATH}"
    seals = webhook.seals_of(settings)
    signature = {"x-twilio-signature": seals[-1].sign(target, {})} if seals else {}
    status = upgrade(target, {"User-Agent": SOCKET_AGENT, **signature}).status
    if status == 101:
        return ok(name, f"{target} opens")
    if status == 403:
        return bad(
            name, f"{target} is refused (403)", "see webhook; and let x-twilio-signature through"
        )
    todo = 'let the proxy pass "Upgrade" and "Connection: Upgrade" on, with HTTP/1.1'
    if 300 <= status < 400:
        todo = f"let the proxy lead {STREAM_PATH} to the edge at once: sockets go no second way"
    return bad(name, f"{target} answers {status} in place of 101 (31920 at Twilio)", todo)
