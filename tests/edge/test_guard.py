"""Signatures: the vectors of the protocol sheet, and every way to get one wrong."""

import time

import pytest
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from edge.guard import Guard
from shared.settings import Settings

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

SOCKET_SIGNATURE = "yS+6ysA/PdKDN6v5tCLZ9jHNTOU="
"""Over wss://voice.example.com/twilio/media: the sheet's, too."""


def guarded(public_url: str = ORIGIN, auth_token: str = TOKEN, shared_key: str = "") -> Guard:
    return Guard(
        Settings(twilio_auth_token=auth_token, twilio_shared_key=shared_key, public_url=public_url)
    )


@pytest.fixture
def guard() -> Guard:
    return guarded()


def signed(url: str, form: object = None, key: str = TOKEN, algorithm: str = HMAC_SHA1) -> str:
    return str(RequestValidator(key).compute_signature(url, form or {}, algorithm))


# -- webhooks -----------------------------------------------------------------


def test_the_vector_of_the_sheet(guard: Guard) -> None:
    assert guard.admits_request("/twilio/voice", FORM, SIGNATURE)


def test_a_slash_behind_public_url_is_nothing() -> None:
    assert guarded(ORIGIN + "/").admits_request("/twilio/voice", FORM, SIGNATURE)


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


def test_repeated_fields_are_all_signed(guard: Guard) -> None:
    url = f"{ORIGIN}/twilio/voice"
    fields = [*FORM.items(), ("Media", "b"), ("Media", "a")]
    signature = signed(url, ImmutableMultiDict(fields))

    assert guard.admits_request("/twilio/voice", ImmutableMultiDict(fields), signature)
    for forged in (fields[:-1], [*fields, ("Media", "c")], [*fields, ("To", "+1")]):
        assert not guard.admits_request("/twilio/voice", ImmutableMultiDict(forged), signature)


def test_thousands_of_fields_are_checked_in_no_time(guard: Guard) -> None:
    fields = ImmutableMultiDict([(f"{number:x}", "") for number in range(20_000)])
    began = time.process_time()

    assert not guard.admits_request("/twilio/voice", fields, "x" * 28)
    assert time.process_time() - began < 1


def test_a_hash_of_the_body_in_the_url_does_not_replace_the_fields(guard: Guard) -> None:
    path = f"/twilio/voice?bodySHA256={'0' * 64}"

    assert not guard.admits_request(path, FORM, signed(ORIGIN + path))


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

    assert guarded(origin).admits_socket("/twilio", signature)


@pytest.mark.parametrize("host", ["voice.example.com:8443", "voice.example.com"])
def test_another_port_may_be_left_out(host: str) -> None:
    signature = signed(f"wss://{host}/twilio")

    assert guarded(ORIGIN + ":8443").admits_socket("/twilio", signature)


def test_the_socket_s_vector_of_the_sheet(guard: Guard) -> None:
    assert guard.admits_socket("/twilio/media", SOCKET_SIGNATURE)


# -- shared keys --------------------------------------------------------------

KEY = "shared_key_secret"
URL = f"{ORIGIN}/twilio/voice"
SOCKET = "wss://voice.example.com/twilio"

# Over FORM and the voice webhook, made with `openssl dgst -sha256 -hmac`.
SHARED_SIGNATURE = "0019p1/Fpsv9anh0dsw8HltsVMWCInSlpcWVfV/Nun0="


def test_a_shared_key_signs_webhooks_with_sha256() -> None:
    guard = guarded(auth_token="", shared_key=KEY)

    assert guard.admits_request("/twilio/voice", FORM, SHARED_SIGNATURE)
    assert not guard.admits_request("/twilio/voice", {**FORM, "To": "+1"}, SHARED_SIGNATURE)
    assert not guard.admits_request("/twilio/voice", FORM, signed(URL, FORM, KEY))
    assert not guard.admits_request("/twilio/voice", FORM, None)


def test_with_a_shared_key_the_auth_token_signs_no_webhook() -> None:
    assert not guarded(shared_key=KEY).admits_request("/twilio/voice", FORM, SIGNATURE)


def test_without_a_shared_key_sha256_signs_nothing(guard: Guard) -> None:
    assert not guard.admits_request("/twilio/voice", FORM, signed(URL, FORM, TOKEN, HMAC_SHA256))
    assert not guard.admits_socket("/twilio", signed(SOCKET, key=TOKEN, algorithm=HMAC_SHA256))


def test_a_socket_may_be_signed_with_either() -> None:
    by_key, by_token = signed(SOCKET, key=KEY, algorithm=HMAC_SHA256), signed(SOCKET)
    both = guarded(shared_key=KEY)

    assert both.admits_socket("/twilio", by_key)
    assert both.admits_socket("/twilio", by_token)
    assert not both.admits_socket("/twilio", signed(SOCKET, key=KEY))
    assert not guarded(auth_token="", shared_key=KEY).admits_socket("/twilio", by_token)


# -- without a token ----------------------------------------------------------


def test_without_a_token_everybody_is_let_in() -> None:
    guard = guarded("", "")

    assert guard.admits_request("/twilio/voice", {}, None)
    assert guard.admits_socket("/twilio", None)
