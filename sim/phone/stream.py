"""One media stream: the carrier's end of an open socket, and the only one who touches it.

Four pumps share a TaskGroup. `speak` takes a frame from the caller every 20 ms, by absolute
deadlines, and never waits for the server; `send` writes what was decided, in that order; `listen`
reads the server and has it played; `echo` sleeps until the next mark is due. A pump ends the stream
by raising StreamOver with the reason, and what becomes of the socket follows from the reason alone.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sim.phone.caller import FRAME_MS, Caller, Did
from sim.phone.handshake import CLOSE_TIMEOUT_S, HandshakeError, break_off, deafen, hang_up
from sim.phone.playback import Playback
from sim.phone.record import Exchanged, StreamRecord
from sim.phone.track import Impairments, Phase, Track
from sim.phone.wire import CONNECTED, Clear, Mark, Media, Rejection, Renderer, parse

HUNG_UP = "caller hung up"
CLOSED = "server closed"
LOST = "lost"

CLOSED_WELL = frozenset({1000, 1001})
"""Close codes of a server that has said what it had to say; any other is an error (31921)."""

BROKEN_PIPE = 31903
CLOSE_ERROR = 31921
MEDIA_BUFFER_OVERFLOW = 31930
MEDIA_DISCARDED = 31931

MAX_OUTBOX = 250
"""Five seconds of frames that the server does not take; further ones are discarded (31930)."""

LAST_WORDS_S = 0.02
"""For the server to read what was sent before the connection breaks: RST discards the rest."""


class StreamOver(Exception):
    """The stream is over, for the reason in the argument: HUNG_UP, CLOSED or LOST."""


class Clock:
    """The caller's clock: 0 is the caller's first frame on the call's first stream."""

    def __init__(self) -> None:
        self._zero: float | None = None

    def start(self) -> float:
        """Begin to count, unless that is done already, and return the time."""
        if self._zero is None:
            self._zero = time.monotonic()
            return 0.0
        return self.ms

    @property
    def started(self) -> bool:
        return self._zero is not None

    @property
    def ms(self) -> float:
        return 0.0 if self._zero is None else (time.monotonic() - self._zero) * 1000


