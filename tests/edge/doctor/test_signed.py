"""A signature from the debugger: what is said of it."""

import pytest
from twilio.request_validator import HMAC_SHA256, RequestValidator

from edge.doctor import signed
from edge.doctor.finding import Mark
from shared.settings import Settings, read

TOKEN = "test_auth_token"
PUBLIC = "https://voice.example.com"
FORM = {"CallSid": "CA1", "From": "+15551230000", "FromCity": ""}


def settings(public_url: str = PUBLIC) -> Settings:
    return read({"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": public_url})


def made_for(url: str, form: dict[str, str] | None = None, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, form or {}))


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (f"{PUBLIC}/twilio/voice", FORM),
        (f"{PUBLIC}:443/twilio/voice?agent=sales", FORM),
        ("wss://voice.example.com/twilio", {}),
        ("wss://voice.example.com:443/twilio", {}),
    ],
)
def test_one_that_the_edge_accepts(url: str, form: dict[str, str]) -> None:
    finding = signed.finding(settings(), url, made_for(url, form), form)

    assert finding.mark is Mark.OK
    assert url in finding.seen


HTTPS = "https://voice.example.com/twilio/voice"


@pytest.mark.parametrize(
    ("shown", "made", "todo"),
    [
        (HTTPS, HTTPS.replace("https", "http"), "give Twilio https://voice.example.com"),
        (HTTPS, f"{HTTPS}/", "it was given /twilio/voice/"),
        (f"{HTTPS}/", f"{HTTPS}/", "it was given /twilio/voice/"),
        (HTTPS, f"{PUBLIC}:5000/twilio/voice", f"set PUBLIC_URL={PUBLIC}:5000"),
        ("https://a.ngrok.app/x", "https://a.ngrok.app/x", "set PUBLIC_URL=https://a.ngrok.app"),
        ("https://Voice.example.com/x", "https://Voice.example.com/x", "=https://Voice.example"),
        ("wss://voice.example.com/twilio", f"{PUBLIC}/twilio", "give Twilio wss://voice.example"),
    ],
)
def test_one_that_it_does_not_accept(shown: str, made: str, todo: str) -> None:
    """What the debugger, or the edge's log, shows; what Twilio was given."""
    finding = signed.finding(settings(), shown, made_for(made, FORM), FORM)

    assert finding.mark is Mark.BAD
    assert made in finding.seen
    assert todo in finding.todo


def test_one_that_was_made_before_something_added_fields() -> None:
    url = f"{PUBLIC}/twilio/voice"

    finding = signed.finding(settings(), url, made_for(url), FORM)

    assert finding.mark is Mark.BAD
    assert "without any field" in finding.todo


def test_one_of_another_token() -> None:
    url = f"{PUBLIC}/twilio/voice"

    finding = signed.finding(settings(), url, made_for(url, FORM, "4711"), FORM)

    assert finding.mark is Mark.BAD
    assert "TWILIO_AUTH_TOKEN" in finding.todo
    assert TOKEN not in str(finding)
    assert FORM["From"] not in str(finding)


def test_one_of_a_shared_key() -> None:
    url, key = f"{PUBLIC}/twilio/voice", "shared-4711"
    shared = read({"TWILIO_SHARED_KEY": key, "PUBLIC_URL": PUBLIC})
    signature = RequestValidator(key).compute_signature(url, FORM, HMAC_SHA256)

    finding = signed.finding(shared, url, signature, FORM)

    assert finding.mark is Mark.OK
    assert "TWILIO_SHARED_KEY" in finding.seen
    assert key not in str(finding)
