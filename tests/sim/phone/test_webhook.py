"""The HTTP leg: where requests go, and what they are signed over."""

import pytest

from sim.phone.webhook import FetchError, Origins, Webhooks, signature, voice_form

TUNNEL = Origins("http://127.0.0.1:5000/twilio/voice", "https://voice.example.com")


def test_a_signature_is_the_documented_one() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "Caller": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"

    assert signature("12345", url, form, "right") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_blank_parameters_are_signed_too() -> None:
    form = {
        "AccountSid": "AC00000000000000000000000000000001",
        "ApiVersion": "2010-04-01",
        "CallSid": "CA00000000000000000000000000000001",
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": "+15551230000",
        "FromCity": "",
        "To": "+15559870000",
    }
    url = "https://voice.example.com/twilio/voice"

    assert signature("test_auth_token", url, form, "right") == "5GPoVhEXeqi3CMZwJ5ynGyZIKG8="


STREAM = "wss://voice.example.com/twilio/media"


def test_a_stream_is_signed_over_its_wss_url() -> None:
    assert signature("test_auth_token", STREAM, {}, "right") == "yS+6ysA/PdKDN6v5tCLZ9jHNTOU="


def test_a_forged_signature_is_another_or_none() -> None:
    forged = {signature("test_auth_token", STREAM, {}, how) for how in ("wrong", "https")}

    assert len(forged - {"yS+6ysA/PdKDN6v5tCLZ9jHNTOU="}) == 2
    assert signature("test_auth_token", STREAM, {}, "missing") is None


@pytest.mark.parametrize(
    ("public", "local"),
    [
        ("https://voice.example.com/a?b=c", "http://127.0.0.1:5000/a?b=c"),
        ("wss://voice.example.com/twilio", "ws://127.0.0.1:5000/twilio"),
    ],
)
def test_the_public_origin_is_served_here(public: str, local: str) -> None:
    assert TUNNEL.to_local(public) == local
    assert TUNNEL.to_public(local) == public


def test_other_origins_are_left_alone() -> None:
    assert TUNNEL.to_local("https://elsewhere.example/x") == "https://elsewhere.example/x"
    assert Origins("http://h/x").to_public("http://h/x") == "http://h/x"


def test_the_form_names_both_parties_and_leaves_geography_blank() -> None:
    form = voice_form("AC1", "CA1", "+1", "+2")

    assert form["From"] == form["Caller"] == "+1"
    assert form["To"] == form["Called"] == "+2"
    assert form["FromCity"] == form["CalledCountry"] == ""


async def test_nobody_listening_is_a_connection_failure() -> None:
    webhooks = Webhooks("token", Origins("http://127.0.0.1:1/x"))
    try:
        with pytest.raises(FetchError, match="11205"):
            await webhooks.send("http://127.0.0.1:1/x", "POST", {"a": "b"})
    finally:
        await webhooks.close()
