"""The four ways to present oneself, and the ways that do not count."""

import pytest

from sim.agent.auth import Credentials, accepted, presented

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"


@pytest.mark.parametrize(
    ("authorization", "subprotocols", "credentials"),
    [
        ("Token k1", [], Credentials("token", "k1")),
        ("token k1", ["token", "k2"], Credentials("token", "k1")),
        ("Bearer " + JWT, [], Credentials("bearer", JWT)),
        (None, ["token", "k1"], Credentials("token", "k1")),
        (None, ["bearer", JWT, "x-deepgram-session-id", "1"], Credentials("bearer", JWT)),
        (None, ["token"], None),
        (None, [], None),
        ("", [], None),
    ],
)
def test_credentials_are_read(
    authorization: str | None, subprotocols: list[str], credentials: Credentials | None
) -> None:
    assert presented(authorization, subprotocols) == credentials


@pytest.mark.parametrize(
    ("credentials", "any_key", "known_keys"),
    [
        (Credentials("token", "k1"), True, True),
        (Credentials("token", "k2"), True, False),
        (Credentials("token", ""), False, False),
        (Credentials("bearer", JWT), True, True),
        (Credentials("bearer", "k1"), False, False),
        (Credentials("basic", "k1"), False, False),
        (None, False, False),
    ],
)
def test_the_door_opens(credentials: Credentials | None, any_key: bool, known_keys: bool) -> None:
    assert accepted(credentials, None) is any_key
    assert accepted(credentials, {"k1"}) is known_keys
