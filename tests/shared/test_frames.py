"""Frames by hand, held against the library's own."""

from itertools import groupby, pairwise
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side
from websockets.speedups import apply_mask

from shared.frames import BINARY, OTHER, TEXT, Cutter, frame, masked

MOST = 70_000

HELLO = b"\x81\x05Hello"
MASKED_HELLO = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
PING = b"\x89\x05Hello"
CLOSE = b"\x88\x02\x03\xe8"
FIRST_FRAGMENT = b"\x01\x03Hel"
"""RFC 6455, 5.7."""

PAYLOADS = st.binary(max_size=200) | st.sampled_from([125, 126, 65535, 65536]).map(bytes)
KINDS = st.sampled_from([(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])


def client() -> Cutter:
    """What cuts the frames of a client."""
    return Cutter(MOST, apply_mask)


def test_an_unmasked_message_is_read() -> None:
    assert Cutter(MOST).feed(HELLO) == [(TEXT, b"Hello")]


def test_a_masked_message_is_read() -> None:
    assert client().feed(MASKED_HELLO) == [(TEXT, b"Hello")]


def test_a_ping_is_for_the_library_and_messages_go_on_behind_it() -> None:
    assert Cutter(MOST).feed(PING + HELLO) == [(OTHER, PING), (TEXT, b"Hello")]


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(CLOSE, id="a close"),
        pytest.param(FIRST_FRAGMENT, id="a fragment"),
        pytest.param(b"\xc1\x05Hello", id="a bit of an extension"),
        pytest.param(b"\x83\x00", id="an opcode that is none"),
        pytest.param(MASKED_HELLO, id="a masked frame of a server"),
        pytest.param(b"\x82\x7f" + (MOST + 1).to_bytes(8, "big"), id="a message too long"),
        pytest.param(b"\x89\x7e\x00\x80" + bytes(128), id="a ping too long"),
    ],
)
def test_all_from_a_strange_frame_on_is_for_the_library(strange: bytes) -> None:
    cutter = Cutter(MOST)

    assert cutter.feed(HELLO + strange + HELLO) == [(TEXT, b"Hello"), (OTHER, strange + HELLO)]
    assert cutter.feed(HELLO) == [(OTHER, HELLO)]


def test_an_unmasked_frame_of_a_client_is_for_the_library() -> None:
    assert client().feed(HELLO) == [(OTHER, HELLO)]


@given(st.lists(st.tuples(KINDS, PAYLOADS), max_size=4), st.data())
def test_the_librarys_frames_are_read_however_they_are_cut(
    sent: list[tuple[tuple[int, Opcode], bytes]], data: st.DataObject
) -> None:
    for is_client, cutter in ((True, client()), (False, Cutter(MOST))):
        stream = b"".join(
            Frame(opcode, payload).serialize(mask=is_client) for (_, opcode), payload in sent
        )
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
        edges = [0, *cuts, len(stream)]
        pieces = [stream[a:b] for a, b in pairwise(edges)]

        found = [each for piece in pieces for each in cutter.feed(piece)]

        assert found == [(kind, payload) for (kind, _), payload in sent]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3).map(sorted))
def test_whatever_arrives_is_read_alike_in_one_piece_and_in_many(
    stream: bytes, cuts: list[int]
) -> None:
    edges = [0, *cuts, len(stream)]
    cutter = Cutter(MOST)

    pieces = [each for a, b in pairwise(edges) for each in cutter.feed(stream[a:b])]

    assert _whole(pieces) == _whole(Cutter(MOST).feed(stream))


def _whole(found: list[tuple[int, bytes]]) -> list[tuple[int, list[bytes]]]:
    """With the bytes for the library put together: it does not mind how they are cut."""
    runs = groupby(found, itemgetter(0))
    return [
        (kind, [b"".join(pieces)] if kind == OTHER else pieces)
        for kind, pieces in ((kind, [piece for _, piece in run]) for kind, run in runs)
    ]


def read_by_library(side: Side, stream: bytes) -> list[tuple[Opcode, bytes]]:
    library = Protocol(side)
    library.receive_data(stream)
    return [
        (event.opcode, bytes(event.data))
        for event in library.events_received()
        if isinstance(event, Frame)
    ]


@given(KINDS, PAYLOADS, st.binary(min_size=4, max_size=4))
def test_the_library_reads_what_is_written(
    kind: tuple[int, Opcode], payload: bytes, mask: bytes
) -> None:
    first, opcode = kind

    assert read_by_library(CLIENT, frame(first, payload)) == [(opcode, payload)]
    assert read_by_library(SERVER, masked(first, payload, mask, apply_mask)) == [(opcode, payload)]