@dataclass(kw_only=True, eq=False)
class MediaStream:
    """A stream being carried; `run` does it once, the rest may be asked or told meanwhile."""

    socket: ClientConnection
    open_twin: Callable[[], Awaitable[ClientConnection]]
    renderer: Renderer
    parameters: dict[str, str]
    record: StreamRecord
    caller: Caller
    clock: Clock
    hung_up: asyncio.Event
    impairments: Impairments
    random: Random
    observe: Callable[[str, str], None]

    _outbox: asyncio.Queue[str | bytes] = field(default_factory=asyncio.Queue, init=False)
    _due_changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _deaf: bool = field(default=False, init=False)
    _dropped: bool = field(default=False, init=False)
    _agent_speaks: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._track = Track(self.impairments, self.random)
        self._strays = sorted(self.impairments.strays, key=lambda stray: stray.at_s)

    def drop(self) -> None:
        """Lose the connection within a frame's time."""
        self._dropped = True

    async def run(self) -> str:
        """Carry the stream until it is over, and return why: HUNG_UP, CLOSED or LOST."""
        pumps = [self._send, self._listen, self._echo]
        if self.impairments.duplicate_at_s is not None:
            pumps.append(self._duplicate)
        ended = LOST
        try:
            async with asyncio.TaskGroup() as tasks:
                for pump in pumps:
                    tasks.create_task(pump(), name=f"{pump.__name__}:{self.record.stream_sid}")
                await self._speak()
        except* StreamOver as over:
            ended = str(over.exceptions[0])
        finally:
            self._end(ended)
            await self._let_go(ended)
            self.record.close_code = self.socket.close_code
            if ended == CLOSED and self.socket.close_code not in CLOSED_WELL:
                self._reject(Rejection(CLOSE_ERROR, f"close code {self.socket.close_code}"))
        return ended

    async def _speak(self) -> None:
        await self._reached("connecting")
        self._put(CONNECTED)
        await self._reached("connected")
        self._begin()
        await self._reached("started")
        for frame in count():
            due_ms = self.record.start_ms + frame * FRAME_MS
            await self._until(due_ms)
            self._beat(due_ms)

    async def _send(self) -> None:
        # Who sends on a closed socket learns nothing that _listen does not know better.
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.socket.send(await self._outbox.get())
                self._outbox.task_done()

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await self.socket.recv())
                await asyncio.sleep(self.impairments.read_delay_s)
        except ConnectionClosed as exc:
            raise StreamOver(CLOSED if exc.rcvd else LOST) from exc

    async def _echo(self) -> None:
        while True:
            self._echo_marks(self.record.playback.advance(self.clock.ms))
            due_ms = self.record.playback.next_event_ms()
            wait_s = None if due_ms is None else (due_ms - self.clock.ms) / 1000
            self._due_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._due_changed.wait()

    async def _duplicate(self) -> None:
        """A second socket that claims to be the same stream."""
        await asyncio.sleep(self.impairments.duplicate_at_s or 0.0)
        try:
            twin = await self.open_twin()
        except HandshakeError as exc:
            self.observe("duplicate refused", str(exc))
            return
        async with twin:
            with contextlib.suppress(ConnectionClosed):
                await twin.send(CONNECTED)
                await twin.send(self.renderer.twin().start(self.parameters))
            await twin.wait_closed()
            self.observe("duplicate closed", str(twin.close_code))

    async def _reached(self, phase: Phase) -> None:
        if self.impairments.lose_at == phase:
            await self._outbox.join()
            await asyncio.sleep(LAST_WORDS_S)
            raise StreamOver(LOST)

    def _begin(self) -> None:
        now_ms = self.clock.start()
        self.record.start_ms = now_ms
        self.record.playback = Playback(now_ms)
        self._put(self.renderer.start(self.parameters))
        for did in self.caller.rejoin(now_ms):
            self._act(did)

    async def _until(self, due_ms: float) -> None:
        await asyncio.sleep(max(due_ms - self.clock.ms, 0.0) / 1000)
        self.record.lateness.add(max(self.clock.ms - due_ms, 0.0))

    def _beat(self, due_ms: float) -> None:
        """All that happens in one of the caller's frames."""
        offset_ms = due_ms - self.record.start_ms
        self._break(offset_ms)
        self._echo_marks(self.record.playback.advance(self.clock.ms))
        frame, deeds = self.caller.frame(due_ms, self.record.playback)
        for timestamp, sound in self._track.push(offset_ms, frame):
            self._put_media(timestamp, sound)
        while self._strays and self._strays[0].at_s * 1000 <= offset_ms:
            self._put(self._strays.pop(0).frame)
        for did in deeds:
            self._act(did)
        self._notice_agent(due_ms)

    def _break(self, offset_ms: float) -> None:
        """Fail as the impairments, or those who hold the call, would have it."""
        faults = self.impairments
        if self.hung_up.is_set():
            self._act(Did("hang up"))
        if self._dropped or offset_ms / 1000 >= (faults.lose_after_s or float("inf")):
            raise StreamOver(LOST)
        if faults.half_open and faults.half_open.holds(offset_ms):
            self._deaf = True
            deafen(self.socket)
        elif self._deaf:
            raise StreamOver(LOST)

    def _act(self, did: Did) -> None:
        self.observe(did.kind, did.detail)
        match did.kind:
            case "press":
                self._put(self.renderer.dtmf(did.detail))
            case "hang up":
                self._put(self.renderer.stop())
                raise StreamOver(HUNG_UP)
            case "drop":
                raise StreamOver(LOST)

    def _notice_agent(self, now_ms: float) -> None:
        speaks = self.record.playback.speaking_since(now_ms) is not None
        if speaks != self._agent_speaks:
            self._agent_speaks = speaks
            self.observe("agent speaks" if speaks else "agent quiet", "")

    def _take(self, frame: str | bytes) -> None:
        """Do what the server asks, or reject it."""
        now_ms, playback = self.clock.ms, self.record.playback
        self.record.messages.append(Exchanged(now_ms, sent=False, frame=frame))
        match parse(frame, self.record.stream_sid):
            case Media(mulaw):
                self._echo_marks(playback.media(mulaw, now_ms))
            case Mark(name):
                self.observe("mark", name)
                self._echo_marks(playback.mark(name, now_ms))
            case Clear():
                self._echo_marks(playback.clear(now_ms))
                self.observe("clear", f"{playback.clears[-1].discarded} bytes discarded")
            case Rejection() as rejection:
                self._reject(rejection)
        if playback.overflowed:
            self._reject(Rejection(MEDIA_DISCARDED, "more than ten minutes of sound waiting"))
        self._due_changed.set()

    def _echo_marks(self, names: list[str]) -> None:
        for name in names:
            self._put(self.renderer.mark(name))
            self.observe("echo", name)

    def _reject(self, rejection: Rejection) -> None:
        if self.record.reject(rejection):
            self.observe("rejected", f"{rejection.code} {rejection.why}")

    def _put_media(self, timestamp: int, sound: bytes) -> None:
        if self._outbox.qsize() < MAX_OUTBOX:
            self._put(self.renderer.media(timestamp, sound))
        else:
            self._reject(Rejection(MEDIA_BUFFER_OVERFLOW, "the server does not read"))

    def _put(self, frame: str | bytes) -> None:
        if not self._deaf:
            self.record.messages.append(Exchanged(self.clock.ms, sent=True, frame=frame))
            self._outbox.put_nowait(frame)

    def _end(self, ended: str) -> None:
        record = self.record
        record.ended, record.ended_ms = ended, self.clock.ms
        record.playback.advance(record.ended_ms)
        record.spoken = [
            spoken for spoken in self.caller.spoken if spoken.end_ms >= record.start_ms
        ]

    async def _let_go(self, ended: str) -> None:
        match ended:
            case "caller hung up":
                unsent = [self._outbox.get_nowait() for _ in range(self._outbox.qsize())]
                await hang_up(self.socket, unsent, self.impairments.linger_s)
            case "server closed":
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.socket.wait_closed()
            case _:
                await break_off(self.socket)
