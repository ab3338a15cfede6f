"""The bus: Redis Streams between edge and worker. Nothing else in the product imports redis.

In reading order: `address` and `route` (where Redis is), `link` (one connection,
pipelines), `lane` (one blocking read), `reader` (newcomers and the crowd), `bus` (what a
process writes and follows), `scripts`, `registry` (whose call it is) and `door` (which
phone has it).
"""

from shared.bus.archive import Archive
from shared.bus.bus import Bus, Pauses, open_bus
from shared.bus.errors import BusDown, BusError, Refused
from shared.bus.outlet import Journal, Outlet
from shared.bus.registry import Registry

__all__ = [
    "Archive",
    "Bus",
    "BusDown",
    "BusError",
    "Journal",
    "Outlet",
    "Pauses",
    "Refused",
    "Registry",
    "open_bus",
]
