"""The owner of one call: it holds the agent socket and is the only one to act for the call.

    bus (up) ----> Conversation ----> agent socket
    bus (down, log) <----'   '<------ agent socket

Frames, agent messages and timers each arrive as one plain call; the conversation
decides, and what it decided is done before the call returns. Nothing is awaited
in between, so nothing can come out of order, and no lock is needed.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Concatenate, ParamSpec

from shared.bus import Archive, Bus, Outlet, Registry
from shared.calls import INTERNAL_ERROR, Call, Claim, State
from shared.lines import sound_of
from shared.logs import place
from shared.messages import Down, Ended, Mark, Owned, Up
from shared.record import Over, Released, Taken, Trouble
from shared.settings import Settings
from shared.vocabulary import BadMessage
from worker import deepgram
from worker.agents import AgentFile
from worker.conversation import PHONE_SILENT_S, Conversation
from worker.socket import AgentRefused, AgentSocket
from worker.terms import Inherited, Line, Terms

log = logging.getLogger("worker")

# What stays of each stream without a recording, and what a successor reads: a minute of frames.
KEPT_ENTRIES = 3000

Step = ParamSpec("Step")


def bulkhead(step: Callable[Concatenate["Session", Step], None]) -> Callable[..., None]:
    """What goes wrong in one call ends that call, and no other that shares its loop."""

    @wraps(step)
    def guarded(self: "Session", *args: Step.args, **kwargs: Step.kwargs) -> None:
        try:
            step(self, *args, **kwargs)
        except Exception as exc:  # noqa: BLE001 (this is the bulkhead)
            self.fail(exc)

    return guarded


@dataclass(frozen=True, slots=True)
class Means:
    """What a session needs of its process."""

    bus: Bus
    registry: Registry
    settings: Settings


class Session:
    """One call, from its claim to its end. `run` it; the rest are events."""

    def __init__(self, means: Means, claim: Claim, agent: AgentFile) -> None:
        self._means = means
        self._loop = asyncio.get_running_loop()
        self.claim = claim
        self.call_sid = claim.ringing.call_sid
        self._terms = _terms(claim, agent, means.settings)
        self._conversation: Conversation | None = None
        self._journal = means.bus.journal(self.call_sid, claim.epoch, self.let_go)
        self._down: Outlet[Down] | None = None
        self._down_count = 0
        self._stream_sid = ""
        self._streams: list[str] = []
        self._socket: AgentSocket | None = None
        self._tasks: asyncio.TaskGroup
        self._opening: asyncio.Task[None] | None = None
        self._early: list[Callable[[], None]] = []  # what happened before `_serve` knew the call
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._over = asyncio.Event()
        self._is_lost = False

    # -- life -----------------------------------------------------------------

    async def run(self) -> None:
        """Serve the call to its end. Leaves nothing behind but the recording."""
        try:
            await self._serve()
        except* Exception as group:  # noqa: BLE001 (another bulkhead: calls share a process)
            self.fail(group.exceptions[0])
        finally:
            self._close()

    async def _serve(self) -> None:
        """The former owner is fenced off first, then his call is read, then it goes on."""
        self._journal.write(Taken(self._means.bus.process, self.claim.epoch))
        call = await self._means.registry.call(self.call_sid)
        inherited = await self._inherit(call)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._conversation = Conversation(self._terms, self._loop.time(), inherited)
            self._find_phone(call, inherited)
            for event in self._early:
                event()
            if call and self._has_ended(call):
                self._talk.hung_up(call.cause)
            self._act()
            await self._over.wait()
            self._disconnect()

    def _has_ended(self, call: Call) -> bool:
        """Whether the end came before us: nobody had the call yet, or its owner came no further.

        A call that ended and then rang again is none of these.
        """
        rang_ms = int(self.claim.entry_id.partition("-")[0])
        return call.state is State.ENDED and (self.claim.is_takeover or call.ended_ms > rang_ms)

    async def _inherit(self, call: Call | None) -> Inherited:
        """What the call's former owner has left on the bus; nothing, if the call is new."""
        archive = Archive(self._means.bus)
        entries = await archive.log(self.call_sid)
        if call is None or not call.stream_sid or not self.claim.is_takeover:
            return Inherited(log=entries)
        down = await archive.tail_down(self.call_sid, call.stream_sid, KEPT_ENTRIES)
        up = await archive.tail_up(self.call_sid, call.stream_sid, KEPT_ENTRIES)
        echoes = [(m.name, m.timestamp) for _, m in up if isinstance(m, Mark)]
        return Inherited(entries, down, echoes, call.cursor)

    def _find_phone(self, call: Call | None, inherited: Inherited) -> None:
        """The phone may have come before the claim: then nobody told us."""
        if call is None or not call.stream_sid:
            return
        self._streams += [each for each in call.streams if each not in self._streams]
        self._means.registry.keep(self.claim, self._streams)
        if inherited.down:
            self._use_stream(call.stream_sid)
            self._talk.rejoined(self._loop.time())
        else:
            self.attach(call.stream_sid)

    @property
    def _talk(self) -> Conversation:
        assert self._conversation is not None  # events come only once `_serve` has made it
        return self._conversation

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._disconnect()
        self._unfollow()
        if self._is_lost:
            self._means.registry.let_go(self.claim, self._streams)
        else:
            keep_for_s = self._means.settings.keep_for_s
            self._means.registry.finish(self.claim, self._streams, keep_for_s=keep_for_s)

    def let_go(self) -> None:
        """Another worker owns the call now: stop at once, and touch nothing of it."""
        self._is_lost = True
        self._over.set()

    @property
    def may_release(self) -> bool:
        """Whether this is a quiet moment, in which another worker may go on unheard."""
        return self._conversation is not None and self._conversation.is_quiet_moment

    @bulkhead
    def release(self) -> None:
        """Leave the call to another worker, which goes on from the log."""
        if self._is_lost or self._over.is_set():
            return
        self._journal.write(Released(self._means.bus.process))
        if self._conversation and self._stream_sid:
            cursor = self._conversation.cursor
            self._means.registry.save_cursor(self.call_sid, self._stream_sid, cursor)
        self._means.registry.release(self.claim)
        self.let_go()

    def fail(self, exc: BaseException) -> None:
        """A fault of ours: the caller is not left in silence."""
        if self._over.is_set():
            return
        extra = {"call_sid": self.call_sid, "reason": place(exc)}
        log.error("call failed", extra=extra)
        self._over.set()
        self._journal.write(Trouble("worker", type(exc).__name__, fatal=True))
        self._journal.write(Over(INTERNAL_ERROR))
        self._means.registry.close(self.claim, INTERNAL_ERROR)
        self._send_down(Ended(INTERNAL_ERROR))

    # -- the agent socket -----------------------------------------------------

    def _connect(self) -> None:
        """Open an agent socket, in place of the one there is."""
        self._disconnect()
        settings = self._means.settings
        self._socket = AgentSocket(
            settings.agent_url, settings.deepgram_api_key, self._on_message, self._on_closed
        )
        opening = self._open(self._socket)
        self._opening = self._tasks.create_task(opening, name=f"agent:{self.call_sid}")

    def _disconnect(self) -> None:
        if self._opening:
            self._opening.cancel()
        if self._socket:
            self._socket.close()

    async def _open(self, socket: AgentSocket) -> None:
        try:
            await socket.open()
        except AgentRefused as refusal:
            # The key's name, never its value: 401 means that this one is wrong.
            hint = "check DEEPGRAM_API_KEY" if refusal.code == "http 401" else ""
            extra = {"call_sid": self.call_sid, "reason": refusal.code, "hint": hint}
            log.error("agent refused", extra=extra)
            self._on_closed(refusal.code)

    # -- events ---------------------------------------------------------------

    @bulkhead
    def attach(self, stream_sid: str) -> None:
        """The phone is on this stream. Only the newest counts."""
        if stream_sid == self._stream_sid or self._over.is_set():
            return
        if self._conversation is None:
            self._early.append(partial(self.attach, stream_sid))
            return
        self._use_stream(stream_sid)
        self._talk.attached(self._loop.time())
        self._listen(after=0)
        self._act()

    def _use_stream(self, stream_sid: str) -> None:
        self._unfollow()
        self._stream_sid = stream_sid
        if stream_sid not in self._streams:
            self._streams.append(stream_sid)
            self._means.registry.keep(self.claim, self._streams)
        self._down = self._means.bus.down(self.call_sid, stream_sid)
        self._send_down(Owned(self._means.bus.process, self.claim.epoch))

    @bulkhead
    def hang_up(self, cause: str) -> None:
        """Twilio says that the call is over."""
        if self._conversation is None:
            self._early.append(partial(self.hang_up, cause))
            return
        self._talk.hung_up(cause)
        self._act()

    def _listen(self, after: int) -> None:
        if self._stream_sid:
            self._unfollow()
            self._means.bus.follow_up(self.call_sid, self._stream_sid, self._on_caller, after)

    def _unfollow(self) -> None:
        if self._stream_sid:
            self._means.bus.unfollow_up(self.call_sid, self._stream_sid)

    @bulkhead
    def _on_caller(self, batch: list[tuple[int, Up]]) -> None:
        now = self._loop.time()
        for sequence, message in batch:
            self._talk.from_caller(sequence, message, now)
        self._act()

    @bulkhead
    def _on_message(self, message: str | bytes) -> None:
        now = self._loop.time()
        if isinstance(message, bytes):
            self._talk.speak(message, now)
        else:
            self._read(message, now)
        self._act()

    def _read(self, message: str, now: float) -> None:
        try:
            event = deepgram.parse(message)
        except BadMessage as bad:
            log.warning("bad message", extra={"call_sid": self.call_sid, "reason": str(bad)})
            return
        if isinstance(event, deepgram.Welcome):
            extra = {"call_sid": self.call_sid, "request_id": event.request_id}
            log.info("agent session", extra=extra)
        self._talk.from_agent(event, now)

    @bulkhead
    def _on_closed(self, code: str) -> None:
        log.warning("agent lost", extra={"call_sid": self.call_sid, "reason": code})
        self._talk.agent_lost(code, self._loop.time())
        self._act()

    @bulkhead
    def _on_timer(self) -> None:
        self._timer = None
        self._talk.tick(self._loop.time())
        self._act()

    @bulkhead
    def beat(self, now: float) -> None:
        """Called twice a second: what needs doing now and then."""
        if self._conversation is None or self._over.is_set():
            return
        if self._socket:
            self._socket.check(now)
        if self._stream_sid:
            self._means.registry.save_cursor(self.call_sid, self._stream_sid, self._talk.cursor)
        if not self._means.settings.recording:
            self._forget_sound()
        since = self._means.bus.up_since
        if since is not None and now - since > PHONE_SILENT_S:
            self._talk.miss_phone(now)
            self._act()

    def _forget_sound(self) -> None:
        """Without a recording only the last minute stays, for a successor."""
        if self._down:
            oldest = max(0, self._talk.up - KEPT_ENTRIES)
            self._means.bus.up(self.call_sid, self._stream_sid).trim(f"{oldest}-0")
            oldest = max(0, self._down_count - KEPT_ENTRIES)
            self._down.trim(f"{self.claim.epoch}-{oldest}")

    # -- what was decided -----------------------------------------------------

    def _act(self) -> None:
        """Do what the conversation wants done: log, phone, agent, in this order."""
        if self._is_lost:
            return
        effects = self._talk.take()
        self._journal.write(*effects.log)
        if effects.over and not self._over.is_set():
            self._means.registry.close(self.claim, effects.over)
            extra = {"call_sid": self.call_sid, "reason": effects.over}
            log.info("call over", extra=extra)
            self._over.set()
        for message in effects.phone:
            self._send_down(message)
        if effects.disconnect:
            self._disconnect()
        if effects.connect:
            self._connect()
        if effects.listen_after is not None:
            self._listen(effects.listen_after)
        if self._socket:
            self._socket.send(*effects.agent)
        self._set_timer()

    def _send_down(self, message: Down) -> None:
        if self._down:
            self._down_count += 1
            self._down.send(f"{self.claim.epoch}-{self._down_count}", message)

    def _set_timer(self) -> None:
        """One timer a call. A deadline that moved later lets the old timer fire and look again."""
        deadline = self._talk.deadline
        if deadline is None or (self._timer and self._timer_at <= deadline):
            return
        if self._timer:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)


def _terms(claim: Claim, agent: AgentFile, settings: Settings) -> Terms:
    ringing, bridge = claim.ringing, agent.bridge
    protects = bridge.protect_greeting
    return Terms(
        settings=agent.settings_for(ringing),
        mark_prefix=f"{claim.epoch:x}",
        uses_flux=agent.uses_flux,
        tools=bridge.tools,
        protects_greeting=ringing.direction != "inbound" if protects is None else protects,
        has_webhook=ringing.has_webhook,
        goodbye=bridge.goodbye,
        go_on=bridge.go_on,
        apology=Line(bridge.apology, sound_of(bridge.apology_sound, "apology")),
        hold=Line(bridge.hold, sound_of(bridge.hold_sound, "hold")),
        ring_s=settings.ring_s + ringing.notice_s,
        reattach_s=settings.reattach_s,
    )
