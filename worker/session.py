"""The owner of one call: it holds the agent socket and is the only one to act for the call.

    bus (up) ----> Conversation ----> agent socket
    bus (down, log) <----'   '<------ agent socket

Frames, agent messages and timers each arrive as one plain call; the conversation
decides, and what it decided is done before the call returns. Nothing is awaited
in between, so nothing can come out of order, and no lock is needed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from math import inf

from shared.bulkhead import bulkhead
from shared.bus import BusError
from shared.calls import Call, Claim
from shared.causes import Cause
from shared.logs import place
from shared.messages import Ended, Up
from shared.record import Over, Released, Taken, Trouble
from shared.vocabulary import BadMessage
from worker import deepgram, estate, outcomes
from worker.agentline import AgentLine
from worker.agents import AgentFile, in_force, terms_of
from worker.changes import Change
from worker.conversation import Conversation
from worker.means import Means
from worker.phone import SILENT_S
from worker.phoneline import PhoneLine
from worker.runner import Runner
from worker.standby import Standby
from worker.terms import Effects, Inherited, ToolCall

log = logging.getLogger("worker")


class Session:
    """One call, from its claim to its end. `run` it; the rest are events."""

    def __init__(
        self, means: Means, claim: Claim, agent: AgentFile, standby: Standby | None = None
    ) -> None:
        self._means = means
        self._loop = asyncio.get_running_loop()
        self.claim = claim
        self.call_sid = claim.ringing.call_sid
        self._agent = agent
        self._terms = terms_of(claim, agent, means.settings, means.toolbox)
        self._line = AgentLine(
            means.settings, self.call_sid, self._on_message, self._on_closed, standby
        )
        self._runner = Runner(means.toolbox, claim.ringing, self._on_answer, self.change)
        self._conversation: Conversation | None = None
        self._journal = means.bus.journal(self.call_sid, claim.epoch, self.let_go)
        self._phone = PhoneLine(means, claim, self._on_caller)
        self._tasks: asyncio.TaskGroup
        self._early: list[Callable[[], None]] = []  # what happened before `_serve` knew the call
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._over = asyncio.Event()
        self.cause = ""  # why the call is over; "" while it is not, or is another's
        self._is_lost = False
        self.has_left = False
        """Whether the call is off our hands: another's, or over."""
        self._is_transferred = False
        self._has_failed = False

    # -- life -----------------------------------------------------------------

    async def run(self) -> None:
        """Serve the call to its end. Leaves nothing behind but the recording."""
        try:
            await self._serve()
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as exc:  # noqa: BLE001 (another bulkhead: calls share a process)
            self._broke_off(exc)
        finally:
            self._close()

    def _broke_off(self, exc: BaseException) -> None:
        first = exc.exceptions[0] if isinstance(exc, BaseExceptionGroup) else exc
        if isinstance(first, BusError):
            # Whoever is next may have more luck; a live caller is not ended for this.
            log.warning("call not taken up", extra={"call_sid": self.call_sid})
            if self._conversation is None:
                self.let_go()
        self.fail(first)

    async def _serve(self) -> None:
        """The former owner is fenced off first, then his call is read, then it goes on."""
        means = self._means
        self._journal.write(Taken(means.bus.process, self.claim.epoch))
        call = estate.as_it_rings(self.claim, await means.registry.call(self.call_sid))
        cause = estate.end_before_us(self.claim, call)
        if not cause and await estate.is_stale(means.registry, self.claim, call, self._terms):
            cause = Cause.PHONE_LOST
        if call and call.stream_sid:
            self._phone.add(call.streams)
            if self.claim.is_takeover:
                self._phone.use(call.stream_sid)  # what he says there from now on nobody hears
        inherited = await estate.inherit(means.bus, self.claim, call)
        agent = in_force(self._agent, inherited.log, means.toolbox)
        if agent is not self._agent:
            self._terms = terms_of(self.claim, agent, means.settings, means.toolbox)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._conversation = Conversation(self._terms, self._loop.time(), inherited)
            self._find_phone(call, inherited)
            for event in self._early:
                event()
            if cause:
                self._talk.hung_up(cause)
            self._act()
            await self._over.wait()
            self._line.disconnect()
            self._phone.unfollow()  # at once: whoever owns the call next may be in this process
            if self._is_lost:
                self._runner.cancel_all()  # else each goes on to its answer, which the log is told

    def _find_phone(self, call: Call | None, inherited: Inherited) -> None:
        """The phone may have come before the claim: then nobody told us."""
        if call is None or not call.stream_sid:
            return
        if inherited.down and not inherited.is_unserved:
            self._talk.rejoined(self._loop.time())
            if inherited.has_hushed:
                self._tasks.create_task(self._phone.inherit(), name=f"passages:{self.call_sid}")
        else:
            self._use(call.stream_sid)

    @property
    def _talk(self) -> Conversation:
        assert self._conversation is not None  # events come only once `_serve` has made it
        return self._conversation

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._line.close()
        self._phone.close()
        self._leave()

    def _leave(self) -> None:
        if self.has_left:
            return
        self.has_left = True
        if self._is_lost:
            self._means.registry.let_go(self.claim, self.streams)
            return
        self._means.registry.finish(
            self.claim,
            self.streams,
            keep_for_s=self._means.settings.keep_for_s,
            remember_for_s=estate.TRANSFER_S if self._is_transferred else 0,
        )

    @property
    def is_over(self) -> bool:
        """Whether the call is: what is left then is a function that still runs."""
        return self._over.is_set()

    def stop_functions(self) -> None:
        """The process goes: what still runs for a call that is over comes to no end."""
        self._runner.cancel_all()

    def let_go(self) -> None:
        """Another worker owns the call now: stop at once, and touch nothing of it."""
        self._is_lost = True
        self._over.set()

    @property
    def streams(self) -> list[str]:
        """The call's streams so far, the newest last."""
        return self._phone.streams

    def sums(self) -> dict[str, int]:
        """What this call has counted so far, see `worker.metrics`."""
        talk, sums = self._conversation, self._line.sums()
        if talk:
            sums |= {"agent_unknown_messages": talk.unknown, "late_bytes": talk.late_bytes}
        return sums

    @property
    def may_release(self) -> bool:
        """Whether this is a quiet moment, in which another worker may go on unheard."""
        return self._conversation is not None and self._conversation.quiet.is_moment

    @bulkhead
    def release(self, to: str = "") -> None:
        """Leave the call to another worker, which goes on from the log."""
        if self._is_lost or self._over.is_set():
            return
        self._journal.write(Released(self._means.bus.process))
        if self._conversation:
            self._phone.save(self._conversation.cursor)
        self._means.registry.release(self.claim, to)
        self.let_go()

    def fail(self, exc: BaseException) -> None:
        """A fault of ours: the caller is not left in silence."""
        if self._over.is_set():
            return
        log.error("call failed", extra={"call_sid": self.call_sid, "reason": place(exc)})
        self._has_failed = True
        self.cause = Cause.INTERNAL_ERROR
        self._over.set()
        self._journal.write(Trouble("worker", type(exc).__name__, fatal=True))
        self._journal.write(Over(Cause.INTERNAL_ERROR))
        self._means.registry.close(self.claim, Cause.INTERNAL_ERROR)
        self._phone.send(Ended(Cause.INTERNAL_ERROR))

    # -- events ---------------------------------------------------------------

    @bulkhead
    def attach(self, stream_sid: str) -> None:
        """The phone is on this stream. Only the newest counts: of one before it, we hear late."""
        if stream_sid in self.streams or self._over.is_set():
            return
        if self._conversation is None:
            self._early.append(partial(self.attach, stream_sid))
            return
        self._use(stream_sid)

    def _use(self, stream_sid: str) -> None:
        self._phone.forget(self._talk.forgets())
        self._phone.use(stream_sid)
        self._talk.attached(self._loop.time())
        self._phone.listen(after=0)
        self._act()

    def leave(self, stream_sid: str) -> None:
        """The edge that has this phone is told to stop."""
        if self._conversation and stream_sid == self._phone.stream_sid:
            self._talk.move()

    @bulkhead
    def hang_up(self, cause: str) -> None:
        """Twilio says that the call is over."""
        if self._conversation is None:
            self._early.append(partial(self.hang_up, cause))
            return
        self._talk.hung_up(cause)
        self._act()

    @bulkhead
    def answered(self, by: str) -> None:
        """Twilio says that a machine has taken the call."""
        if self._conversation is None:
            self._early.append(partial(self.answered, by))
            return
        self._talk.answered(by, self._loop.time())
        self._act()

    @bulkhead
    def change(self, change: Change, order: str = "") -> None:
        """A function, or an operator by an order of this name, wants something done in mid-call."""
        if self._conversation is None:
            self._early.append(partial(self.change, change, order))
        elif not self._over.is_set():
            self._talk.change(change, self._loop.time(), order)
            self._act()

    @bulkhead
    def _on_caller(self, batch: list[tuple[int, Up]]) -> None:
        talk, now = self._talk, self._loop.time()
        for sequence, message in batch:
            talk.from_caller(sequence, message, now)
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
        self._line.check(now)
        self._phone.save(self._talk.cursor)
        self._phone.tidy(self._talk.up, now)
        since = self._means.bus.up_since
        if since is not None and now - since > SILENT_S:
            self._talk.look(now)
            self._act()

    # -- what was decided -----------------------------------------------------

    def _act(self) -> None:
        """Do what the conversation wants done: log, phone, agent, in this order."""
        if self._is_lost or self._has_failed:
            return
        effects = self._talk.take()
        if effects.log or effects.run:
            self._write_log(effects)
        if effects.over and not self._over.is_set():
            self._note_end(effects)
        for message in effects.phone:
            self._phone.send(message)
        if effects.disconnect:
            self._line.disconnect()
        if effects.connect:
            self._line.connect(self._tasks)
        if effects.listen_after is not None:
            self._phone.listen(effects.listen_after)
        if effects.agent:
            self._line.send(effects.agent)
        if effects.cancel:
            self._runner.cancel(effects.cancel)
        if effects.outcomes:
            outcomes.tell(effects.outcomes, self.call_sid, self._means.bus)
        if effects.forget_up:
            self._phone.forget(effects.forget_up)
        self._set_timer()

    def _write_log(self, effects: Effects) -> None:
        """What a function does must not happen twice: it runs once the log has its request."""
        self._means.meters.note(effects.log)
        if effects.run:
            self._runner.expect(effects.run)
            self._journal.write(*effects.log, written=partial(self._run_tools, effects.run))
        else:
            self._journal.write(*effects.log)

    def _note_end(self, effects: Effects) -> None:
        self._means.registry.close(self.claim, effects.over, effects.transfer)
        self._is_transferred = bool(effects.transfer)
        self.cause = effects.over
        log.info("call over", extra={"call_sid": self.call_sid, "reason": effects.over})
        self._over.set()
        if self._is_transferred:
            # Whatever still runs, and before the phone is let go: where nobody answers the caller
            # is back at once, and must find the call off the list, or nobody claims it.
            self._leave()

    @bulkhead
    def _run_tools(self, calls: Iterable[ToolCall], is_written: bool) -> None:
        """Once the log has it that they were asked for, nobody else will run them."""
        if self._over.is_set():
            return
        if is_written:
            self._runner.start(calls, self._tasks)
        else:
            self._runner.refuse(calls)

    @bulkhead
    def _on_answer(self, key: str, content: str) -> None:
        self._talk.tool_answered(key, content, self._loop.time())
        self._act()

    def _set_timer(self) -> None:
        """One timer a call. A deadline that moved later lets the old timer fire and look again."""
        deadline = self._talk.deadline
        if deadline == inf or (self._timer and self._timer_at <= deadline):
            return
        if self._timer:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)
