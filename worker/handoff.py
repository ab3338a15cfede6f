"""A worker that stops gives its calls to its peers, in moments when nobody speaks.

    we --Offer--> peer: agent session as far as Welcome --Prepared--> we: quiet moment --> release
                                                                peer: claim, Settings, go on

Where no agent session is to spare, or a peer does not answer, the call is released without
one: then the peer has to connect first. What the caller says meanwhile waits on the bus. With no
quiet moment by half of the time a call goes as it stands; with no peer at all it is served
to the end of the time, and left to whoever comes.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from shared.bus import Bus, BusError, Registry
from shared.messages import Dispatched, Offer
from shared.settings import Settings
from worker.session import Session

log = logging.getLogger("worker")

# How often to look for quiet moments.
LOOK_S = 0.05

# Calls on offer at once: each costs an agent session of the account.
OFFERS = 4

# A peer that prepares does so at once; an agent session without Settings is closed by the service.
PREPARED_WITHIN_S = 1.5
STANDBY_S = 8.0


class HandOff:
    """All calls of one worker on their way to others."""

    def __init__(
        self, bus: Bus, registry: Registry, settings: Settings, sessions: Mapping[str, Session]
    ) -> None:
        self._bus = bus
        self._registry = registry
        self._settings = settings
        self._sessions = sessions
        self._offered: dict[str, float] = {}  # CallSid -> when
        self._prepared: dict[str, str] = {}  # CallSid -> worker
        self._loop = asyncio.get_running_loop()

    def prepared(self, call_sid: str, worker: str) -> None:
        """A peer has an agent session ready for a call of ours."""
        self._prepared[call_sid] = worker

    async def run(self, is_idle: asyncio.Event) -> None:
        """Return when there is no call left, or the time is over."""
        began = self._loop.time()
        while self._sessions and self._loop.time() - began < self._settings.drain_s:
            is_late = self._loop.time() - began > self._settings.drain_s / 2
            with suppress(BusError):
                peers = await self._registry.peers()
                if peers:
                    await self._offer(peers)
                    self._release(peers, is_late=is_late)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await is_idle.wait()

    async def _offer(self, peers: list[str]) -> None:
        """Have peers prepare for the next calls, as far as there are agent sessions to spare."""
        now = self._loop.time()
        for call_sid, at in list(self._offered.items()):
            if call_sid not in self._sessions or now - at > STANDBY_S:
                del self._offered[call_sid]
                self._prepared.pop(call_sid, None)
        if len(self._offered) >= OFFERS or len(self._offered) == len(self._sessions):
            return
        spare = self._settings.max_sessions - await self._registry.live() - len(self._offered)
        room = min(OFFERS - len(self._offered), spare)
        waiting = [each for each in self._sessions if each not in self._offered]
        for number, call_sid in enumerate(waiting[: max(0, room)]):
            self._offered[call_sid] = now
            peer = peers[number % len(peers)]
            self._bus.note(peer, call_sid, Offer(call_sid, self._bus.process))

    def _release(self, peers: list[str], *, is_late: bool) -> None:
        ripe = [each for each in self._sessions.values() if is_late or self._is_ripe(each)]
        for number, session in enumerate(ripe[:OFFERS]):
            call_sid = session.call_sid
            peer = self._prepared.get(call_sid, peers[number % len(peers)])
            session.release(peer)
            self._bus.note(peer, call_sid, Dispatched())
            is_prepared = call_sid in self._prepared
            log.info("call handed off", extra={"call_sid": call_sid, "prepared": is_prepared})

    def _is_ripe(self, session: Session) -> bool:
        """Whether now is the moment: a quiet one, with the peer ready or not going to be."""
        if not session.may_release:
            return False
        at = self._offered.get(session.call_sid)
        if at is None:
            return len(self._offered) < OFFERS  # there was no agent session to spare
        is_overdue = self._loop.time() - at > PREPARED_WITHIN_S
        return is_overdue or session.call_sid in self._prepared
