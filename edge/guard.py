"""Who is let in: Twilio's signature, over the address that Twilio was given.

That address is `PUBLIC_URL`, never what the request says of itself: behind a proxy
the request knows neither scheme nor host, and whoever sends it may say anything.

An account signs with its auth token (HMAC-SHA1), or its webhooks with a shared key
(HMAC-SHA256, Twilio's public beta). Which it is says the operator, never the request:
its `X-Twilio-Webhooks-Signature-Settings` is as good as what it asks for.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from shared.settings import Settings


class _Fields(dict[str, list[str]]):
    """A form's values by name, at hand.

    The validator asks for each name's, and a multi-dict looks through all fields for that: seconds,
    for a stranger's 64 KB of short names.
    """

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "_Fields":
        fields = cls()
        pairs = form.multi_items() if isinstance(form, ImmutableMultiDict) else form.items()
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        return fields

    def getall(self, name: str) -> list[str]:
        return self[name]


class _Seal:
    """One secret, and how Twilio signs with it."""

    def __init__(self, secret: str, algorithm: str) -> None:
        self._validator = RequestValidator(secret)
        self._algorithm = algorithm

    def is_on(self, url: str, form: _Fields, signature: str) -> bool:
        return bool(self._validator.validate(url, form, signature, self._algorithm))


class Guard:
    """Checks signatures; with no secret set everybody is let in (loopback only, then)."""

    def __init__(self, settings: Settings) -> None:
        self._origin = settings.public_url.rstrip("/")
        token, key = settings.twilio_auth_token, settings.twilio_shared_key
        sealed = [_Seal(key, HMAC_SHA256)] if key else []
        sealed += [_Seal(token, HMAC_SHA1)] if token else []
        # Whether a shared key signs sockets, too, Twilio does not say: there both count.
        self._on_webhooks, self._on_sockets = sealed[:1], sealed

    def admits_request(self, path: str, form: Mapping[str, str], signature: str | None) -> bool:
        """Whether a webhook is Twilio's.

        Args:
            path: As requested, with its query string.
            form: All fields of the body; empty ones count.
        """
        return self._has(signature, self._on_webhooks, [self._origin + path], form)

    def admits_socket(self, path: str, signature: str | None) -> bool:
        """Whether a WebSocket upgrade is Twilio's: signed over the wss:// URL, with no fields."""
        origin = urlsplit(self._origin)
        spellings = [f"wss://{origin.netloc}{path}"]
        if origin.port in (None, 443):
            # The validator believes that wss's port is 80, so both spellings are tried here.
            spellings.append(f"wss://{origin.netloc.removesuffix(':443')}:443{path}")
        return self._has(signature, self._on_sockets, spellings, {})

    def _has(
        self,
        signature: str | None,
        seals: Sequence[_Seal],
        urls: Sequence[str],
        form: Mapping[str, str],
    ) -> bool:
        """Whether one of these seals is on one of these URLs, if any seal is asked for."""
        if not seals or not signature:  # the validator takes the length of a missing one
            return not seals
        fields = _Fields.of(form)
        return any(seal.is_on(url, fields, signature) for seal in seals for url in urls)
