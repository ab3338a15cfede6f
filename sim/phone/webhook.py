"""The carrier's HTTP leg: signed requests with the parameters and headers of real ones.

A request is signed over the URL as the world knows it and sent to where the server really
listens: `Origins` maps the one to the other, as a tunnel or a proxy would, with the Host header of
the public name.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4

import httpx
from twilio.request_validator import HMAC_SHA1, SIGNATURE_SETTINGS_HEADER, RequestValidator

from sim.phone.track import Signature

TIMEOUT_S = 15.0
"""From the first packet to the whole document (11200)."""

CONNECT_TIMEOUT_S = 5.0
"""There are two attempts (11205)."""

SHARED_KEY_ID = "webhooks_sharedkey_00000000000000000000000001"

RETRIEVAL_FAILURE = 11200
CONNECTION_FAILURE = 11205

_GEOGRAPHY = [
    f"{party}{what}"
    for party in ("From", "To", "Caller", "Called")
    for what in ("City", "State", "Zip", "Country")
]


class FetchError(Exception):
    """A document could not be fetched; `code` is what the carrier's debugger would show."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Origins:
    """Where the public origin, such as `https://voice.example.com`, is served from here.

    `local` may change in mid-call, as it does behind a load balancer.
    """

    local: str
    public: str | None = None

    def to_public(self, url: str) -> str:
        """The URL as it is signed, of one given by its address."""
        if self.public and urlsplit(url).netloc == urlsplit(self.local).netloc:
            return _moved(url, self.public)
        return url

    def to_local(self, url: str) -> str:
        """The URL to connect to."""
        if self.public and urlsplit(url).netloc == urlsplit(self.public).netloc:
            return _moved(url, self.local)
        return url


def signature(
    token: str, url: str, form: Mapping[str, str], how: Signature, algorithm: str = HMAC_SHA1
) -> str | None:
    """The value of X-Twilio-Signature; None for none.

    Args:
        token: The account's auth token; with HMAC_SHA256, the secret of a shared key.
    """
    match how:
        case "missing":
            return None
        case "wrong":
            token = f"not {token}"
        case "https":
            url = with_scheme(url, "https")
        case "right":
            pass
    return str(RequestValidator(token).compute_signature(url, dict(form), algorithm))


def with_scheme(url: str, scheme: str) -> str:
    """The same URL by another protocol."""
    return urlunsplit(urlsplit(url)._replace(scheme=scheme))


def voice_form(account_sid: str, call_sid: str, from_: str, to: str) -> dict[str, str]:
    """The parameters that every request about a call carries, CallStatus aside."""
    return {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid,
        "CallToken": "%7B%22parentCallInfoToken%22%3A%22%22%7D",
        "Called": to,
        "Caller": from_,
        "Direction": "inbound",
        "From": from_,
        "StirVerstat": "TN-Validation-Passed-A",
        "To": to,
        **dict.fromkeys(_GEOGRAPHY, ""),
    }


class Webhooks:
    """Sends one call's requests."""

    def __init__(
        self,
        token: str,
        origins: Origins,
        how: Signature = "right",
        algorithm: str = HMAC_SHA1,
    ) -> None:
        self._token = token
        self._algorithm = algorithm
        self._origins = origins
        self._how = how
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, retries=1),
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, url: str, method: str, form: Mapping[str, str]) -> Answer:
        """POST the form, or GET with it as the query string.

        Raises:
            FetchError: If no answer came.
        """
        url = urlsplit(url)._replace(fragment="").geturl()
        if method == "GET":
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}"
            form = {}
        request = self._client.build_request(
            method,
            self._origins.to_local(url),
            content=urlencode(form) if form else None,
            headers=self._headers(url, form),
        )
        try:
            response = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise FetchError(CONNECTION_FAILURE, f"{method} {url}: {exc!r}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise FetchError(RETRIEVAL_FAILURE, f"{method} {url}: {exc!r}") from exc
        return Answer(
            response.status_code, response.headers.get("content-type", ""), response.content
        )

    def _headers(self, url: str, form: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "Host": urlsplit(url).netloc,
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": str(uuid4()),
        }
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        if signed := signature(self._token, url, form, self._how, self._algorithm):
            headers["X-Twilio-Signature"] = signed
        if self._algorithm != HMAC_SHA1:
            headers[SIGNATURE_SETTINGS_HEADER] = f"key={SHARED_KEY_ID},algorithm={self._algorithm}"
        return headers


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _moved(url: str, origin: str) -> str:
    """The URL at another origin, a socket staying a socket."""
    parts, target = urlsplit(url), urlsplit(origin)
    secure = target.scheme in {"https", "wss"}
    scheme = "ws" if parts.scheme in {"ws", "wss"} else "http"
    return urlunsplit(parts._replace(scheme=scheme + "s" * secure, netloc=target.netloc))
