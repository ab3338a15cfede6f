"""The documents that Twilio is given, read as strictly as Twilio reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import twiml
from sim.phone.twiml import Connect, Dial, Hangup, Redirect, Say, Stream, parse

STREAM = "wss://voice.example.com/twilio"


def test_connect_leads_to_after_whichever_way_the_stream_ends() -> None:
    verbs = parse(twiml.connect(STREAM, {"token": "t1"}))

    assert verbs == (
        Connect(Stream(STREAM, parameters=(("token", "t1"),)), action="/twilio/after"),
        Redirect("/twilio/after"),
    )


def test_the_notice_comes_first() -> None:
    first, *_ = parse(twiml.connect(STREAM, {}, "This call may be recorded."))

    assert first == Say("This call may be recorded.")


def test_parameters_and_notice_are_escaped() -> None:
    say, connect, _ = parse(twiml.connect(STREAM, {"a": 'x&y<"z">'}, "Q & A <now>"))

    assert say == Say("Q & A <now>")
    assert isinstance(connect, Connect)
    assert connect.stream.parameters == (("a", 'x&y<"z">'),)


def test_hanging_up_with_and_without_a_last_word() -> None:
    assert parse(twiml.hang_up()) == (Hangup(),)
    assert parse(twiml.hang_up(twiml.BUSY)) == (Say(twiml.BUSY), Hangup())


def test_nothing_to_do() -> None:
    assert parse(twiml.nothing()) == ()


def test_a_transfer_comes_back_to_after_however_it_goes() -> None:
    assert parse(twiml.dial("+15557654321")) == (Dial("+15557654321", "/twilio/after"),)


def test_a_transfer_that_shows_a_number_of_ours() -> None:
    assert parse(twiml.dial("+15557654321", "+15559870000")) == (
        Dial("+15557654321", "/twilio/after", caller_id="+15559870000"),
    )


def test_a_transfer_to_a_sip_address() -> None:
    document = twiml.dial("sip:desk@pbx.example.com?x=1&y=2")

    assert parse(document) == (Dial("sip:desk@pbx.example.com?x=1&y=2", "/twilio/after"),)
    assert "<Sip>" in document
    assert "<Number>" in twiml.dial("+15557654321")


@pytest.mark.parametrize("odd", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_what_xml_cannot_write_is_left_out(odd: str) -> None:
    say, connect, _ = parse(twiml.connect(STREAM, {"a": f"x{odd}y"}, f"Q{odd}A"))

    assert say == Say("QA")
    assert isinstance(connect, Connect)
    assert connect.stream.parameters == (("a", "xy"),)


# Of any character, and often of those that XML writes in another way, or not at all.
ANY = st.text(max_size=60) | st.text(
    "\x00\x08\t\n\r\x1f <>&\"'\x7f\x85\ud800\ufffe\U0001f600", max_size=9
)


@given(ANY, ANY)
def test_whatever_is_said_and_passed_on_twilio_can_read(notice: str, value: str) -> None:
    *said, connect, redirect = parse(twiml.connect(STREAM, {"a": value}, notice))

    assert [type(verb) for verb in said] == [Say] * bool(notice)
    assert isinstance(connect, Connect)
    assert connect.stream.url == STREAM
    assert redirect == Redirect("/twilio/after")
    if value.isprintable():
        assert connect.stream.parameters == (("a", value),)


@given(ANY, ANY)
def test_whoever_is_dialled_twilio_can_read(target: str, caller_id: str) -> None:
    (dialled,) = parse(twiml.dial(f"+1555{target}", caller_id))

    assert isinstance(dialled, Dial)
    assert dialled.number.startswith("+1555")
    assert parse(twiml.hang_up(f"Bye {target}"))[1:] == (Hangup(),)
