"""A call's hash, as it was written and as anybody may have written it: a bundle comes by mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.callhash import call_of, described
from shared.calls import Call, Ringing, State


def stored(ringing: Ringing) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in described(ringing).items()}


def test_what_a_dispatch_says_is_what_the_hash_tells() -> None:
    ringing = Ringing("CA1", "+1555", "+1666", "sales", "outbound", False, {"a": "\u00e4"})

    assert call_of(stored(ringing)) == Call(
        caller="+1555",
        called="+1666",
        agent="sales",
        direction="outbound",
        parameters={"a": "\u00e4"},
    )


def test_of_nothing_it_tells_nothing() -> None:
    assert call_of({}) == Call()


@pytest.mark.parametrize(
    "fields",
    [
        {b"parameters": b"[" * 100_000},
        {b"parameters": b"[1]"},
        {b"parameters": b'{"a":1}'},
        {b"parameters": b'{"a":"\\ud800"}'},
        {b"state": b"asleep"},
        {b"epoch": b"9" * 5000},
        {b"from": b"\xff"},
        {b"stream:\xff": b""},
        {b"cursor": b"MZ1 soon", b"stream": b"MZ1"},
    ],
)
def test_what_no_version_of_ours_wrote_is_refused(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of its kinds is nobody's business
        call_of(fields)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.builds(Ringing, TEXT, TEXT, TEXT, agent=TEXT, parameters=st.dictionaries(TEXT, TEXT)))
def test_every_dispatch_can_be_told_from_its_hash(ringing: Ringing) -> None:
    call = call_of(stored(ringing))

    assert (call.caller, call.called, call.agent) == (ringing.caller, ringing.called, ringing.agent)
    assert call.parameters == ringing.parameters
    assert call.has_webhook


NAMES = st.sampled_from(
    [b"state", b"webhook", b"stream", b"owner", b"epoch", b"cause", b"cursor", b"attempts"]
) | st.sampled_from(
    [b"parameters", b"started", b"ended", b"stream:MZ1", b"token:a", b"from", b"new"]
)
VALUES = st.binary(max_size=9) | st.sampled_from(
    [b"0", b"-1", b" 7 ", b"MZ1", b"MZ1 5", b"live", b"{}", b'{"a":"b"}', b"[[[", b"w.1", b"\xff"]
)


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_the_hash_holds_is_told_or_refused(fields: dict[bytes, bytes]) -> None:
    try:
        call = call_of(fields)
    except ValueError:
        return  # the only exception that call_of() documents
    assert call.state in State
    assert all(isinstance(value, str) for value in call.parameters.values())
