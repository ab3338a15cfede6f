"""The worker's process: it claims calls, gives each an owner, and shows that it lives.

Twice a second it renews its leases, all in one script, and more often it looks for calls that
wait. In between, a note in its inbox tells of a new one at once. SIGTERM means: no new calls,
give those there are to other workers (see `handoff`), and go.
"""

import asyncio
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import uvloop

from shared import garbage, logs, regions
from shared.bus import Bus, BusError, Pauses, Registry, checks, open_bus, pruning
from shared.calls import Claim
from shared.causes import Cause
from shared.messages import (
    Answered,
    Attach,
    Dispatched,
    HungUp,
    Leaving,
    Note,
    Offer,
    Order,
    Prepared,
)
from shared.metrics import metrics
from shared.probes import is_free
from shared.rota import Rota
from shared.settings import BadSetting, Settings, read
from worker import orders
from worker.agents import BadAgentFile, Folder, Reading, choose
from worker.agents.stored import stored_agents
from worker.handoff import HandOff
from worker.means import Means
from worker.session import Session
from worker.standby import Standbys
from worker.toolbox import Toolbox, load
from worker.tools import BadTools

log = logging.getLogger("worker")

# Leases are renewed this often: four times within the shortest useful lease.
BEAT_S = 0.5

# How often to look for calls whose worker has died: by so much later than its lease they are ours.
LOOK_S = 0.1

# A call idle for longer than any Redis is away was released: it may be taken without waiting.
RELEASED_MS = 12 * 3600 * 1000

# Functions that still run for calls that are over have so long when this worker goes.
LAST_FUNCTIONS_S = 10.0

# Calls whose functions were stopped are gone at once, and so is this process when all is said.
# Who is not within so long is not waited for: a function's task, or its thread, may never end.
GONE_WITHIN_S = 2.0

# Without Redis for this long every call of ours is over, or somebody else's. Longer than an
# edge waits before it ends them.
BLIND_FOR_S = 20.0

# Between two calls taken over from a dead worker, so that its calls spread over its peers.
SPREAD_S = 0.005

# Between two reads with hundreds of calls: each brings a frame of every call, or two, and what is
# read together goes out together. The caller's frames may wait for so long: it is the agent's way
# to the phone on which a `clear` must not.
PAUSES = Pauses(reading=0.040)


