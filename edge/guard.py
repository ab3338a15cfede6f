"""Who is let in: Twilio's signature, over the address that Twilio was given.

That address is `PUBLIC_URL`, never what the request says of itself: behind a proxy
the request knows neither scheme nor host, and whoever sends it may say anything.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator


class Guard:
    """Checks signatures; with no auth token set everybody is let in (loopback only, then).

    Args:
        auth_token: The account's primary auth token.
        public_url: The origin that Twilio calls, `https://host`.
    """

    def __init__(self, auth_token: str, public_url: str) -> None:
        self._validator = RequestValidator(auth_token) if auth_token else None
        self._origin = public_url.rstrip("/")

    def admits_request(self, path: str, form: Mapping[str, str], signature: str | None) -> bool:
        """Whether a webhook is Twilio's.

        Args:
            path: As requested, with its query string.
            form: All fields of the body; empty ones count.
        """
        if self._validator is None:
            return True
        # A missing signature must not reach the validator: it takes its length.
        return bool(self._validator.validate(self._origin + path, form, signature or ""))

    def admits_socket(self, path: str, signature: str | None) -> bool:
        """Whether a WebSocket upgrade is Twilio's: signed over the wss:// URL, with no fields."""
        if self._validator is None:
            return True
        origin = urlsplit(self._origin)
        spellings = [f"wss://{origin.netloc}{path}"]
        if origin.port in (None, 443):
            # The validator believes that wss's port is 80, so both spellings are tried here.
            spellings.append(f"wss://{origin.netloc.removesuffix(':443')}:443{path}")
        return any(self._validator.validate(each, {}, signature or "") for each in spellings)
