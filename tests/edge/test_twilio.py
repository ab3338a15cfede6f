"""Every message of the protocol sheet, and everything that is none."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.twilio import Received, Started, Writer, is_sid, parse
from shared.messages import Audio, Clear, Digit, Ended, Mark
from shared.vocabulary import BadMessage
from sim.phone import wire

CALL = "CA00000000000000000000000000000001"
STREAM = "MZ00000000000000000000000000000001"

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = (
    '{"event":"start","sequenceNumber":"1",'
    '"start":{"accountSid":"AC00000000000000000000000000000001",'
    '"streamSid":"MZ00000000000000000000000000000001",'
    '"callSid":"CA00000000000000000000000000000001","tracks":["inbound"],'
    '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    '"customParameters":{"token":"3f9c","lang":"en-GB"}},'
    '"streamSid":"MZ00000000000000000000000000000001"}'
)
MEDIA = (
    '{"event":"media","sequenceNumber":"2",'
    '"media":{"track":"inbound","chunk":"1","timestamp":"155","payload":"//8A"},'
    '"streamSid":"MZ00000000000000000000000000000001"}'
)
DTMF = (
    '{"event":"dtmf","streamSid":"MZ00000000000000000000000000000001","sequenceNumber":"5",'
    '"dtmf":{"track":"inbound_track","digit":"1"}}'
)
MARK = (
    '{"event":"mark","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000001",'
    '"mark":{"name":"u7:c12"}}'
)
STOP = (
    '{"event":"stop","sequenceNumber":"378","streamSid":"MZ00000000000000000000000000000001",'
    '"stop":{"accountSid":"AC00000000000000000000000000000001",'
    '"callSid":"CA00000000000000000000000000000001"}}'
)


def changed(message: str, *path: str, to: Any = None) -> str:
    """The message with one field replaced; without it if `to` is None."""
    event = json.loads(message)
    inner = event
    for name in path[:-1]:
        inner = inner[name]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(event)


def nested(depth: int) -> str:
    return '{"event":' + "[" * depth + "]" * depth + "}"


# -- what Twilio sends --------------------------------------------------------


def test_connected_has_nothing_for_us() -> None:
    assert parse(CONNECTED) is None


def test_start() -> None:
    assert parse(START) == Started(CALL, STREAM, 1, {"token": "3f9c", "lang": "en-GB"})


def test_media() -> None:
    assert parse(MEDIA) == Received(2, Audio(b"\xff\xff\x00", 155))


def test_dtmf_has_the_time_of_the_frame_before_it() -> None:
    assert parse(DTMF, clock=175) == Received(5, Digit("1", 175))


def test_mark_has_the_time_of_the_frame_before_it() -> None:
    assert parse(MARK, clock=175) == Received(4, Mark("u7:c12", 175))


def test_stop_means_that_the_caller_hung_up() -> None:
    assert parse(STOP) == Received(378, Ended("caller hung up"))


def test_what_the_stand_in_carrier_sends_is_read() -> None:
    phone = wire.Renderer("AC" + "0" * 32, CALL, STREAM)

    read = [
        parse(frame, clock=60)
        for frame in (
            wire.CONNECTED,
            phone.start({}),
            phone.media(60, b"\x01" * 160),
            phone.dtmf("#"),
            phone.mark("m-1"),
            phone.stop(),
        )
    ]

    assert read == [
        None,
        Started(CALL, STREAM, 1, {}),
        Received(2, Audio(b"\x01" * 160, 60)),
        Received(3, Digit("#", 60)),
        Received(4, Mark("m-1", 60)),
        Received(5, Ended("caller hung up")),
    ]


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_every_key_of_a_phone(digit: str) -> None:
    assert parse(changed(DTMF, "dtmf", "digit", to=digit)) == Received(5, Digit(digit))


def test_start_without_parameters() -> None:
    started = parse(changed(START, "start", "customParameters"))

    assert isinstance(started, Started)
    assert started.parameters == {}


@pytest.mark.parametrize("size", [0, 1, 159, 161, 8000])
def test_frames_of_any_size(size: int) -> None:
    payload = b64encode(bytes(size)).decode()

    assert parse(changed(MEDIA, "media", "payload", to=payload)) == Received(
        2, Audio(bytes(size), 155)
    )


def test_sound_of_another_track_is_left_out() -> None:
    assert parse(changed(MEDIA, "media", "track", to="outbound")) is None


@pytest.mark.parametrize("event", ["closed", "error", "Media", "something new", ""])
def test_unknown_events_are_ignored(event: str) -> None:
    assert parse(json.dumps({"event": event, "anything": [1]})) is None


@pytest.mark.parametrize("message", [START, MEDIA, DTMF, MARK, STOP])
def test_unknown_fields_are_ignored(message: str) -> None:
    assert parse(changed(message, "new", to={"a": 1})) == parse(message)


@pytest.mark.parametrize("message", [START, MEDIA, DTMF, MARK, STOP])
def test_the_order_of_fields_does_not_matter(message: str) -> None:
    backwards = dict(reversed(json.loads(message).items()))

    assert parse(json.dumps(backwards)) == parse(message)


# -- what is refused ----------------------------------------------------------

MALFORMED = {
    "nothing": "",
    "no JSON": "hello",
    "half a message": MEDIA[:60],
    "no object": "[1]",
    "a number": "7",
    "null": "null",
    "no event": '{"sequenceNumber":"1"}',
    "nested too deep": nested(100_000),
    "start without its body": changed(START, "start"),
    "start without a call": changed(START, "start", "callSid"),
    "start with a call of another kind": changed(START, "start", "callSid", to=STREAM),
    "start with a stream of another kind": changed(START, "start", "streamSid", to=CALL),
    "start with a short SID": changed(START, "start", "callSid", to=CALL[:-1]),
    "start with a long SID": changed(START, "start", "callSid", to=CALL + "0"),
    "start with a newline behind the SID": changed(START, "start", "callSid", to=CALL + "\n"),
    "start with a SID out of Redis' braces": changed(START, "start", "callSid", to="CA{x}"),
    "start with a SID that is a number": changed(START, "start", "callSid", to=1),
    "start without a number": changed(START, "sequenceNumber"),
    "start without a format": changed(START, "start", "mediaFormat"),
    "another encoding": changed(START, "start", "mediaFormat", "encoding", to="audio/l16"),
    "another rate": changed(START, "start", "mediaFormat", "sampleRate", to=16000),
    "two channels": changed(START, "start", "mediaFormat", "channels", to=2),
    "a parameter that is no text": changed(START, "start", "customParameters", "lang", to=1),
    "parameters that are a list": changed(START, "start", "customParameters", to=["token"]),
    "media without its body": changed(MEDIA, "media"),
    "media whose body is a text": changed(MEDIA, "media", to="//8A"),
    "media without a payload": changed(MEDIA, "media", "payload"),
    "a payload that is a number": changed(MEDIA, "media", "payload", to=7),
    "a payload of other letters": changed(MEDIA, "media", "payload", to="//8A!"),
    "a payload cut short": changed(MEDIA, "media", "payload", to="//8"),
    "a payload that is not ASCII": changed(MEDIA, "media", "payload", to="ääää"),
    "media without a timestamp": changed(MEDIA, "media", "timestamp"),
    "a timestamp below zero": changed(MEDIA, "media", "timestamp", to="-1"),
    "a timestamp beyond all calls": changed(MEDIA, "media", "timestamp", to=str(2**60)),
    "a timestamp in words": changed(MEDIA, "media", "timestamp", to="now"),
    "media without a number": changed(MEDIA, "sequenceNumber"),
    "the number zero": changed(MEDIA, "sequenceNumber", to="0"),
    "a number below zero": changed(MEDIA, "sequenceNumber", to="-2"),
    "a number that Redis cannot hold": changed(MEDIA, "sequenceNumber", to="9" * 30),
    "a number with a point": changed(MEDIA, "sequenceNumber", to="2.0"),
    "a number of 5000 digits": changed(MEDIA, "sequenceNumber", to="1" * 5000),
    "dtmf without its body": changed(DTMF, "dtmf"),
    "no digit": changed(DTMF, "dtmf", "digit"),
    "two digits": changed(DTMF, "dtmf", "digit", to="12"),
    "an empty digit": changed(DTMF, "dtmf", "digit", to=""),
    "a digit that is a number": changed(DTMF, "dtmf", "digit", to=1),
    "mark without its body": changed(MARK, "mark"),
    "mark without a name": changed(MARK, "mark", "name"),
    "a name that is a number": changed(MARK, "mark", "name", to=7),
    "stop without a number": changed(STOP, "sequenceNumber"),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_malformed(message: str) -> None:
    with pytest.raises(BadMessage):
        parse(message)


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (START, ["sequenceNumber"]),
        (MEDIA, ["sequenceNumber"]),
        (MEDIA, ["media", "timestamp"]),
        (DTMF, ["sequenceNumber"]),
        (MARK, ["sequenceNumber"]),
        (STOP, ["sequenceNumber"]),
    ],
)
def test_counters_are_strings(message: str, path: list[str]) -> None:
    with pytest.raises(BadMessage):
        parse(changed(message, *path, to=7))


@pytest.mark.parametrize(
    "message",
    [
        changed(DTMF, "dtmf", "digit", to="4711"),
        changed(MEDIA, "media", "payload", to="4711!"),
        changed(START, "start", "callSid", to="4711"),
        '{"event":"media","4711',
    ],
)
def test_a_refusal_does_not_quote_the_caller(message: str) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse(message)

    assert "4711" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = sorted(
    {"event", "sequenceNumber", "streamSid", "media", "mark", "dtmf", "start", "stop"}
    | {"track", "timestamp", "payload", "name", "digit", "callSid", "mediaFormat"}
)
EVENTS = st.sampled_from(["media", "mark", "dtmf", "start", "stop", "connected"])


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A message of Twilio's in which some fields are something else."""
    event = json.loads(draw(st.sampled_from([START, MEDIA, DTMF, MARK, STOP])))
    for place in (event, event.get(event["event"], {})):
        if isinstance(place, dict):
            place.update(draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2)))
    return json.dumps(event)


