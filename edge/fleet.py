"""Who else is there, as one edge sees it: two questions to Redis for all its calls.

Workers: a call whose worker has died is taken over within a lease or so. What the edge
does meanwhile, and if nobody comes, is decided by each call (see `call`, `hold`).

Edges: one that is told to stop has its callers moved to another, if there is one.
"""

import asyncio
import logging
from math import inf

from shared.bus import Bus, BusError, Registry

log = logging.getLogger("edge")

LOOK_EVERY_S = 0.5


class Fleet:
    """The workers and the other edges, looked at twice a second."""

    def __init__(self, bus: Bus, registry: Registry) -> None:
        self._bus = bus
        self._registry = registry
        self._workers: frozenset[str] = frozenset()
        self._has_peer = False
        self._seen_at: float | None = None
        self._late_at = inf
        self.is_draining = False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self._bus.is_up:
                try:
                    await self.look()
                except BusError as exc:
                    log.warning("cannot see the fleet", extra={"reason": type(exc).__name__})
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """See who is there, and be seen. Raises: BusError."""
        self._workers = frozenset(await self._registry.alive())
        self._has_peer = bool(await self._registry.edge_peers(self.is_draining))
        self._seen_at = asyncio.get_running_loop().time()

    def drain(self, within_s: float) -> None:
        """This edge is told to stop, and has so much time for it."""
        self.is_draining = True
        # No quiet moment by then: a call is moved in whatever moment it is.
        self._late_at = asyncio.get_running_loop().time() + within_s / 2

    @property
    def may_move(self) -> bool:
        """Whether callers are to go to another edge, which is there for them."""
        return self.is_draining and self._has_peer

    @property
    def is_last(self) -> bool:
        """Whether this edge is leaving and no other is there."""
        return self.is_draining and not self._has_peer

    def is_late(self, now: float) -> bool:
        """Whether there is no more time to wait for quiet moments."""
        return now >= self._late_at

    @property
    def workers(self) -> int:
        """How many workers show signs of life."""
        return len(self._workers)

    def serves(self, worker: str) -> bool:
        """Whether this worker shows signs of life; a fleet that cannot be seen has the benefit."""
        return self._seen_at is None or worker in self._workers

    def blind_for(self, now: float) -> float:
        """Seconds since Redis last told anything."""
        return 0.0 if self._seen_at is None else now - self._seen_at
