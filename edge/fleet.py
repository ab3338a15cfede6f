"""Which workers are alive, as one edge sees it: one question to Redis for all its calls.

A call whose worker has died is taken over within a lease or so. What the edge does
meanwhile, and if nobody comes, is decided by each call (see `call`).
"""

import asyncio
import logging

from shared.bus import Bus, BusError, Registry

log = logging.getLogger("edge")

LOOK_EVERY_S = 0.5


class Fleet:
    """The workers, looked at twice a second."""

    def __init__(self, bus: Bus, registry: Registry) -> None:
        self._bus = bus
        self._registry = registry
        self._alive: frozenset[str] = frozenset()
        self._seen_at: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self._bus.is_up:
                try:
                    self._alive = frozenset(await self._registry.alive())
                    self._seen_at = loop.time()
                except BusError as exc:
                    log.warning("cannot see the workers", extra={"reason": type(exc).__name__})
            await asyncio.sleep(LOOK_EVERY_S)

    def serves(self, worker: str) -> bool:
        """Whether this worker shows signs of life; a fleet that cannot be seen has the benefit."""
        return self._seen_at is None or worker in self._alive

    def blind_for(self, now: float) -> float:
        """Seconds since Redis last told anything."""
        return 0.0 if self._seen_at is None else now - self._seen_at