@given(
    st.text()
    | mangled()
    | st.builds(lambda event, body: json.dumps({"event": event, event: body}), EVENTS, JSON)
)
def test_whatever_arrives_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except BadMessage as refusal:
        assert str(refusal).startswith("twilio: ")  # noqa: PT017 - both ways are right
        assert len(str(refusal)) < 40  # noqa: PT017


# -- SIDs ---------------------------------------------------------------------


def test_a_sid_is_its_prefix_and_32_hexadecimal_digits() -> None:
    assert is_sid(CALL, "CA")
    assert is_sid("CA" + "0123456789abcdef" * 2, "CA")
    assert is_sid(STREAM, "MZ")


@pytest.mark.parametrize(
    "text", ["", "CA", STREAM, CALL[:-1], CALL + "0", CALL + "\n", " " + CALL, "CA" + "g" * 32]
)
def test_and_nothing_else(text: str) -> None:
    assert not is_sid(text, "CA")


# -- what Twilio is sent ------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (
            Audio(b"\xff\xff\x00"),
            '{"event":"media","streamSid":"%s","media":{"payload":"//8A"}}',
        ),
        (Mark("1a-7"), '{"event":"mark","streamSid":"%s","mark":{"name":"1a-7"}}'),
        (Clear(), '{"event":"clear","streamSid":"%s"}'),
    ],
)
def test_rendered_frames_are_exactly_the_documented_ones(
    message: Audio | Mark | Clear, frame: str
) -> None:
    assert Writer(STREAM).render(message) == (frame % STREAM).encode()


@given(st.binary(max_size=2000))
def test_the_carrier_hears_the_bytes_that_were_sent(mulaw: bytes) -> None:
    heard = wire.parse(Writer(STREAM).render(Audio(b"\x00" + mulaw)).decode(), STREAM)

    assert heard == wire.Media(b"\x00" + mulaw)


@given(st.text("0123456789abcdef-", min_size=1))
def test_the_carrier_reads_marks_and_clears(name: str) -> None:
    writer = Writer(STREAM)

    assert wire.parse(writer.render(Mark(name)).decode(), STREAM) == wire.Mark(name)
    assert wire.parse(writer.render(Clear()).decode(), STREAM) == wire.Clear()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**53 - 1))
def test_what_the_carrier_says_is_what_was_meant(text: str, timestamp: int) -> None:
    carrier = wire.Renderer("AC" + "0" * 32, CALL, STREAM)

    assert parse(carrier.start({text: text})) == Started(CALL, STREAM, 1, {text: text})
    sound = text.encode()
    assert parse(carrier.media(timestamp, sound)) == Received(2, Audio(sound, timestamp))
    assert parse(carrier.mark(text), 7) == Received(3, Mark(text, 7))
