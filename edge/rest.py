"""Twilio's REST API: calls placed, and what it says when it places none.

The library is Twilio's own. It repeats no request: a call that was asked for twice rings twice.
"""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from shared.settings import Settings

TIMEOUT_S = 20.0

# What to do, by Twilio's code, where its own sentence leaves that open.
ADVICE = {
    20003: "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, and the region of TWILIO_API_URL",
    20404: "check TWILIO_ACCOUNT_SID",
    20429: "use a smaller --rate",
    10004: "wait for calls to end, or ask Twilio for more at once",
    21205: "check PUBLIC_URL",
    21210: "verify TWILIO_FROM in the Twilio console, or use a number that you bought there",
    21212: "TWILIO_FROM, or --from, must be a number of your account",
    21215: "allow the country in the Twilio console: Voice, Geo permissions",
    21219: "a trial account calls verified numbers only",
}

# What is wrong with one call and would be with each.
CONCERN_ALL = frozenset({10001, 20003, 20005, 20404, 21205, 21210, 21212})

TOO_MANY = 429
PASSING = frozenset({10004, 20429})

_DIGITS = re.compile(r"\+[0-9][0-9 ().-]{2,}[0-9]|[0-9][0-9 ().-]{5,}[0-9]")


class Refused(Exception):
    """Twilio has not placed a call, or has not said that it did. The text names no number."""

    def __init__(self, text: str, *, concerns_all: bool = False, is_passing: bool = False) -> None:
        super().__init__(text)
        self.concerns_all = concerns_all
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True)
class Plan:
    """What calls have in common."""

    caller: str = field(repr=False)  # the number that is shown
    query: str = field(default="", repr=False)  # "" or "?...": what an edge is told of the call
    ring_s: int = 25
    detects_machines: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that Twilio has taken on."""

    call_sid: str


class Rest:
    """The account's calls."""

    def __init__(self, settings: Settings) -> None:
        self._http = TwilioHttpClient(timeout=TIMEOUT_S)
        self._origin = settings.public_url.rstrip("/")
        client = Client(
            settings.twilio_account_sid, settings.twilio_auth_token, http_client=self._http
        )
        client.api.base_url = settings.twilio_api_url
        self._calls = client.calls

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.session.close()

    def place(self, plan: Plan, number: str) -> Placed:
        """Have Twilio call this number. Raises: Refused."""
        try:
            call = self._calls.create(to=number, from_=plan.caller, **self._wishes(plan))
        except TwilioRestException as exc:
            raise refusal(exc) from None
        except OSError as exc:
            # The request may have arrived, and the phone ring: it is not for us to ask twice.
            kind = type(exc).__name__
            raise Refused(f"Twilio did not answer ({kind}); see its console for the call") from None
        return Placed(str(call.sid))

    def _wishes(self, plan: Plan) -> dict[str, object]:
        wishes: dict[str, object] = {
            "url": f"{self._origin}/twilio/voice{plan.query}",
            "status_callback": f"{self._origin}/twilio/status{plan.query}",
            "status_callback_event": ["ringing", "completed"],
            "timeout": plan.ring_s,
        }
        if plan.detects_machines:
            wishes["machine_detection"] = "DetectMessageEnd"
            wishes["async_amd"] = "true"
            wishes["async_amd_status_callback"] = f"{self._origin}/twilio/machine"
        return wishes


def refusal(exc: TwilioRestException) -> Refused:
    """What Twilio said, without the number that it said it of."""
    code = int(exc.code or exc.status)
    sentence = _DIGITS.sub("…", str(exc.msg).removeprefix("Unable to create record: "))
    advice = f" ({ADVICE[code]})" if code in ADVICE else ""
    return Refused(
        f"{code}: {sentence}{advice}",
        concerns_all=code in CONCERN_ALL,
        is_passing=code in PASSING or exc.status == TOO_MANY,
    )
