"""Which spelling a signature was made for."""

import pytest
from twilio.request_validator import RequestValidator

from edge.doctor.spellings import Seal, find, origins, spellings
from edge.doctor.webhook import seals_of
from shared.settings import Settings

TOKEN = "test_auth_token"
URL = "https://voice.example.com/twilio/voice"
FORM = {"CallSid": "CA1", "From": "+15551230000", "FromCity": ""}
SEALS = [Seal("TWILIO_AUTH_TOKEN", TOKEN)]


def signed(url: str, form: dict[str, str] | None = None, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, form or {}))


def test_the_address_as_it_stands_comes_first() -> None:
    tried = list(spellings(URL))

    assert tried[0] == URL
    assert len(tried) == len(set(tried))


def test_one_change_comes_before_two() -> None:
    tried = list(spellings(URL))

    assert tried.index("http://voice.example.com/twilio/voice") < tried.index(
        "http://voice.example.com/twilio/voice/"
    )


@pytest.mark.parametrize(
    "made_for",
    [
        URL,
        "http://voice.example.com/twilio/voice",
        "https://voice.example.com:443/twilio/voice",
        "https://voice.example.com:5000/twilio/voice",
        "https://voice.example.com/twilio/voice/",
        "http://voice.example.com:80/twilio/voice/",
        "https://other.example.com/twilio/voice",
        "https://other.example.com:8443/twilio/voice",
        "wss://voice.example.com/twilio/voice",
    ],
)
def test_what_people_get_wrong_is_found(made_for: str) -> None:
    match = find(signed(made_for, FORM), URL, FORM, SEALS, "https://other.example.com:8443", 5000)

    assert match
    assert (match.url, match.form, match.seal) == (made_for, FORM, SEALS[0])


def test_a_query_that_got_lost() -> None:
    url = f"{URL}?agent=sales"

    match = find(signed(URL, FORM), url, FORM, SEALS)

    assert match
    assert match.url == URL


def test_fields_that_got_lost() -> None:
    filled = {name: value for name, value in FORM.items() if value}

    dropped, none = find(signed(URL, filled), URL, FORM, SEALS), find(signed(URL), URL, FORM, SEALS)

    assert dropped
    assert dropped.form == filled
    assert none
    assert none.form == {}


def test_another_token_is_no_spelling() -> None:
    assert find(signed(URL, FORM, "other"), URL, FORM, SEALS) is None
    assert find("", URL, FORM, SEALS) is None


@pytest.mark.parametrize(
    "url", ["https://[2001:db8::1]:8443/twilio/voice", "https://h/", "https://h"]
)
def test_any_address_is_spelled_as_it_stands(url: str) -> None:
    assert next(iter(spellings(url))) == url


def test_what_an_edge_may_believe_of_itself() -> None:
    tried = list(origins("https://voice.example.com/", 5000))

    assert {
        "https://voice.example.com",
        "http://voice.example.com",
        "https://voice.example.com:443",
        "https://voice.example.com:5000",
        "http://localhost:5000",
    } <= set(tried)
    assert not [url for url in tried if url.endswith("/") or url.startswith("ws")]
    assert len(tried) < 40


def test_a_secret_does_not_show() -> None:
    (seal,) = seals_of(Settings(twilio_auth_token="4711"))

    assert "4711" not in repr(seal)
    assert seals_of(Settings()) == []
