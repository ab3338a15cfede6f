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
from shared.messages import Offer
from shared.settings import HAND_OFFS, Settings
from worker.session import Session
from worker.standby import STANDBY_S

log = logging.getLogger("worker")

# How often to look for quiet moments.
LOOK_S = 0.05

# A peer that prepares does so at once.
PREPARED_WITHIN_S = 1.5

# When a peer has surely given up an agent session that was not wanted.
OFFER_S = STANDBY_S + 2.0

# How much of the time calls wait for their turn to be prepared for.
PATIENCE = 0.25


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
        self._prepared: dict[str, tuple[str, float]] = {}  # CallSid -> worker, until when
        self._is_patient = self._has_spare = True
        self._loop = asyncio.get_running_loop()

    def prepared(self, call_sid: str, worker: str) -> None:
        """A peer has an agent session ready for a call of ours."""
        self._prepared[call_sid] = (worker, self._loop.time() + STANDBY_S - 0.5)

    async def run(self, is_idle: asyncio.Event) -> None:
        """Return when there is no call left, or the time is over."""
        began = self._loop.time()
        while self._sessions and self._loop.time() - began < self._settings.drain_s:
            elapsed = self._loop.time() - began
            is_late = elapsed > self._settings.drain_s / 2
            self._is_patient = elapsed < self._settings.drain_s * PATIENCE
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
            if call_sid not in self._sessions or now - at > OFFER_S:
                del self._offered[call_sid]
                self._prepared.pop(call_sid, None)
        waiting = [each for each in self._going() if each.call_sid not in self._offered]
        if not waiting or len(self._offered) >= HAND_OFFS:
            return
        spare = self._settings.max_sessions - await self._registry.live() - len(self._offered)
        self._has_spare = spare > 0
        room = min(HAND_OFFS - len(self._offered), spare)
        waiting.sort(key=lambda each: not each.may_release)
        for number, session in enumerate(waiting[: max(0, room)]):
            self._offered[session.call_sid] = now
            peer, offer = peers[number % len(peers)], Offer(session.call_sid, self._bus.process)
            self._bus.note(peer, session.call_sid, offer)

    def _going(self) -> list[Session]:
        """Those that there is still something to give away of."""
        return [each for each in self._sessions.values() if not each.is_over]

    def _release(self, peers: list[str], *, is_late: bool) -> None:
        ripe = [each for each in self._going() if is_late or self._is_ripe(each)]
        for number, session in enumerate(ripe[:HAND_OFFS]):
            call_sid = session.call_sid
            peer = self._ready_for(call_sid)
            is_prepared = peer in peers
            session.release(peer if is_prepared else peers[number % len(peers)])
            log.info("call handed off", extra={"call_sid": call_sid, "prepared": is_prepared})

    def _is_ripe(self, session: Session) -> bool:
        """Whether now is the moment: a quiet one, with the peer ready or not going to be."""
        if not session.may_release:
            return False
        if self._ready_for(session.call_sid):
            return True
        at = self._offered.get(session.call_sid)
        if at is None:
            return not (self._is_patient and self._has_spare)
        return self._loop.time() - at > PREPARED_WITHIN_S

    def _ready_for(self, call_sid: str) -> str:
        """The peer that has an agent session ready for this call, or ""."""
        worker, until = self._prepared.get(call_sid, ("", 0.0))
        return worker if self._loop.time() < until else ""
