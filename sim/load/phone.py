"""The carrier's end of a call, made for numbers: a TwiML Bin's socket and its playback buffer.

The messages are those of `sim.phone.wire`, byte for byte, but around a payload of which only 20
characters are new. Playback is a clock: sound plays for as long as it is long, behind what was
there; a mark is echoed once that time has come, looked at when the caller's next frame is due,
and at once on a `clear`.
"""

import asyncio
import base64
import os
from binascii import a2b_base64
from collections import deque
from random import Random
from time import perf_counter as clock
from typing import Any

import orjson

from shared.sound import RATE
from sim.load.call import Call, Tally
from sim.load.websocket import TEXT, Peer
from sim.phone.wire import CONNECTED, Renderer

FRAME_MS = 20

FIRST_TIMESTAMP_MS = (50, 175)
"""Between these the caller's stream clock stands at his first frame."""


_MEDIA = (
    b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
    b'"timestamp":"%d","payload":"%b%b'
)


class Phone(Peer):
    """One phone socket."""

    masks = True

    def __init__(self, call: Call, tally: Tally, path: str, parameters: dict[str, str]) -> None:
        super().__init__()
        self.call = call
        self.call_sid = sid("CA", call.number)
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.is_silent = False
        """Set to send no more frames; the socket stays."""
        self._tally = tally
        self._path = path
        self._parameters = parameters
        self._stream_sid = sid("MZ", call.number)
        self._wire = Renderer(sid("AC", 1), self.call_sid, self._stream_sid)
        self._sequence = 1  # `start` has number 1
        self._frames = 0
        self._timestamp = Random(call.number).randint(*FIRST_TIMESTAMP_MS)
        self._tail = f'"}},"streamSid":"{self._stream_sid}"}}'.encode()
        self._plays_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self.is_over = False
        """Whether it has hung up, or was hung up on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Twilio.TmeWs/1.0\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def on_head(self, head: bytes) -> None:
        status = head.partition(b"\r\n")[0]
        if b" 101 " not in status:
            self.fail(f"upgrade refused: {status.decode(errors='replace')}")
            return
        self.send(TEXT, CONNECTED.encode())
        self.call.started_at = clock()
        self.send(TEXT, self._wire.start(self._parameters).encode())
        self.started.set_result(None)

    def beat(self, now: float) -> bool:
        """The caller's 20 ms are over. Returns whether there will be more of them."""
        if self._marks:
            self._echo_marks(now)
        if not self.is_silent and not self.is_over:
            self._sequence += 1
            self._frames += 1
            counts = self._sequence, self._frames, self._timestamp
            self._timestamp += FRAME_MS
            self.send(TEXT, _MEDIA % (*counts, self.call.next_frame(now), self._tail))
        return not self.is_over

    def stop(self) -> None:
        """The caller hangs up."""
        if not self.is_over:
            self.is_over = True
            stop = {
                "event": "stop",
                "sequenceNumber": str(self._sequence + 1),
                "streamSid": self._stream_sid,
                "stop": {"accountSid": sid("AC", 1), "callSid": self.call_sid},
            }
            self.send(TEXT, orjson.dumps(stop))

    def on_text(self, payload: bytes) -> None:
        now = self.read_at or clock()
        message: dict[str, Any] = orjson.loads(payload)
        match message["event"]:
            case "media":
                self._play(a2b_base64(message["media"]["payload"]), now)
            case "mark":
                self._marks.append((self._plays_until, message["mark"]["name"]))
                self._echo_marks(now)
            case "clear":
                self._plays_until = now
                self._marks = deque((now, name) for _, name in self._marks)
                self.call.cleared(now)
                self._echo_marks(now)

    def _play(self, sound: bytes, now: float) -> None:
        self._plays_until = max(now, self._plays_until) + len(sound) / RATE
        self.call.played(sound, now)

    def _echo_marks(self, now: float) -> None:
        while self._marks and self._marks[0][0] <= now and not self.is_over:
            self._sequence += 1
            mark = {
                "event": "mark",
                "sequenceNumber": str(self._sequence),
                "streamSid": self._stream_sid,
                "mark": {"name": self._marks.popleft()[1]},
            }
            self.send(TEXT, orjson.dumps(mark))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("closed by the bridge")
        self.ended.set()

    def fail(self, why: str) -> None:
        """It is over, and the caller did not want that. Once it is over, it cannot fail."""
        if self.is_over:
            return
        self.is_over = True
        self._tally.counts["calls_failed"] += 1
        self.hang_up()
        if self._transport is None:
            self.ended.set()
        if not self.started.done():
            self.started.set_exception(ConnectionError(why))
            self.started.exception()  # whoever waits for it is told; nobody has to


def sid(prefix: str, number: int) -> str:
    """A SID of a number of ours."""
    return f"{prefix}{number:032x}"
