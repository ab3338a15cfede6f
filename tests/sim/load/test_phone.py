"""The carrier's end of a call: what it sends is what `sim.phone` sends, and marks come back."""

import asyncio
from base64 import b64encode
from typing import Any, cast

import orjson
import pytest

from sim.load import phone as lean
from sim.load import tag
from sim.load.call import Call, Tally
from sim.load.phone import Phone, sid
from sim.load.websocket import TEXT, pack, split
from sim.phone.wire import CONNECTED, Renderer

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Wire:
    """Where a phone writes to."""

    def __init__(self) -> None:
        self.data = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def taken(self) -> list[str]:
        """The messages since the last call."""
        frames, self.data = split(self.data.rpartition(b"\r\n\r\n")[2])
        return [payload.decode() for _, payload in frames]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(lean, "clock", fake)
    return fake


async def ring() -> tuple[Phone, Wire]:
    phone, wire = Phone(Call(7, Tally()), Tally(), "/twilio", {"a": "b"}), Wire()
    phone.connection_made(cast(asyncio.Transport, wire))
    phone.data_received(SWITCHING)
    return phone, wire


def says(phone: Phone, **message: Any) -> None:
    phone.data_received(pack(TEXT, orjson.dumps({"streamSid": sid("MZ", 7), **message})))


def plays(phone: Phone, sound: bytes) -> None:
    says(phone, event="media", media={"payload": b64encode(sound).decode()})


def marks(phone: Phone, name: str) -> None:
    says(phone, event="mark", mark={"name": name})


def echoed(wire: Wire) -> list[str]:
    messages = map(orjson.loads, wire.taken())
    return [message["mark"]["name"] for message in messages if message["event"] == "mark"]


async def test_its_messages_are_the_carriers_byte_for_byte(clock: Clock) -> None:
    phone, wire = await ring()
    phone.beat(clock())
    phone.beat(clock())
    sent = wire.taken()

    renderer = Renderer(sid("AC", 1), sid("CA", 7), sid("MZ", 7))
    first_ms = int(orjson.loads(sent[2])["media"]["timestamp"])
    assert 50 <= first_ms <= 175
    assert sent == [
        CONNECTED,
        renderer.start({"a": "b"}),
        renderer.media(first_ms, tag.frame(tag.CALLER, 7, 0, 0)),
        renderer.media(first_ms + 20, tag.frame(tag.CALLER, 7, 0, 1)),
    ]


async def test_the_upgrade_offers_no_extensions() -> None:
    phone, wire = Phone(Call(7, Tally()), Tally(), "/twilio", {}), Wire()
    phone.connection_made(cast(asyncio.Transport, wire))

    assert wire.data.startswith(b"GET /twilio HTTP/1.1\r\n")
    assert b"User-Agent: Twilio.TmeWs/1.0\r\n" in wire.data
    assert b"Extensions" not in wire.data


async def test_a_mark_comes_back_when_what_is_before_it_has_played(clock: Clock) -> None:
    phone, wire = await ring()
    plays(phone, b"\xff" * 8000)
    marks(phone, "one")
    wire.taken()

    clock.now += 0.98
    phone.beat(clock())
    assert echoed(wire) == []
    clock.now += 0.02
    phone.beat(clock())
    assert echoed(wire) == ["one"]


async def test_a_mark_behind_nothing_comes_back_at_once(clock: Clock) -> None:
    phone, wire = await ring()
    marks(phone, "one")

    assert echoed(wire) == ["one"]


async def test_a_clear_brings_back_every_mark_in_order(clock: Clock) -> None:
    phone, wire = await ring()
    for name in ("one", "two"):
        plays(phone, b"\xff" * 8000)
        marks(phone, name)
    says(phone, event="clear")

    assert echoed(wire) == ["one", "two"]


async def test_after_its_stop_it_says_nothing_more(clock: Clock) -> None:
    phone, wire = await ring()
    phone.stop()

    assert orjson.loads(wire.taken()[-1])["sequenceNumber"] == "2"
    assert not phone.beat(clock())
    assert wire.taken() == []


async def test_an_upgrade_that_is_refused_is_a_failed_call() -> None:
    tally = Tally()
    phone, wire = Phone(Call(7, Tally()), tally, "/twilio", {}), Wire()
    phone.connection_made(cast(asyncio.Transport, wire))
    phone.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with pytest.raises(ConnectionError, match="403"):
        await phone.started
    assert tally.counts["calls_failed"] == 1
