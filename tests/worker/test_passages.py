"""The agent's sound in sensitive passages leaves the bus."""

from redis import Redis

from shared.bus import open_bus
from shared.messages import DOWN, Audio, Down, Hush
from worker.passages import Passages

SENT: list[Down] = [Audio(b"a"), Hush(1), Audio(b"b"), Hush(0), Audio(b"c")]


async def test_hushed_sound_is_deleted_when_its_edge_has_read_it(redis: str) -> None:
    async with open_bus(redis, "worker-1") as bus:
        down, passages = bus.down("CA1", "MZ1"), Passages(lambda: 100.0)
        for number, message in enumerate(SENT, 1):
            down.send(f"1-{number}", message)
            passages.sent(f"1-{number}", message)

        passages.delete(down, 104.9)
        await bus.flush()
        before = left(redis, down.key)
        passages.delete(down, 105.0)
        passages.delete(down)
        await bus.flush()

        assert before == SENT
        assert left(redis, down.key) == [Audio(b"a"), Hush(1), Hush(0), Audio(b"c")]


async def test_so_is_what_a_former_owner_has_sent(redis: str) -> None:
    async with open_bus(redis, "worker-2") as bus:
        down, passages = bus.down("CA1", "MZ1"), Passages(lambda: 100.0)
        for number, message in enumerate(SENT, 1):
            down.send(f"1-{number}", message)
        passages.inherit(["1-3"])
        passages.delete(down, 105.0)
        await bus.flush()

        assert left(redis, down.key) == [Audio(b"a"), Hush(1), Hush(0), Audio(b"c")]


def left(redis: str, key: str) -> list[Down | None]:
    with Redis.from_url(redis) as client:
        return [DOWN.unpack(fields[b""]) for _, fields in client.xrange(key)]
