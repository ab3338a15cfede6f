"""Who is let in: Twilio's signature, over the address that Twilio was given.

That address is `PUBLIC_URL`, never what the request says of itself: behind a proxy
the request knows neither scheme nor host, and whoever sends it may say anything.

An account signs with its auth token (HMAC-SHA1), or its webhooks with a shared key
(HMAC-SHA256, Twilio's public beta). Which it is says the operator, never the request:
its `X-Twilio-Webhooks-Signature-Settings` is as good as what it asks for.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from shared.settings import Settings


class _Seal:
    """One secret, and how Twilio signs with it."""

    def __init__(self, secret: str, algorithm: str) -> None:
        self._validator = RequestValidator(secret)
        self._algorithm = algorithm

    def is_on(self, url: str, form: Mapping[str, str], signature: str | None) -> bool:
        # A missing signature must not reach the validator: it takes its length.
        return bool(self._validator.validate(url, form, signature or "", self._algorithm))


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
        url, seals = self._origin + path, self._on_webhooks
        return not seals or any(seal.is_on(url, form, signature) for seal in seals)

    def admits_socket(self, path: str, signature: str | None) -> bool:
        """Whether a WebSocket upgrade is Twilio's: signed over the wss:// URL, with no fields."""
        origin, seals = urlsplit(self._origin), self._on_sockets
        spellings = [f"wss://{origin.netloc}{path}"]
        if origin.port in (None, 443):
            # The validator believes that wss's port is 80, so both spellings are tried here.
            spellings.append(f"wss://{origin.netloc.removesuffix(':443')}:443{path}")
        tries = [(seal, url) for seal in seals for url in spellings]
        return not seals or any(seal.is_on(url, {}, signature) for seal, url in tries)
