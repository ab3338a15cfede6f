"""Whatever arrives is read or refused without being quoted, and what was read can go on its way.

A target takes one input of any bytes and returns; whatever it raises is a finding.
"""

from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol
from websockets.speedups import apply_mask

from edge import twilio
from shared.calls import DISPATCHES, Ringing
from shared.frames import OTHER, Cutter
from shared.messages import UP, Audio
from shared.record import (
    ENTRIES,
    Entry,
    Heard,
    Latency,
    Said,
    ToolAnswered,
    ToolAsked,
    ToolCancelled,
    Trouble,
)
from shared.vocabulary import BadMessage
from sim.agent import protocol
from sim.phone import wire
from tests.worker.driver import APPLIED, ONSET, WELCOME, Driver
from worker import deepgram

MOST = 1024
"""Bytes of the longest message that a socket takes here, so that inputs can be too long."""

MAX_REFUSAL = 40
"""Characters: "deepgram: UnicodeEncodeError", and no room to quote anybody."""


def read_twilio(data: bytes) -> None:
    """A phone socket's text frame, on to the bus and back to a phone."""
    try:
        message = twilio.parse(data)
    except BadMessage as refusal:
        _quotes_nothing(refusal, "twilio: ")
        return
    match message:
        case twilio.Started(call_sid, stream_sid, _, parameters):
            ringing = Ringing(call_sid, "", "", parameters=parameters)
            assert DISPATCHES.unpack(DISPATCHES.pack(ringing)) == ringing
            frame = twilio.Writer(stream_sid).render(Audio(b"\xff"))
            assert wire.parse(frame.decode(), stream_sid) == wire.Media(b"\xff")
        case twilio.Received(sequence, up):
            assert sequence > 0
            assert UP.unpack(UP.pack(up)) == up


def read_deepgram(data: bytes) -> None:
    """An agent socket's text frame, into the log and through a call that is under way."""
    try:
        event = deepgram.parse(data)
    except BadMessage as refusal:
        _quotes_nothing(refusal, "deepgram: ")
        return
    for entry in _entries(event):
        assert repr(ENTRIES.unpack(ENTRIES.pack(entry))) == repr(entry)
    call = Driver(tools=("end_call", "transfer_call", "collect_digits"), transfers={"a": "+15550"})
    call.attach()
    call.says(WELCOME, APPLIED, ONSET)
    call.forget()
    call.conversation.from_agent(event, call.now)
    call.listen(0.1)
    for entry in call.log():
        assert ENTRIES.pack(entry)
    for frame in call.agent():
        if isinstance(frame, str):
            refused = protocol.parse(frame)
            assert not isinstance(refused, protocol.Refusal), refused


def read_frames(data: bytes) -> None:
    """What a phone socket's peer sends, cut by hand: the messages that the library reads, too."""
    cut = [payload for kind, payload in Cutter(MOST, apply_mask).feed(data) if kind != OTHER]
    library = Protocol(SERVER, max_size=MOST)
    library.receive_data(data)
    read = [
        bytes(event.data)
        for event in library.events_received()
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY)
    ]
    assert cut == read[: len(cut)]

    cutter = Cutter(MOST, apply_mask)
    found = [each for at in range(len(data)) for each in cutter.feed(data[at : at + 1])]
    assert cut == [payload for kind, payload in found if kind != OTHER]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "twilio": read_twilio,
    "deepgram": read_deepgram,
    "frames": read_frames,
}


def _quotes_nothing(refusal: BadMessage, who: str) -> None:
    assert str(refusal).startswith(who)
    assert len(str(refusal)) < MAX_REFUSAL
    assert refusal.__cause__ is None
    assert refusal.__suppress_context__


def _entries(event: deepgram.Event) -> list[Entry]:
    """What a call's log would hold of this."""
    match event:
        case deepgram.UserText(text):
            return [Heard(text, 1)]
        case deepgram.AgentText(text, behavior):
            return [Said(1, text, 1, behavior)]
        case deepgram.LatencyReport(seconds):
            return [Latency(seconds, 1)]
        case deepgram.FunctionCallRequest(functions):
            return [
                ToolAsked(each.id, each.name, each.arguments, 1, 1, each.signature)
                for each in functions
            ]
        case deepgram.FunctionAnswered(name, content, call_id):
            return [ToolAnswered(call_id, name, content, 1)]
        case deepgram.FunctionCallCancelled(ids):
            return [ToolCancelled(each, "", 1) for each in ids]
        case deepgram.AgentWarning(code) | deepgram.AgentError(code):
            return [Trouble("agent", code, fatal=False)]
    return []
