"""TwiML documents, read or refused with the carrier's code."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.phone.twiml import (
    Connect,
    Dial,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    TwimlError,
    Verb,
    parse,
)


def connect(stream: str, attributes: str = "") -> str:
    return f"<Response><Connect {attributes}>{stream}</Connect></Response>"


def test_a_whole_document_is_read() -> None:
    document = b"""<?xml version="1.0" encoding="UTF-8"?>
        <!-- the way a webhook answers -->
        <Response>
          <Say voice="alice" language="en">This call
             is recorded.</Say>
          <Connect action="https://voice.example.com/twilio/after-stream" method="GET">
            <Stream url="wss://voice.example.com/twilio/media" name="agent" track="inbound_track"
                    statusCallback="https://voice.example.com/status" statusCallbackMethod="GET">
              <Parameter name="token" value="a&amp;b&lt;&quot;"/>
              <Parameter name="from" value="+15551230000"/>
            </Stream>
          </Connect>
          <Redirect>/twilio/after</Redirect>
        </Response>"""

    assert parse(document) == (
        Say("This call is recorded.", "alice", "en"),
        Connect(
            Stream(
                "wss://voice.example.com/twilio/media",
                "agent",
                (("token", 'a&b<"'), ("from", "+15551230000")),
                "https://voice.example.com/status",
                "GET",
            ),
            "https://voice.example.com/twilio/after-stream",
            "GET",
        ),
        Redirect("/twilio/after"),
    )


@pytest.mark.parametrize(
    ("verb", "read"),
    [
        ("<Say>a <emphasis>b</emphasis> c</Say>", Say("a b c")),
        ("<Play>https://x/y.wav</Play>", Play("https://x/y.wav")),
        ("<Pause/>", Pause(1.0)),
        ('<Pause length="3"/>', Pause(3.0)),
        ("<Hangup/>", Hangup()),
        ("<Reject/>", Reject("rejected")),
        ('<Reject reason="busy"/>', Reject("busy")),
        ('<Redirect method="GET">/x</Redirect>', Redirect("/x", "GET")),
        ("<Dial>+15550001111</Dial>", Dial("+15550001111")),
        (
            '<Dial action="/after" callerId="+1555" timeout="10"><Number>+1556</Number></Dial>',
            Dial("+1556", "/after", "POST", "+1555", 10.0),
        ),
        ("<Dial><Sip>sip:a@b</Sip></Dial>", Dial("sip:a@b")),
    ],
)
def test_each_verb_is_read(verb: str, read: Verb) -> None:
    assert parse(f"<Response>{verb}</Response>") == (read,)


def test_an_empty_response_has_no_verbs() -> None:
    assert parse("<Response/>") == ()


def test_a_relative_stream_url_is_left_to_the_caller() -> None:
    assert parse(connect('<Stream url="/twilio"/>')) == (Connect(Stream("/twilio")),)


def test_ws_is_for_test_machines_only() -> None:
    document = connect('<Stream url="ws://127.0.0.1:5000/twilio"/>')

    assert parse(document, allow_ws=True) == (Connect(Stream("ws://127.0.0.1:5000/twilio")),)
    with pytest.raises(TwimlError, match="31922"):
        parse(document)


def test_a_parameter_has_less_than_500_characters() -> None:
    stream = '<Stream url="wss://h/x"><Parameter name="n" value="{}"/></Stream>'

    assert parse(connect(stream.format("v" * 498)))
    with pytest.raises(TwimlError, match="too long"):
        parse(connect(stream.format("v" * 499)))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", 12100),
        ("hello", 12100),
        ("<Response><Say></Response>", 12100),
        ("<response/>", 12100),
        ('<!DOCTYPE r [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>', 12100),
        ('<?xml version="1.0" encoding="no-such"?><Response/>', 12100),
        (f"<Response>{' ' * 65536}</Response>", 11750),
        ("<Response><say>x</say></Response>", 12200),
        ("<Response><Gather/></Response>", 12200),
        ('<Response><Say Voice="x">x</Say></Response>', 12200),
        ('<Response><Pause length="1.5"/></Response>', 12200),
        ('<Response><Pause length="²"/></Response>', 12200),
        ("<Response><Redirect/></Response>", 12200),
        ('<Response><Redirect method="PUT">/x</Redirect></Response>', 12200),
        ('<Response><Reject reason="no"/></Response>', 12200),
        ("<Response><Dial/></Response>", 12200),
        ("<Response><Dial><Stream/></Dial></Response>", 12200),
        (connect(""), 12200),
        (connect('<Stream url="wss://h/x"/><Stream url="wss://h/y"/>'), 12200),
        (connect('<ConversationRelay url="wss://h/x"/>'), 12200),
        (connect('<Stream url="wss://h/x"/>', 'timeout="3"'), 12200),
        (connect('<Stream url="wss://h/x" audioFormat="mulaw"/>'), 12200),
        (connect('<Stream url="wss://h/x"><Param name="a" value="b"/></Stream>'), 12200),
        (connect('<Stream url="wss://h/x"><Parameter value="b"/></Stream>'), 12200),
        (connect('<Stream url="wss://h/x">' + '<Parameter name="a"/>' * 2 + "</Stream>"), 12200),
        (connect('<Stream url="wss://h/x?token=1"/>'), 31920),
        (connect('<Stream url="wss://h/x?"/>'), 31920),
        (connect('<Stream url="https://h/x"/>'), 31922),
        (connect("<Stream/>"), 31923),
        (connect('<Stream url="wss:/h/x"/>'), 31923),
        (connect('<Stream url="wss://h/x#y"/>'), 31923),
        (connect('<Stream url="wss://h:x]/"/>'), 31923),
        (connect('<Stream url="wss://h/x" track="both_tracks"/>'), 31941),
    ],
)
def test_what_the_carrier_refuses_has_its_code(document: str, code: int) -> None:
    with pytest.raises(TwimlError) as refusal:
        parse(document)

    assert refusal.value.code == code


@given(st.binary() | st.text().map(lambda text: f"<Response>{text}</Response>".encode()))
def test_whatever_arrives_is_read_or_refused(document: bytes) -> None:
    with contextlib.suppress(TwimlError):
        assert isinstance(parse(document), tuple)
