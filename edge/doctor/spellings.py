"""Which spelling of an address a signature of Twilio's was made for.

Twilio signs the address to the letter, and two that lead to one place may be spelled in many
ways. Those that people get wrong are tried one after the other, the likeliest first: the one
whose signature is the one that came tells what is to be changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from urllib.parse import SplitResult, urlsplit

from twilio.request_validator import HMAC_SHA1, RequestValidator

Form = Mapping[str, str]

SCHEMES = ("https", "http", "wss", "ws")


@dataclass(frozen=True, slots=True)
class Seal:
    """One secret that Twilio may sign with, and what it is called."""

    name: str
    secret: str = field(repr=False)
    algorithm: str = HMAC_SHA1

    def sign(self, url: str, form: Form) -> str:
        validator = RequestValidator(self.secret)
        return str(validator.compute_signature(url, dict(form), self.algorithm))


@dataclass(frozen=True, slots=True)
class Match:
    """What a signature was made for, and with which secret."""

    url: str
    form: Form = field(repr=False)
    seal: Seal


def find(
    signature: str, url: str, form: Form, seals: list[Seal], public_url: str = "", port: int = 0
) -> Match | None:
    """The likeliest spelling that this signature was made for; None: it was another secret's.

    Args:
        url: The address as it was given, whole.
        public_url: What else the host may have been.
        port: What else the port may have been.
    """
    for spelling, fields, seal in product(spellings(url, public_url, port), _forms(form), seals):
        if seal.sign(spelling, fields) == signature:
            return Match(spelling, fields, seal)
    return None


def spellings(url: str, public_url: str = "", port: int = 0) -> Iterator[str]:
    """The address as it stands, then what it may have been meant to be, least change first."""
    parts, public = urlsplit(url), urlsplit(public_url)
    choices = list(
        product(
            _once(parts.scheme, *SCHEMES),
            _once(_host(parts), _host(parts).lower(), _host(public) or _host(parts)),
            _once(_port(parts), "", _port(public), "443", "80", str(port or "")),
            _paths(parts.path),
            _once(parts.query, ""),
        )
    )
    usual = choices[0]
    choices.sort(key=lambda each: sum(a != b for a, b in zip(each, usual, strict=True)))
    for scheme, host, number, path, query in choices:
        netloc = f"{host}:{number}" if number else host
        yield f"{scheme}://{netloc}{path}{'?' if query else ''}{query}"


def origins(public_url: str, port: int) -> Iterator[str]:
    """What PUBLIC_URL may be in an edge that does not believe this one.

    Those with a port come first: a signature for one without is good for all of that host's.
    """
    local = (f"{scheme}://{host}:{port}" for host in _LOCAL for scheme in ("http", "https"))
    spelled = (url.rstrip("/") for url in spellings(public_url, "", port))
    each = _once(*(url for url in spelled if url.startswith("http")), *local)
    yield from sorted(each, key=lambda url: urlsplit(url).port is None)


_LOCAL = ("localhost", "127.0.0.1")


def _forms(form: Form) -> list[Form]:
    """The fields as given; without those that a parser drops; and none, as sockets are signed."""
    filled = {name: value for name, value in form.items() if value}
    return [each for n, each in enumerate((form, filled, {})) if n == 0 or len(each) < len(form)]


def _paths(path: str) -> list[str]:
    slashed = path.rstrip("/") + "/"
    return _once(path, slashed.rstrip("/"), slashed)


def _host(parts: SplitResult) -> str:
    """As it is spelled, capitals and all."""
    bare = parts.netloc.rpartition("@")[2]
    return bare.removesuffix(f":{parts.port}") if parts.port else bare.rstrip(":")


def _port(parts: SplitResult) -> str:
    return str(parts.port or "")


def _once(*values: str) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(values))
