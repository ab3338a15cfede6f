"""What is said of Redis, and of who lives on it."""

import asyncio

from edge.doctor import house
from edge.doctor.finding import Finding, Mark
from shared.bus import Registry
from shared.settings import read
from sim.redis import RedisServer, free_port
from tests.shared.bus.help import opened, tell


def findings(url: str) -> dict[str, Finding]:
    told = house.look(read({"REDIS_URL": url}))
    return {finding.name: finding for finding in house.findings(told)}


def marks(found: dict[str, Finding]) -> list[Mark]:
    return [found[name].mark for name in ("redis", "workers", "edges")]


async def test_a_fleet(redis: str) -> None:
    async with opened(redis, "worker-1") as bus, opened(redis, "edge-1") as other:
        await Registry(bus).renew([], places=10, draining=False)
        await Registry(other).edge_peers(draining=False)

        found = await asyncio.to_thread(findings, redis)

    assert marks(found) == [Mark.OK] * 3
    assert found["redis"].seen.startswith("version ")
    assert "edge-1" in found["edges"].seen


def test_nobody_lives_there(redis: str) -> None:
    found = findings(redis)

    assert marks(found) == [Mark.OK, Mark.BAD, Mark.BAD]
    assert found["workers"].todo == "start one: python -m worker"
    assert found["edges"].todo == "start one: python -m edge"


def test_a_redis_that_drops_what_lives() -> None:
    with RedisServer("--maxmemory-policy", "allkeys-lru") as server:
        found = findings(server.url)

    assert found["redis"].mark is Mark.BAD
    assert "maxmemory-policy is allkeys-lru" in found["redis"].seen
    assert found["redis"].todo == "set noeviction"


def test_nobody_answers() -> None:
    found = findings(f"redis://:4711@127.0.0.1:{free_port()}")

    assert marks(found) == [Mark.BAD, Mark.SKIPPED, Mark.SKIPPED]
    assert "ConnectionRefusedError" in found["redis"].seen
    assert "4711" not in str(found["redis"])


def test_a_password_that_is_not_right() -> None:
    with RedisServer() as server:
        tell(server.url, "ACL", "SETUSER", "default", "resetpass", ">right")
        for password in ("", ":wrong@"):
            found = findings(f"redis://{password}127.0.0.1:{server.port}")

            assert found["redis"].mark is Mark.BAD
            assert "it refuses user, password or rights" in found["redis"].seen
        found = findings(f"redis://:right@127.0.0.1:{server.port}")

    assert found["redis"].mark is Mark.OK


def test_nothing_is_left_behind(redis: str) -> None:
    findings(redis)

    kept = [name for name in tell(redis, "KEYS", "*") if tell(redis, "TTL", name) < 0]
    assert kept == [b"{calls}:new"]  # its group is what every process makes first
