"""Whether the running edge takes a request that is signed as Twilio would, and if not, why.

The request is a status callback for a call that there is not: it changes nothing.
"""

import secrets

from twilio.request_validator import HMAC_SHA256

from edge.doctor.finding import Finding, bad, ok, skipped
from edge.doctor.spellings import Seal, origins
from edge.doctor.visit import Reply, Unreached, request
from shared.settings import Settings

NAME = "webhook"
PATH = "/twilio/status"

# Accepted: with Redis, and without.
ACCEPTED = frozenset({200, 204})

REFUSED = 403

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to be asked, not to listen on)


def seals_of(settings: Settings) -> list[Seal]:
    """The secrets that are set, the one that webhooks are signed with first."""
    each = (
        Seal("TWILIO_SHARED_KEY", settings.twilio_shared_key, HMAC_SHA256),
        Seal("TWILIO_AUTH_TOKEN", settings.twilio_auth_token),
    )
    return [seal for seal in each if seal.secret]


def finding(settings: Settings) -> Finding:
    """What the edge says to a signed request, and to a forged one. Raises: Unreached."""
    seals = seals_of(settings)
    if not seals:
        todo = "set TWILIO_AUTH_TOKEN before others call: nobody's signature is checked"
        return skipped(NAME, "no token, no signature", todo)
    ours = settings.public_url.rstrip("/")
    reply = _ask(ours, ours, seals[0])
    if reply.status in ACCEPTED:
        return _tried_forged(ours)
    if reply.status != REFUSED:
        todo = "let the proxy pass POST /twilio/... on as it stands"
        return bad(NAME, f"HTTP {reply.status} in place of the edge's answer", todo)
    return _why_refused(settings, ours, seals[0])


def _tried_forged(ours: str) -> Finding:
    forger = Seal("nobody's", secrets.token_hex(16))
    if _ask(ours, ours, forger).status in ACCEPTED:
        todo = "start the edge with TWILIO_AUTH_TOKEN and PUBLIC_URL set: it runs without"
        return bad(NAME, "any signature is accepted", todo)
    return ok(NAME, "a signed request is accepted, a forged one is not")


def _why_refused(settings: Settings, ours: str, seal: Seal) -> Finding:
    if _is_taken_here(settings, ours, seal):
        todo = "let the proxy pass path, query, body and X-Twilio-Signature on as they are"
        return bad(NAME, "refused (403) through the proxy, accepted without it", todo)
    for other in origins(ours, settings.port):
        if other != ours and _ask(ours, other, seal).status in ACCEPTED:
            todo = f"start it with PUBLIC_URL={ours}, or give Twilio the other one"
            theirs = other.removesuffix(":443")
            return bad(NAME, f"refused (403): the edge runs with PUBLIC_URL={theirs}", todo)
    todo = f"start it with this {seal.name}: the primary one of the number's account, and region"
    return bad(NAME, "refused (403): the edge runs with another token", todo)


def _is_taken_here(settings: Settings, ours: str, seal: Seal) -> bool:
    """Whether an edge on this machine takes what was refused from outside."""
    host = _ANYWHERE.get(settings.bind_host, settings.bind_host)
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.tls_cert else "http"
    try:
        return _ask(f"{scheme}://{host}:{settings.port}", ours, seal).status in ACCEPTED
    except Unreached:
        return False


def _ask(where: str, origin: str, seal: Seal) -> Reply:
    """Ask there, with a signature over this origin. Raises: Unreached."""
    form = {
        "AccountSid": f"AC{'0' * 32}",
        "CallSid": f"CA{secrets.token_hex(16)}",
        "CallStatus": "ringing",
        "FromCity": "",  # signed as the others are: who drops it breaks the signature
        "ToCity": "Malm\u00f6 + x",
    }
    return request(f"{where}{PATH}", form, {"X-Twilio-Signature": seal.sign(origin + PATH, form)})
