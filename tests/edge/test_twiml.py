"""The documents that Twilio is given, read as strictly as Twilio reads them."""

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
