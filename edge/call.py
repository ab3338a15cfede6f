"""The owner of one phone socket: what Twilio sends goes up, what comes down goes to Twilio.

    Twilio --frames--> listen --> up:<StreamSid>
    Twilio <--frames-- play <---- down:<StreamSid>
                       watch      has it gone silent?

The edge decides nothing about the conversation. It knows one thing more than a
pipe: a `clear` takes back all sound that has not been sent yet, at the moment in
which it arrives, so no sound from before it is ever sent after it.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect

from edge import twilio
from edge.fleet import Fleet
from shared.bus import Bus, BusError, Outlet, Registry
from shared.calls import NO_WORKER, Outcome, Ringing, State
from shared.lines import sound_of
from shared.messages import (
    Attach,
    Audio,
    Clear,
    Detached,
    Down,
    Dropped,
    Ended,
    Mark,
    Move,
    Owned,
    Sentence,
    Up,
    drop_stale,
)
from shared.record import Attached, Lost, Trouble
from shared.settings import Settings
from shared.sound import is_speech
from shared.vocabulary import BadMessage

log = logging.getLogger("edge")

# From accept to `start`. Twilio needs about a tenth of a second.
START_WITHIN_S = 5.0

# Twilio sends frames in silence, too: none for this long means that it is gone.
SILENT_AFTER_S = 3.0

# Messages in a row that cannot be read. A call that sends nothing else is none.
RUBBISH_IN_A_ROW = 50

# Messages waiting for a phone socket that does not take them: minutes of sound.
BACKLOG = 6000

# A call that no worker serves: when the caller is told, how often again, when to give up.
# Of an owner it is known only after three seconds that it is gone: then it is time.
HOLD_AFTER_S = 2.0
HOLD_AFTER_OWNER_S = 0.5
HOLD_EVERY_S = 8.0
GIVE_UP_AFTER_S = 20.0

# Above what a Redis that restarts or fails over needs, and what a write to it waits.
BLIND_FOR_S = 15.0

# Nobody is talked over: a line of ours waits for so much quiet.
QUIET_S = 0.5

LOOK_EVERY_S = 0.25

# A peer has this long to answer our close; Twilio sometimes never does.
CLOSE_WITHIN_S = 2.0

REFUSED = 1008


class _Over(Exception):
    """The stream is over: why, and whether that ends the call, or only the socket was lost."""

    def __init__(self, cause: str, *, ends_call: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.ends_call = ends_call


@dataclass(frozen=True, slots=True)
class Desk:
    """What a phone call needs of its process."""

    bus: Bus
    registry: Registry
    settings: Settings
    fleet: Fleet


class PhoneCall:
    """One phone socket, from accept to close."""

    def __init__(self, socket: WebSocket, desk: Desk) -> None:
        self._socket = socket
        self._desk = desk
        self._up: Outlet[Up]
        self._writer: twilio.Writer
        self._call_sid = ""
        self._sequence = 0
        self._own_entries = 0
        self._clock = 0
        self._last_frame = self._last_loud = 0.0
        self._owner = ""
        self._unserved_since: float | None = None
        self._next_hold = 0.0
        self._rubbish = 0
        self._queue: list[Down] = []
        self._has_work = asyncio.Event()

    async def run(self) -> None:
        """Serve the socket to its end."""
        await self._socket.accept()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                started = await self._await_start()
        except (TimeoutError, WebSocketDisconnect, _Over):
            await self._close(REFUSED)
            return
        try:
            is_admitted = await self._admit(started)
        except BusError as exc:
            log.warning("call not admitted", extra={"reason": type(exc).__name__})
            is_admitted = False
        if is_admitted:
            await self._serve(started)
        else:
            await self._close(REFUSED)

    # -- start ----------------------------------------------------------------

    async def _await_start(self) -> twilio.Started:
        while True:
            message = self._parse(await self._receive())
            if isinstance(message, twilio.Started):
                return message

    async def _admit(self, started: twilio.Started) -> bool:
        """Whether this socket may have its call, and if nobody has it yet, find somebody."""
        registry, call_sid = self._desk.registry, started.call_sid
        token = started.parameters.get("token", "")
        call = await registry.call(call_sid)
        if call and call.has_webhook:
            if not token or not await registry.take_token(call_sid, token):
                log.warning("token refused", extra={"call_sid": call_sid})
                return False
        elif call and call.state is State.LIVE:
            log.warning("second socket refused", extra={"call_sid": call_sid})
            return False
        if call and call.state is not State.ENDED:
            return True
        outcome = await self._dispatch(started, has_webhook=bool(call and call.has_webhook))
        return outcome is not Outcome.FULL

    async def _dispatch(self, started: twilio.Started, *, has_webhook: bool) -> Outcome:
        """A call that no webhook announced (a TwiML Bin), or whose ringing took too long."""
        settings, given = self._desk.settings, started.parameters
        ringing = Ringing(
            started.call_sid,
            caller=given.get("from", ""),
            called=given.get("to", ""),
            agent=given.get("agent", ""),
            has_webhook=has_webhook,
            parameters={name: value for name, value in given.items() if name != "token"},
        )
        return await self._desk.registry.dispatch(
            ringing,
            max_sessions=settings.max_sessions,
            recording_ttl_s=settings.recording_ttl_s,
        )

    # -- the call -------------------------------------------------------------

    async def _serve(self, started: twilio.Started) -> None:
        call_sid, stream_sid = started.call_sid, started.stream_sid
        extra = {"call_sid": call_sid, "stream_sid": stream_sid}
        bus = self._desk.bus
        self._up = bus.up(call_sid, stream_sid)
        self._writer = twilio.Writer(stream_sid)
        self._call_sid = call_sid
        self._sequence = started.sequence
        self._last_frame = asyncio.get_running_loop().time()
        bus.follow_down(call_sid, stream_sid, self._take)
        log.info("phone attached", extra=extra)
        over = _Over("edge stopped", ends_call=False)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._announce(call_sid, stream_sid), name=f"note:{call_sid}")
                for pump in (self._listen, self._play, self._watch):
                    pumps.create_task(pump(), name=f"{pump.__name__}:{call_sid}")
        except* _Over as group:
            over = _first(group)
        finally:
            bus.unfollow_down(call_sid, stream_sid)
            self._hand_back(call_sid, stream_sid, over)
            log.info("phone gone", extra={**extra, "reason": over.cause})
            await self._close(1000)

    async def _announce(self, call_sid: str, stream_sid: str) -> None:
        bus = self._desk.bus
        bus.journal(call_sid).write(Attached(stream_sid, bus.process))
        try:
            owner = await self._desk.registry.attach(call_sid, stream_sid)
        except BusError:
            raise _Over("redis is away", ends_call=False) from None
        if owner:
            bus.note(owner, call_sid, Attach(call_sid, stream_sid))

    def _hand_back(self, call_sid: str, stream_sid: str, over: _Over) -> None:
        """The last word of this stream."""
        if over.ends_call:
            self._send_own(Ended(over.cause))
        else:
            self._send_own(Detached(over.cause))
            self._desk.bus.journal(call_sid).write(Lost(stream_sid, over.cause))
        self._desk.bus.release(self._up.key)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            received = self._parse(await self._receive())
            if not isinstance(received, twilio.Received) or received.sequence <= self._sequence:
                continue
            self._sequence, self._own_entries = received.sequence, 0
            message = received.message
            if type(message) is Audio:
                self._clock = message.timestamp
                self._last_frame = loop.time()
                if self._unserved_since is not None and is_speech(message.mulaw):
                    self._last_loud = self._last_frame
            elif isinstance(message, Ended):
                raise _Over(message.cause, ends_call=True)
            self._up.send(f"{received.sequence}-0", message)

    async def _receive(self) -> str:
        """One text frame; "" for a binary one, which Twilio never sends."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Over(f"socket closed {message.get('code', 1005)}", ends_call=False)
        return message.get("text") or ""

    def _parse(self, text: str) -> twilio.Started | twilio.Received | None:
        try:
            parsed = twilio.parse(text, self._clock)
        except BadMessage as bad:
            self._rubbish += 1
            if self._rubbish == 1:
                log.warning("bad message", extra={"reason": str(bad)})
            if self._rubbish >= RUBBISH_IN_A_ROW:
                raise _Over("nothing but rubbish", ends_call=False) from None
            return None
        self._rubbish = 0
        return parsed

    def _send_own(self, message: Up) -> None:
        """An entry of the edge's own: behind Twilio's newest, and without a number of Twilio's."""
        self._own_entries += 1
        self._up.send(f"{self._sequence}-{self._own_entries}", message)

    def _take(self, batch: list[Down]) -> None:
        """Entries of `down` arrive."""
        if any(isinstance(message, Clear) for message in batch):
            self._queue, dropped = drop_stale([*self._queue, *batch])
            for mark in dropped:
                self._send_own(Dropped(mark.name))
        else:
            self._queue += batch
        self._has_work.set()

    async def _play(self) -> None:
        # A socket that takes nothing is closed, by Twilio or (1009) by uvicorn, which then
        # raises RuntimeError. Whether somebody hung up, _listen is to read.
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self._has_work.wait()
                while self._queue:
                    await self._forward(self._queue.pop(0))
                self._has_work.clear()

    async def _forward(self, message: Down) -> None:
        match message:
            case Audio() | Mark() | Clear():
                await self._socket.send_text(self._writer.render(message))
            case Ended(cause):
                raise _Over(cause, ends_call=True)
            case Move():
                raise _Over("moved", ends_call=False)
            case Owned(worker):
                self._owner = worker
            case Sentence():
                pass

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = loop.time()
            if len(self._queue) > BACKLOG:
                raise _Over("phone too slow", ends_call=False)
            if now - self._last_frame > SILENT_AFTER_S:
                raise _Over("no frames", ends_call=False)
            if self._desk.fleet.blind_for(now) > BLIND_FOR_S:
                raise _Over("redis is away", ends_call=False)
            await self._see_to_service(now)

    async def _see_to_service(self, now: float) -> None:
        """A call without a worker is not left in dead air: a line, and in the end a polite end."""
        if self._owner and self._desk.fleet.serves(self._owner):
            self._unserved_since = None
            return
        if self._unserved_since is None:
            self._unserved_since = now
            self._next_hold = now + (HOLD_AFTER_OWNER_S if self._owner else HOLD_AFTER_S)
        if now - self._unserved_since > GIVE_UP_AFTER_S:
            self._desk.registry.abandon(self._call_sid, NO_WORKER)
            raise _Over(NO_WORKER, ends_call=True)
        if now >= self._next_hold and now - self._last_loud > QUIET_S:
            self._next_hold = now + HOLD_EVERY_S
            self._desk.bus.journal(self._call_sid).write(Trouble("edge", NO_WORKER, fatal=False))
            self._queue.append(Audio(sound_of("", "hold")))
            self._has_work.set()

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._socket.close(code)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass  # it is closed, or nobody is there to close it with


def _first(group: BaseExceptionGroup[_Over]) -> _Over:
    """Of pumps that ended at once, the one that ends the call."""
    overs = [exc for exc in group.exceptions if isinstance(exc, _Over)]
    return next((over for over in overs if over.ends_call), overs[0])
