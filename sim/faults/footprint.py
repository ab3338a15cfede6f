"""What calls leave behind: descriptors, memory, keys, sessions."""

from dataclasses import dataclass
from pathlib import Path

from shared import keys
from sim.faults.stage import House
from sim.load.meters import rss_kb


@dataclass(frozen=True, slots=True)
class Footprint:
    """All that is there at one moment. Descriptors and memory are 0 where there is no /proc."""

    calls: int
    epochs: int
    eternal: int
    """Keys that never expire, beside those of the fleet."""
    sessions: int
    """The agent's, under way."""
    descriptors: int
    """Of edges and workers."""
    rss_mb: float

    @classmethod
    def of(cls, house: House) -> "Footprint":
        with house.redis as redis:
            names = [name for name in redis.scan_iter(count=1000) if b"{calls}:" not in name]
            calls = int(redis.xlen(keys.DISPATCH))
            epochs = int(redis.hlen(keys.EPOCHS))
            pipeline = redis.pipeline(transaction=False)
            for name in names:
                pipeline.ttl(name)
            eternal = sum(ttl == -1 for ttl in pipeline.execute())
        running = [p for p in (*house.stack.edges, *house.stack.workers) if p.status is None]
        return cls(
            calls,
            epochs,
            eternal,
            house.agent.live,
            sum(_descriptors(process.pid) for process in running),
            sum(rss_kb(process.pid) for process in running) / 1024,
        )

    def holds_no_more_than(self, other: "Footprint") -> bool:
        """Whether no more calls, keys, sessions and descriptors are there than then."""
        mine = (self.calls, self.epochs, self.eternal, self.sessions, self.descriptors)
        then = (other.calls, other.epochs, other.eternal, other.sessions, other.descriptors)
        return all(now <= before for now, before in zip(mine, then, strict=True))


def _descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
