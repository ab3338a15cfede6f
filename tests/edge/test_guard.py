"""Signatures: the vectors of the protocol sheet, and every way to get one wrong."""

import pytest
from twilio.request_validator import RequestValidator

from edge.guard import Guard

TOKEN = "test_auth_token"
ORIGIN = "https://voice.example.com"
FORM = {
    "AccountSid": "AC00000000000000000000000000000001",
    "ApiVersion": "2010-04-01",
    "CallSid": "CA00000000000000000000000000000001",
    "CallStatus": "ringing",
    "Direction": "inbound",
    "From": "+15551230000",
    "FromCity": "",
    "To": "+15559870000",
}
SIGNATURE = "5GPoVhEXeqi3CMZwJ5ynGyZIKG8="
"""Over FORM and the voice webhook: the sheet's own vector."""


@pytest.fixture
def guard() -> Guard:
    return Guard(TOKEN, ORIGIN)


def signed(url: str, form: dict[str, str] | None = None, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, form or {}))


# -- webhooks -----------------------------------------------------------------


def test_the_vector_of_the_sheet(guard: Guard) -> None:
    assert guard.admits_request("/twilio/voice", FORM, SIGNATURE)


def test_a_slash_behind_public_url_is_nothing() -> None:
    assert Guard(TOKEN, ORIGIN + "/").admits_request("/twilio/voice", FORM, SIGNATURE)


def test_blank_fields_count(guard: Guard) -> None:
    without = {name: value for name, value in FORM.items() if value}

    assert not guard.admits_request("/twilio/voice", without, SIGNATURE)


def test_a_field_more_or_another_value(guard: Guard) -> None:
    assert not guard.admits_request("/twilio/voice", {**FORM, "Extra": "1"}, SIGNATURE)
    assert not guard.admits_request("/twilio/voice", {**FORM, "To": "+1"}, SIGNATURE)


def test_the_query_string_is_part_of_what_is_signed(guard: Guard) -> None:
    signature = signed(f"{ORIGIN}/twilio/voice?agent=sales", FORM)

    assert guard.admits_request("/twilio/voice?agent=sales", FORM, signature)
    assert not guard.admits_request("/twilio/voice?agent=other", FORM, signature)
    assert not guard.admits_request("/twilio/voice", FORM, signature)


@pytest.mark.parametrize("signature", [None, "", "x", SIGNATURE[:-1], SIGNATURE.lower(), "é" * 28])
def test_missing_and_wrong_signatures(guard: Guard, signature: str | None) -> None:
    assert not guard.admits_request("/twilio/voice", FORM, signature)
    assert not guard.admits_socket("/twilio", signature)


def test_another_account_s_token(guard: Guard) -> None:
    signature = signed(f"{ORIGIN}/twilio/voice", FORM, "another_token")

    assert not guard.admits_request("/twilio/voice", FORM, signature)


def test_another_host_s_signature(guard: Guard) -> None:
    signature = signed("https://elsewhere.example.com/twilio/voice", FORM)

    assert not guard.admits_request("/twilio/voice", FORM, signature)


# -- the socket ---------------------------------------------------------------


def test_a_socket_is_signed_over_its_wss_url(guard: Guard) -> None:
    assert guard.admits_socket("/twilio", signed("wss://voice.example.com/twilio"))


@pytest.mark.parametrize(
    "url",
    [
        "https://voice.example.com/twilio",
        "ws://voice.example.com/twilio",
        "wss://voice.example.com/twilio/",
        "wss://voice.example.com/other",
        "wss://voice.example.com",
        "wss://elsewhere.example.com/twilio",
    ],
)
def test_a_signature_over_anything_else_does_not_open_it(guard: Guard, url: str) -> None:
    assert not guard.admits_socket("/twilio", signed(url))


@pytest.mark.parametrize("origin", [ORIGIN, ORIGIN + ":443"])
@pytest.mark.parametrize("host", ["voice.example.com", "voice.example.com:443"])
def test_the_default_port_may_be_named_or_not(origin: str, host: str) -> None:
    signature = signed(f"wss://{host}/twilio")

    assert Guard(TOKEN, origin).admits_socket("/twilio", signature)


@pytest.mark.parametrize("host", ["voice.example.com:8443", "voice.example.com"])
def test_another_port_may_be_left_out(host: str) -> None:
    signature = signed(f"wss://{host}/twilio")

    assert Guard(TOKEN, ORIGIN + ":8443").admits_socket("/twilio", signature)


# -- without a token ----------------------------------------------------------


def test_without_a_token_everybody_is_let_in() -> None:
    guard = Guard("", "")

    assert guard.admits_request("/twilio/voice", {}, None)
    assert guard.admits_socket("/twilio", None)
