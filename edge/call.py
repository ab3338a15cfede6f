"""The owner of one phone socket: what Twilio sends goes up, what comes down goes to Twilio.

    Twilio --frames--> read --> up:<StreamSid>
    Twilio <--frames-- play <-- down:<StreamSid>
                       watch    has it gone silent?

Frames go through in the turn of the loop in which they come, either way.

The edge decides nothing about the conversation. It knows one thing more than a
pipe: a `clear` takes back all sound that has not been sent yet, at the moment in
which it arrives, so no sound from before it is ever sent after it.

Two things it sees to itself: a call that no worker serves is not left in dead air
(see `hold`), and when this edge is told to stop, the owner is asked for a moment
in which the phone may be moved to another.
"""

import asyncio
import logging
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from edge import hold, twilio
from edge.desk import Desk
from edge.server import CLOSE_WITHIN_S, PhoneWire
from shared.bulkhead import bulkhead
from shared.bus import BusError, Outlet
from shared.calls import Outcome, Ringing
from shared.causes import Cause
from shared.logs import place
from shared.messages import (
    Audio,
    Clear,
    Detached,
    Down,
    Dropped,
    Ended,
    Leaving,
    Mark,
    Move,
    Owned,
    Sentence,
    Up,
    drop_stale,
)
from shared.record import Lost, Trouble
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

# Messages in one write: less than a socket's buffer, whose sound no `clear` takes back.
AT_ONCE = 16

# Above what a Redis that restarts or fails over needs, and what a write to it waits.
BLIND_FOR_S = 15.0

# How often an owner is asked to let the phone go; and what a phone that came to an edge on its
# way out has of it at least: what spreads new calls may take a while to notice.
LEAVE_EVERY_S = 3.0

LOOK_EVERY_S = 0.25

REFUSED = 1008


