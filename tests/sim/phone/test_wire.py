"""The media-stream messages, letter for letter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.phone.wire import CONNECTED, Clear, Mark, Media, Rejection, Renderer, parse

AC = "AC00000000000000000000000000000001"
CA = "CA00000000000000000000000000000001"
MZ = "MZ00000000000000000000000000000001"


def renderer() -> Renderer:
    return Renderer(AC, CA, MZ)


def test_connected_is_the_captured_text() -> None:
    assert CONNECTED == '{"event":"connected","protocol":"Call","version":"1.0.0"}'


def test_start_is_number_one_and_carries_the_parameters() -> None:
    assert renderer().start({"token": "3f9c", "lang": "en-GB"}) == (
        '{"event":"start","sequenceNumber":"1",'
        f'"start":{{"accountSid":"{AC}","streamSid":"{MZ}","callSid":"{CA}","tracks":["inbound"],'
        '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
        '"customParameters":{"token":"3f9c","lang":"en-GB"}},'
        f'"streamSid":"{MZ}"}}'
    )


def test_media_counts_chunks_and_messages_as_strings() -> None:
    stream = renderer()
    stream.start({})
    stream.dtmf("1")

    assert stream.media(155, b"\xff\xff\xff") == (
        '{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1",'
        f'"timestamp":"155","payload":"////"}},"streamSid":"{MZ}"}}'
    )


def test_the_rest_has_the_captured_key_order() -> None:
    stream = renderer()

    assert stream.dtmf("#") == (
        f'{{"event":"dtmf","streamSid":"{MZ}","sequenceNumber":"1",'
        '"dtmf":{"track":"inbound_track","digit":"#"}}'
    )
    assert stream.mark("u7:c12") == (
        f'{{"event":"mark","sequenceNumber":"2","streamSid":"{MZ}","mark":{{"name":"u7:c12"}}}}'
    )
    assert stream.stop() == (
        f'{{"event":"stop","sequenceNumber":"3","streamSid":"{MZ}",'
        f'"stop":{{"accountSid":"{AC}","callSid":"{CA}"}}}}'
    )


def test_a_twin_is_the_same_stream_from_the_start() -> None:
    stream = renderer()

    assert stream.start({}) == stream.twin().start({})


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f'{{"event":"media","streamSid":"{MZ}","media":{{"payload":"/w=="}}}}', Media(b"\xff")),
        (f'{{"event":"mark","streamSid":"{MZ}","mark":{{"name":"a"}}}}', Mark("a")),
        (f'{{"event":"clear","streamSid":"{MZ}"}}', Clear()),
        (f' {{"streamSid": "{MZ}", "event": "clear"}} ', Clear()),
    ],
)
def test_the_servers_three_messages_are_read(text: str, command: object) -> None:
    assert parse(text, MZ) == command


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("clear", "not JSON"),
        ("[" * 100_000, "JSON nested too deep"),
        ("[]", "no event"),
        ("null", "no event"),
        ('{"event":1}', "no event"),
        ('{"event":"connected"}', "unknown event 'connected'"),
        ('{"event":"Clear","streamSid":"MZ"}', "unknown event 'Clear'"),
        ('{"event":"clear"}', "no streamSid"),
        ('{"event":"clear","streamSid":"MZ2"}', "wrong stream SID"),
        ('{"event":"clear","streamSid":null}', "wrong stream SID"),
        ('{"event":"clear","streamSid":"MZ","sequenceNumber":"1"}', "extra field 'sequenceNumber'"),
        ('{"event":"media","streamSid":"MZ"}', "media without its media object"),
        ('{"event":"media","streamSid":"MZ","media":"/w=="}', "not exactly a payload string"),
        ('{"event":"media","streamSid":"MZ","media":{}}', "not exactly a payload string"),
        (
            '{"event":"media","streamSid":"MZ","media":{"playload":"/w=="}}',
            "not exactly a payload string",
        ),
        (
            '{"event":"media","streamSid":"MZ","media":{"payload":"/w==","track":"outbound"}}',
            "not exactly a payload string",
        ),
        ('{"event":"media","streamSid":"MZ","media":{"payload":[1]}}', "not exactly a payload"),
        ('{"event":"media","streamSid":"MZ","media":{"payload":""}}', "empty payload"),
        ('{"event":"media","streamSid":"MZ","media":{"payload":"/w"}}', "padding"),
        ('{"event":"media","streamSid":"MZ","media":{"payload":"/w==\\n"}}', ""),
        ('{"event":"media","streamSid":"MZ","media":{"payload":"é"}}', "ASCII"),
        ('{"event":"mark","streamSid":"MZ"}', "mark without its mark object"),
        ('{"event":"mark","streamSid":"MZ","name":"a"}', "mark without its mark object"),
        ('{"event":"mark","streamSid":"MZ","mark":{"name":7}}', "not exactly a name string"),
        ('{"event":"mark","streamSid":"MZ","mark":{"name":"a"},"x":1}', "extra field 'x'"),
    ],
)
def test_anything_else_is_an_invalid_message(text: str, why: str) -> None:
    rejection = parse(text, "MZ")

    assert isinstance(rejection, Rejection)
    assert rejection.code == 31951
    assert why in rejection.why


def test_a_binary_frame_is_a_malformed_message() -> None:
    assert parse(b'{"event":"clear","streamSid":"MZ"}', "MZ") == Rejection(31950, "binary frame")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
EVENTS = st.sampled_from(["media", "mark", "clear", "start"])


@given(
    st.text()
    | st.binary()
    | st.builds(json.dumps, JSON)
    | st.builds(lambda e, body: json.dumps({"event": e, "streamSid": "MZ", e: body}), EVENTS, JSON)
    | st.builds(
        lambda payload: json.dumps(
            {"event": "media", "streamSid": "MZ", "media": {"payload": payload}}
        ),
        st.text(),
    )
)
def test_whatever_arrives_is_read_or_rejected(frame: str | bytes) -> None:
    assert isinstance(parse(frame, "MZ"), Media | Mark | Clear | Rejection)