class Worker:
    """All the calls of one process."""

    def __init__(self, settings: Settings, folder: Folder, toolbox: Toolbox, bus: Bus) -> None:
        self._settings = settings
        self._folder = folder
        self._bus = bus
        self._registry = Registry(bus)
        self._means = Means(bus, self._registry, settings, toolbox)
        self.meters = self._means.meters
        self.meters.places = lambda: 0 if self._is_draining else settings.max_calls
        self._sessions: dict[str, Session] = {}  # the newest of each call
        self._standbys = Standbys(settings, bus)
        self._hand_off = HandOff(bus, self._registry, settings, self._sessions)
        self._look = asyncio.Event()
        self._is_draining = False
        self._up_at = 0.0
        self._running: dict[asyncio.Task[None], Session] = {}
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then until the last call has ended."""
        async with asyncio.TaskGroup() as tasks:
            calls = tasks.create_task(self._claim_calls(tasks), name="claims")
            chores = [
                tasks.create_task(self._beat(), name="beat"),
                tasks.create_task(pruning.run(self._bus), name="pruning"),
                tasks.create_task(checks.warn(self._bus), name="checks"),
                tasks.create_task(self._folder.watch(), name="agents"),
            ]
            await stop.wait()
            self._is_draining = True
            self._look.set()
            await calls  # a call whose claim is under way is ours, too, to give away
            await self._drain()
            for chore in chores:
                chore.cancel()
        self._registry.retire()

    def _may_take_over(self) -> bool:
        """Not before this worker has seen a whole lease pass: a Redis that comes back would
        otherwise find every call idle, and every worker taking the others'.
        """
        since = self._bus.up_since
        now = asyncio.get_running_loop().time()
        return since is not None and now - since > self._settings.lease_s

    def _served(self) -> list[Session]:
        """The calls that are ours. Of one that is over, functions may still run."""
        return [each for each in self._sessions.values() if not each.has_left]

    def is_ready(self) -> bool:
        """Whether this worker claims calls."""
        return self._bus.is_up and not self._is_draining

    def on_note(self, note: Note) -> None:
        """Somebody left us a note."""
        match note:
            case Dispatched():
                self._look.set()
            case Attach(call_sid, stream_sid):
                if session := self._sessions.get(call_sid):
                    session.attach(stream_sid)
            case HungUp(call_sid, cause):
                if session := self._sessions.get(call_sid):
                    session.hang_up(cause)
            case Answered(call_sid, by):
                if session := self._sessions.get(call_sid):
                    session.answered(by)
            case Leaving(call_sid, stream_sid):
                if session := self._sessions.get(call_sid):
                    session.leave(stream_sid)
            case Offer(call_sid, owner):
                self._prepare(call_sid, owner)
            case Prepared(call_sid, worker):
                self._hand_off.prepared(call_sid, worker)
            case Order():
                orders.give(note, self._sessions, self._bus)

    def _prepare(self, call_sid: str, owner: str) -> None:
        """Another worker will release a call: be ready for it, if there is room."""
        is_full = len(self._served()) + len(self._standbys) >= self._settings.max_calls
        if not self._is_draining and not is_full:
            self._standbys.prepare(call_sid, owner)

    async def _claim_calls(self, tasks: asyncio.TaskGroup) -> None:
        """Take calls until this worker is told to go."""
        while not self._is_draining:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            if self._bus.is_up and not self._is_draining:
                await self._claim_waiting(tasks)

    async def _claim_waiting(self, tasks: asyncio.TaskGroup) -> None:
        """New calls while there is room; a call whose worker died even if there is none."""
        lease_ms = int(self._settings.lease_s * 1000)
        try:
            while not self._is_draining:
                claim = await self._registry.claim(
                    takeover_after_ms=lease_ms if self._may_take_over() else RELEASED_MS,
                    wants_new=len(self._served()) < self._settings.max_calls,
                )
                if claim is None:
                    return
                self._serve(claim, tasks)
                if claim.is_takeover:
                    await asyncio.sleep(SPREAD_S)
        except BusError as exc:
            log.warning("cannot claim", extra={"error": type(exc).__name__})

    def _serve(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        call_sid = claim.ringing.call_sid
        if old := self._sessions.get(call_sid):
            old.let_go()
        try:
            agent = choose(self._folder.agents, claim.ringing)
            session = Session(self._means, claim, agent, self._standbys.take(call_sid))
        except Exception as exc:  # noqa: BLE001 (a bulkhead: a call that cannot begin ends no other)
            extra = {"call_sid": call_sid, "reason": logs.place(exc)}
            log.error("call failed", extra=extra)
            self._registry.close(claim, Cause.INTERNAL_ERROR)
            self._registry.finish(claim, (), keep_for_s=self._settings.keep_for_s)
            return
        self._sessions[call_sid] = session
        self._is_idle.clear()
        self.meters.claimed(is_takeover=claim.is_takeover)
        what = "call taken over" if claim.is_takeover else "call claimed"
        named = {"call_sid": call_sid, "agent": agent.name}
        log.info(what, extra={**named, "epoch": claim.epoch})
        if claim.ringing.agent not in ("", agent.name):
            log.warning("no such agent: another answers", extra=named)
        running = tasks.create_task(self._run(session), name=f"call:{call_sid}")
        self._running[running] = session
        running.add_done_callback(self._ended)

    async def _run(self, session: Session) -> None:
        try:
            with self.meters.running.counted(session):
                await session.run()
        finally:
            self.meters.ended(session.cause)
            if self._sessions.get(session.call_sid) is session:
                del self._sessions[session.call_sid]

    def _ended(self, running: asyncio.Task[None]) -> None:
        del self._running[running]
        if not self._running:
            self._is_idle.set()

    async def _beat(self) -> None:
        loop, rota = asyncio.get_running_loop(), Rota()
        self._up_at = loop.time()
        while True:
            if self._bus.is_up:
                await self._renew()
            now = loop.time()
            self._up_at = now if self._bus.is_up else self._up_at
            for session in list(self._sessions.values()):
                if self._bus.is_up:
                    rota.put(partial(session.beat, now))
                elif now - self._up_at > BLIND_FOR_S:
                    session.let_go()  # the edges have ended these calls, and agents are billed
            await asyncio.sleep(BEAT_S)

    async def _renew(self) -> None:
        served = {each.claim.entry_id: each for each in self._served()}
        places = 0 if self._is_draining else self._settings.max_calls
        try:
            told = await self._registry.renew(served, places=places, draining=self._is_draining)
            for entry_id in told.missing:
                await self._reinstate(served[entry_id])
        except BusError as exc:
            log.warning("cannot renew leases", extra={"error": type(exc).__name__})
            return
        for entry_id in told.lost:
            self._lose(served[entry_id])

    async def _reinstate(self, session: Session) -> None:
        """Redis has forgotten that there is this call, or whose it is."""
        if session.has_left or self._sessions.get(session.call_sid) is not session:
            return  # it has ended meanwhile
        claim = await self._registry.reinstate(session.claim, session.streams)
        if claim is None:
            self._lose(session)
        else:
            log.warning("call reinstated", extra={"call_sid": session.call_sid})
            session.claim = claim

    def _lose(self, session: Session) -> None:
        if self._sessions.get(session.call_sid) is session and not session.has_left:
            log.warning("lease lost", extra={"call_sid": session.call_sid})
            session.let_go()

    async def _drain(self) -> None:
        """Give every call to a peer; what is left then is anybody's."""
        self._standbys.close()
        log.info("draining", extra={"calls": len(self._sessions)})
        await self._hand_off.run(self._is_idle)
        for session in list(self._sessions.values()):
            session.release()
        if not await self._is_idle_within(LAST_FUNCTIONS_S):
            for session in self._running.values():
                session.stop_functions()
            await self._is_idle_within(GONE_WITHIN_S)
        for running in self._running:
            running.cancel()

    async def _is_idle_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        return self._is_idle.is_set()


