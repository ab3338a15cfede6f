"""Addresses of Deepgram's that are right, and those that people take for them."""

import pytest

from shared.regions import complaint


@pytest.mark.parametrize(
    "url",
    [
        "wss://agent.deepgram.com/v1/agent/converse",
        "wss://api.eu.deepgram.com/v1/agent/converse",
        "wss://api.au.deepgram.com/v1/agent/converse",
        "wss://api.in.deepgram.com/v1/agent/converse",
        "ws://127.0.0.1:8080/v1/agent/converse",
        "wss://agent.example.com/elsewhere?x=1",
        "wss://acme.deepgram.com/v1/agent/converse",
    ],
)
def test_a_good_one(url: str) -> None:
    assert complaint(url) == ""


@pytest.mark.parametrize(
    ("url", "use"),
    [
        ("wss://api.deepgram.com/v1/agent/converse", "wss://agent.deepgram.com/v1/agent/converse"),
        (
            "wss://agent.eu.deepgram.com/v1/agent/converse",
            "wss://api.eu.deepgram.com/v1/agent/converse",
        ),
        ("wss://api.eu.deepgram.com/v1/listen", "wss://api.eu.deepgram.com/v1/agent/converse"),
        ("wss://agent.deepgram.com/agent", "wss://agent.deepgram.com/v1/agent/converse"),
        ("ws://agent.deepgram.com/v1/agent/converse", "wss://agent.deepgram.com/v1/agent/converse"),
        (
            "wss://agent.deepgram.com/v1/agent/converse?model=x",
            "wss://agent.deepgram.com/v1/agent/converse",
        ),
    ],
)
def test_one_that_is_not(url: str, use: str) -> None:
    assert complaint(url).endswith(f"use {use}")
