"""The agent service's end of a call: Deepgram's order of messages, and the two profiles."""

import asyncio
from typing import cast

import orjson
import pytest

from sim.load import tag
from sim.load.agent import House, Session
from sim.load.call import Call, Tally
from sim.load.plan import Plan
from sim.load.websocket import BINARY, TEXT, accept_key, pack, split

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = b"GET /v1 HTTP/1.1\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
SETTINGS = pack(TEXT, b'{"type":"Settings"}', masked=True)


class Wire:
    """Where a session writes to."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return False

    def taken(self) -> list[str]:
        """What was sent since the last call: a text's type, or how long a sound is."""
        frames, self.data = split(self.data.rpartition(b"\r\n\r\n")[2])
        return [
            orjson.loads(payload)["type"] if opcode == TEXT else f"{len(payload)} bytes"
            for opcode, payload in frames
        ]


def caller_frame(number: int) -> bytes:
    return pack(BINARY, tag.frame(tag.CALLER, 7, 0, number), masked=True)


def connect(profile: str, tally: Tally) -> tuple[Session, Wire, Call]:
    call, wire = Call(7, tally), Wire()
    call.next_frame(0.0)
    session = Session(House(profile, tally, {7: call}, every_s=20.0))
    session.connection_made(cast(asyncio.Transport, wire))
    session.data_received(REQUEST)
    return session, wire, call


async def test_the_upgrade_is_answered_and_welcome_follows() -> None:
    _, wire, _ = connect("echo", Tally())

    assert accept_key(KEY) in wire.data
    assert wire.taken() == ["Welcome"]


async def test_settings_are_applied_and_the_greeting_follows_its_text() -> None:
    session, wire, _ = connect("echo", Tally())
    wire.taken()
    session.data_received(SETTINGS)

    assert wire.taken() == ["SettingsApplied", "ConversationText", "960 bytes"]


async def test_sound_is_echoed_as_it_came() -> None:
    session, wire, call = connect("echo", Tally())
    wire.taken()
    session.data_received(caller_frame(0))

    assert split(wire.data) == ([(BINARY, tag.frame(tag.CALLER, 7, 0, 0))], b"")
    assert (call.up.arrived, call.echo.sent) == (1, 1)


async def test_another_calls_sound_has_strayed() -> None:
    tally = Tally()
    session, _, _ = connect("echo", tally)
    session.data_received(caller_frame(0))
    session.data_received(pack(BINARY, tag.frame(tag.CALLER, 8, 0, 0), masked=True))

    assert tally.counts["strayed"] == 1


async def test_a_barge_in_has_deepgrams_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.load.agent.USER_TEXT_AFTER_S", 0.15)
    monkeypatch.setattr("sim.load.agent.SPEAKS_BEFORE_BARGE_IN_S", 0.01)
    tally = Tally(since=-10.0)  # its one call is due half way between two barge-ins: long ago
    session, wire, _ = connect("talk", tally)
    wire.taken()
    session.data_received(caller_frame(0))
    await asyncio.sleep(0.3)
    session.connection_lost(None)

    texts = [each for each in wire.taken() if not each.endswith("bytes")]
    assert texts[:5] == [
        "ConversationText",
        "AgentAudioDone",
        "UserStartedSpeaking",
        "AgentAudioDone",
        "ConversationText",
    ]
    assert tally.counts["barge_ins"] >= 1


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = Plan(3, "talk", 2.0, 8080, ("ws://a/twilio", "ws://b/twilio"), guests=1)

    assert Plan.read(plan.render()) == plan
    assert plan.barge_in_every_s == 2.0