class _Over(Exception):
    """The stream is over: why, and whether that ends the call, or only the socket was lost."""

    def __init__(self, cause: str, *, ends_call: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.ends_call = ends_call


class PhoneCall:
    """One phone socket, from accept to close."""

    def __init__(self, socket: WebSocket, desk: Desk) -> None:
        self._socket = socket
        self._desk = desk
        self._up: Outlet[Up]
        self._writer: twilio.Writer
        self._ringing: Ringing
        self._call_sid = self._stream_sid = ""
        self._sequence = 0
        self._own_entries = 0
        self._clock = 0
        self._last_frame = 0.0
        self._owner = ""
        self._hold = hold.Hold(desk.answers.hold)
        self._next_leaving = 0.0
        self._pumps: asyncio.TaskGroup
        self._rubbish = 0
        self._early: list[Down] = []
        self._queue: list[Down] = []
        self._sent = 0
        self._wire = PhoneWire.of(socket.scope)
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[_Over] = self._loop.create_future()

    @property
    def messages(self) -> dict[str, int]:
        """How many came from Twilio, by its own count, and how many went there."""
        return {"up": self._sequence, "down": self._sent}

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been given its call yet."""
        return not self._call_sid

    async def run(self) -> str:
        """Serve the socket to its end. Returns why it came, or "" for one that was let go."""
        await self._socket.accept()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                started = await self._await_start()
        except (TimeoutError, WebSocketDisconnect, _Over):
            self._desk.counts.sockets_unstarted += 1
            return await self._refuse()
        if (ringing := await self._admit(started)) is None:
            return await self._refuse()
        return await self._serve(started, ringing)

    async def _refuse(self) -> str:
        await self._close(REFUSED)
        return ""

    # -- start ----------------------------------------------------------------

    async def _await_start(self) -> twilio.Started:
        while True:
            message = self._parse(await self._receive())
            if isinstance(message, twilio.Started):
                return message

    async def _admit(self, started: twilio.Started) -> Ringing | None:
        """The call that it has now, or None. Listens for the owner before he can know of it."""
        bus, call_sid, stream_sid = self._desk.bus, started.call_sid, started.stream_sid
        if bus.follows_down(call_sid, stream_sid):
            self._desk.refused_second()
            return None
        ringing = None
        bus.follow_down(call_sid, stream_sid, self._take)
        try:
            ringing = await self._desk.admit(started)
        except BusError as exc:
            self._desk.counts.bus_away += 1
            log.warning("call not admitted", extra={"reason": type(exc).__name__})
        except Exception as exc:  # noqa: BLE001 (a bulkhead: the socket is refused)
            log.error("call not admitted", extra={"call_sid": call_sid, "reason": place(exc)})
        finally:
            if ringing is None:
                bus.unfollow_down(call_sid, stream_sid)
        return ringing

    # -- the call -------------------------------------------------------------

    async def _serve(self, started: twilio.Started, ringing: Ringing) -> str:
        call_sid, stream_sid = started.call_sid, started.stream_sid
        extra = {"call_sid": call_sid, "stream_sid": stream_sid}
        bus, now = self._desk.bus, asyncio.get_running_loop().time()
        self._up = bus.up(call_sid, stream_sid)
        self._writer = twilio.Writer(stream_sid)
        self._ringing, self._call_sid, self._stream_sid = ringing, call_sid, stream_sid
        self._sequence = started.sequence
        self._last_frame = now
        self._next_leaving = now + LEAVE_EVERY_S if self._desk.fleet.is_draining else now
        self._take(self._early)
        log.info("phone attached", extra=extra)
        over = _Over(Cause.EDGE_STOPPED, ends_call=False)
        try:
            async with asyncio.TaskGroup() as self._pumps:
                for pump in (self._until_closed, self._watch):
                    self._pumps.create_task(pump(), name=f"{pump.__name__}:{call_sid}")
                self._wire.serve(self._read, self._play)
                raise await self._over
        except* _Over as group:
            over = _first(group)
        finally:
            self._end(over)  # what comes while the socket closes comes too late
            bus.unfollow_down(call_sid, stream_sid)
            self._hand_back(over)
            log.info("phone gone", extra={**extra, "reason": over.cause})
            await self._close(1000)
        return over.cause

    def _hand_back(self, over: _Over) -> None:
        """The last word of this stream."""
        if over.ends_call:
            self._send_own(Ended(over.cause))
        else:
            self._send_own(Detached(over.cause))
            self._desk.bus.journal(self._call_sid).write(Lost(self._stream_sid, over.cause))
        if over.cause == Cause.MOVED:
            self._desk.registry.door.moved(self._call_sid)
        self._desk.bus.release(self._up.key)

    def _end(self, over: _Over) -> None:
        """The first end counts."""
        if not self._over.done():
            self._over.set_result(over)

    def fail(self, exc: Exception) -> None:
        """A fault of ours: the phone may come back, to another edge or on another socket."""
        log.error("phone failed", extra={"call_sid": self._call_sid, "reason": place(exc)})
        self._end(_Over(Cause.INTERNAL_ERROR, ends_call=False))

    async def _until_closed(self) -> None:
        while True:
            await self._receive()

    @bulkhead
    def _read(self, text: bytes) -> None:
        """One text frame of Twilio's; empty for a binary one, which it never sends."""
        if self._over.done():
            return
        try:
            received = self._parse(text)
        except _Over as over:
            self._end(over)
            return
        if not isinstance(received, twilio.Received) or received.sequence <= self._sequence:
            return
        self._sequence, self._own_entries = received.sequence, 0
        message = received.message
        if type(message) is Audio:
            self._clock = message.timestamp
            self._last_frame = self._loop.time()
            if self._hold.is_on:
                self._listen_in(message)
        elif isinstance(message, Ended):
            self._end(_Over(message.cause, ends_call=True))
            return
        elif isinstance(message, Mark) and hold.is_ours(message.name):
            self._hold.echo(message.name)
            return
        self._up.send(f"{received.sequence}-0", message)

    def _listen_in(self, frame: Audio) -> None:
        """While a line of ours may be said: the caller is not talked over."""
        is_to_stop = self._hold.hear(frame.mulaw, self._last_frame)
        if is_to_stop and not self._queue:  # else it stops for what comes there
            self._take([Clear()])

    async def _receive(self) -> str:
        """One text frame; "" for a binary one, which Twilio never sends."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Over(f"{Cause.SOCKET_CLOSED} {message.get('code', 1005)}", ends_call=False)
        return message.get("text") or ""

    def _parse(self, text: str | bytes) -> twilio.Started | twilio.Received | None:
        try:
            parsed = twilio.parse(text, self._clock)
        except BadMessage as bad:
            self._rubbish += 1
            self._desk.counts.messages_malformed += 1
            self._desk.seldom.warning("bad message", reason=str(bad))
            if self._rubbish >= RUBBISH_IN_A_ROW:
                raise _Over(Cause.RUBBISH, ends_call=False) from None
            return None
        self._rubbish = 0
        return parsed

    def _send_own(self, message: Up) -> None:
        """An entry of the edge's own: behind Twilio's newest, and without a number of Twilio's."""
        self._own_entries += 1
        self._up.send(f"{self._sequence}-{self._own_entries}", message)

    @bulkhead
    def _take(self, batch: list[Down]) -> None:
        """Entries of `down` arrive."""
        if self.is_waiting:
            self._early += batch
            return
        if Clear in map(type, batch):
            self._queue, dropped = drop_stale([*self._queue, *batch])
            self._hold.cleared()
            for mark in dropped:
                if not hold.is_ours(mark.name):
                    self._send_own(Dropped(mark.name))
        else:
            self._queue += batch
        self._play()

    def _play(self) -> None:
        """Send what waits, as far as Twilio takes it: what it has not taken can be taken back."""
        while self._queue and self._wire.is_writable and not self._over.done():
            batch, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
            texts = [text for message in batch for text in self._forward(message)]
            if texts:
                self._wire.push(texts)
                self._sent += len(texts)

    def _forward(self, message: Down) -> list[bytes]:
        """Do what a message says. Returns what goes to Twilio for it."""
        if self._over.done():
            return []
        match message:
            case Audio() | Mark() | Clear():
                ahead = self._hold.before(message) if self._hold.is_on else ()
                return [*map(self._writer.render, ahead), self._writer.render(message)]
            case Ended(cause):
                self._end(_Over(cause, ends_call=True))
            case Move():
                self._end(_Over(Cause.MOVED, ends_call=False))
            case Owned(worker):
                if self._owner:
                    self._next_leaving = 0.0  # the new owner has not been asked
                self._owner = worker
            case Sentence():
                pass
        return []

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = loop.time()
            if len(self._queue) > BACKLOG:
                raise _Over(Cause.PHONE_TOO_SLOW, ends_call=False)
            if now - self._last_frame > SILENT_AFTER_S:
                raise _Over(Cause.NO_FRAMES, ends_call=False)
            if self._desk.fleet.blind_for(now) > BLIND_FOR_S:
                raise _Over(Cause.REDIS_AWAY, ends_call=False)
            self._see_to_service(now)
            self._see_to_leaving(now)

    def _see_to_service(self, now: float) -> None:
        """A call without a worker is not left in dead air: a line, and in the end a polite end."""
        ours = self._hold
        if self._owner and self._desk.fleet.serves(self._owner):
            ours.served()
            return
        ours.unserved(now, had_owner=bool(self._owner))
        if ours.is_hopeless(now):
            self._desk.registry.abandon(self._call_sid, Cause.NO_WORKER)
            raise _Over(Cause.NO_WORKER, ends_call=True)
        if ours.is_to_offer(now) and self._desk.bus.is_up:
            self._pumps.create_task(self._offer_again(), name=f"offer:{self._call_sid}")
        self._put(ours.ask())
        if ours.is_due(now):
            log.warning("caller asked for patience", extra={"call_sid": self._call_sid})
            trouble = Trouble("edge", Cause.NO_WORKER, fatal=False)
            self._desk.bus.journal(self._call_sid).write(trouble)
            self._put(ours.say(now))

    async def _offer_again(self) -> None:
        """Nobody serves the call: Redis may have lost its dispatch, and where its phone is."""
        with suppress(BusError):
            if await self._desk.offer(self._ringing) in (Outcome.NEW, Outcome.UNSERVED):
                log.warning("call offered again", extra={"call_sid": self._call_sid})
                self._desk.registry.door.attach(self._call_sid, self._stream_sid)

    def _see_to_leaving(self, now: float) -> None:
        """The phone goes to another edge, if this one is told to stop and Twilio would ask."""
        fleet = self._desk.fleet
        is_asked = fleet.may_move and self._ringing.has_webhook
        if not is_asked or now < self._next_leaving:
            return
        self._next_leaving = now + LEAVE_EVERY_S
        if fleet.is_late(now):
            raise _Over(Cause.MOVED, ends_call=False)
        if self._owner:
            leaving = Leaving(self._call_sid, self._stream_sid)
            self._desk.bus.note(self._owner, self._call_sid, leaving)

    def _put(self, messages: list[Down]) -> None:
        if messages:
            self._queue += messages
            self._play()

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
