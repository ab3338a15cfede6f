"""The little of RFC 6455 that the generator speaks, against the library that speaks all of it."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from sim.load.websocket import BINARY, TEXT, accept_key, pack, split

LENGTHS = [0, 1, 125, 126, 65_535, 65_536]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_packed_is_split_again(length: int) -> None:
    payload = bytes(length)

    assert split(pack(TEXT, payload)) == ([(TEXT, payload)], b"")
    assert split(pack(TEXT, payload, masked=True)) == ([(TEXT, payload)], b"")


@pytest.mark.parametrize("length", LENGTHS)
def test_a_server_reads_our_masked_frames(length: int) -> None:
    server = ServerProtocol(state=State.OPEN)

    server.receive_data(pack(BINARY, b"a" * length, masked=True))

    assert server.events_received() == [Frame(Opcode.BINARY, b"a" * length)]


def test_a_mask_is_taken_off() -> None:
    client = ClientProtocol(parse_uri("ws://agent/"), state=State.OPEN)
    client.send_binary(b"sound")

    assert split(client.data_to_send()[0]) == ([(BINARY, b"sound")], b"")


def test_what_is_not_whole_is_left() -> None:
    one, two = pack(TEXT, b"one"), pack(TEXT, b"two" * 100)

    for cut in range(len(two)):
        assert split(one + two[:cut]) == ([(TEXT, b"one")], two[:cut])


def test_a_fragment_is_refused() -> None:
    with pytest.raises(ValueError, match="fragment"):
        split(b"\x01\x03one")


def test_the_key_is_answered_as_the_rfc_has_it() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
