"""A signature from Twilio's debugger, or from a log: what it was made for, and what to set."""

from urllib.parse import urlsplit

from edge.app import STREAM_PATH
from edge.doctor.finding import Finding, bad, ok
from edge.doctor.spellings import Form, Match, find
from edge.doctor.webhook import seals_of
from edge.guard import Guard
from shared.settings import Settings

NAME = "signature"


def finding(settings: Settings, url: str, signature: str, form: Form) -> Finding:
    """Whether the edge takes it, and if not, why.

    Args:
        url: The address that Twilio called, whole.
        form: The body's fields, all of them.
    """
    match = find(signature, url, form, seals_of(settings), settings.public_url, settings.port)
    if match is None:
        todo = (
            "give all fields, empty ones, too; else compare TWILIO_AUTH_TOKEN with the primary "
            "token of the account (or subaccount), and region, that has the number"
        )
        return bad(NAME, "made with another token, or for another request", todo)
    if _is_admitted(settings, url, signature, form):
        return ok(NAME, f"made for {match.url} with {match.seal.name}: the edge accepts it")
    return bad(
        NAME, f"made for {match.url} with {match.seal.name}", _todo(settings, url, form, match)
    )


def _is_admitted(settings: Settings, url: str, signature: str, form: Form) -> bool:
    if urlsplit(url).path.endswith("/"):
        return False  # whoever signed it: the edge has no such path
    guard = Guard(settings)
    if _is_socket(url):
        return guard.admits_socket(urlsplit(url).path, signature)
    return guard.admits_request(_path(url), form, signature)


def _todo(settings: Settings, url: str, form: Form, match: Match) -> str:
    made, ours = urlsplit(match.url), urlsplit(settings.public_url)
    wanted = "wss" if _is_socket(url) else "https"
    if made.scheme != wanted:
        return f"give Twilio {wanted}://{ours.netloc}...: it was given {made.scheme}://..."
    if made.netloc != ours.netloc:
        return f"set PUBLIC_URL=https://{made.netloc}, or give Twilio {ours.netloc}"
    if dict(match.form) != dict(form):
        left = "any field" if not match.form else "its empty fields"
        return f"it was made without {left}: let nothing on the way change or add fields; POST"
    return f"give Twilio the address that the edge answers: it was given {made.path or 'no path'}"


def _is_socket(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("ws", "wss") or parts.path.rstrip("/") == STREAM_PATH


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}{'?' if parts.query else ''}{parts.query}"
