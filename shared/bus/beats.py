"""Which workers show that they live, by what each wrote when it renewed its leases last."""

from dataclasses import dataclass

from shared import keys
from shared.bus.bus import Bus

# A worker or an edge whose last beat is older than this counts as gone.
SILENT_MS = 3000


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker said when it renewed last."""

    worker: str
    room: int
    is_draining: bool


async def beats_of(bus: Bus) -> list[Beat]:
    """Of the workers that have renewed lately. Raises: BusDown, Refused."""
    beats = await bus.link.ask("HGETALL", keys.WORKERS)
    seconds, micros = await bus.link.ask("TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    alive = []
    for name, beat in zip(beats[::2], beats[1::2], strict=True):
        places, serving, draining, at = map(int, beat.split()[:4])  # newer ones may tell more
        if now - at <= SILENT_MS:
            alive.append(Beat(name.decode(), places - serving, draining == 1))
    return alive