async def serve(settings: Settings, folder: Folder, toolbox: Toolbox) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    asyncio.get_running_loop().set_exception_handler(logs.of_loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process = f"worker-{secrets.token_hex(4)}"
    async with open_bus(settings.redis_url, process, settings.lanes, PAUSES) as bus:
        worker = Worker(settings, folder, toolbox, bus)
        bus.on_note = worker.on_note
        log.info("worker started", extra={"worker": process, "places": settings.max_calls})
        async with metrics(settings, bus, worker.is_ready, worker.meters):
            await worker.run(stop)
    log.info("worker stopped", extra={"worker": process})
    _go_within(GONE_WITHIN_S)


def _go_within(seconds: float) -> None:
    """End this process, whatever an operator's function still holds on to."""

    def go() -> None:
        log.warning("a function does not end: it is not waited for")
        os._exit(0)

    timer = threading.Timer(seconds, go)
    timer.daemon = True
    timer.start()


def main(_arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`python -m worker`: exit status 0 after a signal, 2 if something is set wrongly."""
    try:
        settings = read(environ).checked_for_worker()
        toolbox = load(settings.tools)
        folder = Folder(Path(settings.agents), Reading(toolbox, environ, stored_agents(settings)))
    except (BadSetting, BadTools, BadAgentFile) as exc:
        sys.stderr.write(f"worker: {exc}\n")
        return 2
    if not is_free(settings.metrics_host, settings.metrics_port):
        place = f"{settings.metrics_port} on {settings.metrics_host}"
        sys.stderr.write(f"worker: METRICS_PORT: {place} cannot be used\n")
        return 2
    logs.setup(settings.log_level, settings.log_format, "worker")
    if complaint := regions.complaint(settings.agent_url):
        log.warning(complaint)
    for warning in folder.warnings:
        log.warning(warning)
    garbage.tame()
    uvloop.run(serve(settings, folder, toolbox))
    return 0
