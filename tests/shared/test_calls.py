"""The dispatch of a call, and what is known of one."""

import msgpack
import pytest

from shared.calls import DISPATCHES, Call, Claim, Ringing

FULL = Ringing(
    "CA1", "+1", "+2", "sales", "outbound", False, {"vip": "yes"}, 2.5, "CA0", False, {"f": "1"}
)


def test_a_dispatch_is_an_array() -> None:
    array = [1, "CA1", "+1", "+2", "sales", "outbound", False, {"vip": "yes"}, 2.5, "CA0"]
    array += [False, {"f": "1"}]

    assert DISPATCHES.pack(FULL) == msgpack.packb(array)
    assert DISPATCHES.unpack(msgpack.packb(array)) == FULL


def test_an_older_dispatch_takes_defaults() -> None:
    assert DISPATCHES.unpack(msgpack.packb([1, "CA1", "+1", "+2"])) == Ringing("CA1", "+1", "+2")


def test_numbers_parameters_and_tokens_do_not_show() -> None:
    ringing = Ringing("CA1", "4711", "4711", parameters={"pin": "4711"})
    call = Call(caller="4711", called="4711", tokens=("4711",))

    assert "4711" not in repr(ringing)
    assert "4711" not in repr(Claim("1-0", ringing, 1, False))
    assert "4711" not in repr(call)


@pytest.mark.parametrize("caller", ["+15551230000", "client:jane", "sip:jane@example.com"])
def test_calls_are_counted_by_their_caller(caller: str) -> None:
    assert Ringing("CA1", caller, "+2").counted_as == caller


@pytest.mark.parametrize(
    "caller",
    [
        *("", "anonymous", "Anonymous", "+266696687", "client:Anonymous"),
        *("sip:anonymous@anonymous.invalid", "sip:+266696687@example.com"),
    ],
)
def test_callers_who_hide_are_not_told_apart(caller: str) -> None:
    assert Ringing("CA1", caller, "+2").counted_as == ""


def test_calls_that_we_place_are_not_counted_by_our_number() -> None:
    assert Ringing("CA1", "+1", "+2", direction="outbound").counted_as == ""
