"""Calls on Redis Sentinel and Redis Cluster, whose master is killed while sound flows.

What a new master lacks is sent to it again, so nothing may be missing in the end, and
nothing may arrive twice. How long the caller's sound stood still is printed.
"""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis

from shared import keys
from shared.bus import Archive, Bus, Registry
from shared.calls import Claim, Ringing
from shared.messages import Attach, Dispatched, Down, Mark, Note, Up
from shared.record import Heard, Taken
from sim.redis import RedisServer
from sim.redis_cluster import RedisCluster
from sim.redis_sentinels import RedisSentinels
from tests.shared.bus.help import log_of, opened, peeking, sound, until

FRAME_S = 0.02
LANES = 4
CALLS = 8

ATTACH = Attach("CA0", "MZ9")
"""Left while the master is away."""


@pytest.fixture
def guarded() -> Iterator[RedisSentinels]:
    with RedisSentinels() as running:
        yield running


class Talk:
    """One call's sound, both ways, and the log: what was sent and what arrived."""

    def __init__(self, edge: Bus, worker: Bus, claim: Claim) -> None:
        self.call_sid = claim.ringing.call_sid
        stream_sid = f"MZ{self.call_sid}"
        self._epoch = claim.epoch
        self._up = edge.up(self.call_sid, stream_sid)
        self._down = worker.down(self.call_sid, stream_sid)
        self._journal = worker.journal(self.call_sid, claim.epoch)
        self.claim = claim
        self.sent = 0
        self.ups: list[tuple[int, Up]] = []
        self.downs: list[Down] = []
        self.heard_at: list[float] = []
        worker.follow_up(self.call_sid, stream_sid, self._hear)
        edge.follow_down(self.call_sid, stream_sid, self.downs.extend)

    def _hear(self, batch: list[tuple[int, Up]]) -> None:
        self.ups += batch
        self.heard_at.append(asyncio.get_running_loop().time())

    def send(self) -> None:
        """One frame each way, and a word in the log."""
        self.sent += 1
        ((number, frame),) = sound(self.sent, self.sent + 1)
        self._up.send(f"{number}-0", frame)
        self._down.send(f"{self._epoch}-{number}", Mark(f"{number}"))
        self._journal.write(Heard(f"{number}", number))

    @property
    def is_complete(self) -> bool:
        return len(self.ups) >= self.sent and len(self.downs) >= self.sent

    @property
    def lost_and_doubled(self) -> tuple[int, int]:
        """Frames and marks, of both directions together."""
        ups = [number for number, _ in self.ups]
        downs = [mark.name for mark in self.downs if isinstance(mark, Mark)]
        lost = 2 * self.sent - len(set(ups)) - len(set(downs))
        return lost, len(ups) + len(downs) - len(set(ups)) - len(set(downs))

    @property
    def gap_s(self) -> float:
        """The longest time in which nothing of the caller arrived."""
        pairs = zip(self.heard_at, self.heard_at[1:], strict=False)
        return max(later - earlier for earlier, later in pairs)


async def begin(edge: Bus, worker: Bus, count: int) -> list[Talk]:
    desk, registry, talks = Registry(edge), Registry(worker), []
    await registry.renew([], places=99, draining=False)
    for number in range(count):
        ringing = Ringing(f"CA{number}", "+1", "+2")
        await desk.dispatch(ringing, max_sessions=99, recording_ttl_s=60)
        claim = await registry.claim()
        assert claim
        worker.journal(claim.ringing.call_sid, claim.epoch).write(Taken("w", claim.epoch))
        talks.append(Talk(edge, worker, claim))
    return talks


async def talk_until(talks: list[Talk], done: asyncio.Task[None]) -> None:
    """Frames in real time, and a second of them after that."""
    loop = asyncio.get_running_loop()
    start, left = loop.time(), 50
    while left:
        for talk in talks:
            talk.send()
        left -= done.done()
        await asyncio.sleep(max(0.0, start + talks[0].sent * FRAME_S - loop.time()))


async def killed(server: RedisServer, edge: Bus, worker: Bus) -> None:
    """Kill it after a while, and wait until both can write and read again."""
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.kill)
    await until(lambda: not (edge.is_up and worker.is_up), within_s=15)
    await until(lambda: edge.is_up and worker.is_up, within_s=15)


async def carry(
    url: str, lanes: int, master: RedisServer, name: str
) -> tuple[list[Talk], list[Note]]:
    """Talk while the master is killed. Returns the calls, and the notes left."""
    notes: list[Note] = []
    async with opened(url, "edge-1", lanes) as edge, opened(url, "worker-1", lanes) as worker:
        worker.on_note = notes.append
        talks = await begin(edge, worker, CALLS)
        done = asyncio.create_task(killed(master, edge, worker))
        leaving = asyncio.create_task(until(lambda: not edge.is_up, within_s=15))
        leaving.add_done_callback(lambda _: edge.note("worker-1", "CA0", ATTACH))
        await talk_until(talks, done)
        await until(lambda: all(talk.is_complete for talk in talks) and ATTACH in notes)
        await leases_hold(worker, talks)
        restored = sum(link.restored for bus in (edge, worker) for link in bus.link.all)
    lost, doubled = map(sum, zip(*(talk.lost_and_doubled for talk in talks), strict=True))
    gap_s = max(talk.gap_s for talk in talks)
    total = 2 * CALLS * talks[0].sent
    print(f"{name}: of {total} entries {lost} lost, {doubled} doubled, {restored} sent again;")
    print(f"sound stood still for {gap_s:.1f} s")
    return talks, notes


async def leases_hold(worker: Bus, talks: list[Talk]) -> None:
    """What the new master has not heard of is dispatched and owned again."""
    registry = Registry(worker)
    served = {talk.claim.entry_id: talk.claim for talk in talks}
    told = await registry.renew(served, places=99, draining=False)
    assert told.lost == set()
    again = [await registry.reinstate(served[each]) for each in told.missing]
    assert None not in again
    assert await registry.live() == len(talks)


def check(talks: list[Talk], notes: list[Note]) -> None:
    assert [talk.lost_and_doubled for talk in talks] == [(0, 0)] * CALLS
    for talk in talks:
        assert talk.ups == sound(1, talk.sent + 1)
        assert talk.downs == [Mark(f"{number}") for number in range(1, talk.sent + 1)]
    assert notes == [Dispatched()] * CALLS + [ATTACH]


def check_logs(url_of: dict[str, str], talks: list[Talk], lanes: int) -> None:
    """Every word once and in order, on the master of the call's lane."""
    for talk in talks:
        with peeking(url_of[talk.call_sid]) as peek:
            log = log_of(peek, talk.call_sid, keys.lane_of(talk.call_sid, lanes))
        words = [Heard(f"{number}", number) for number in range(1, talk.sent + 1)]
        assert log == [Taken("w", talk.claim.epoch), *words]


async def test_calls_of_a_cluster_lie_on_several_nodes(cluster: RedisCluster) -> None:
    lanes = {cluster.master_of(f"{{{lane}}}").port for lane in range(LANES)}
    async with opened(cluster.url, "e", LANES) as edge, opened(cluster.url, "w", LANES) as worker:
        talks = await begin(edge, worker, CALLS)
        assert {edge.lane_of(talk.call_sid) for talk in talks} == set(range(LANES))
        for talk in talks:
            talk.send()
        await until(lambda: all(talk.is_complete for talk in talks))

    assert len(lanes) > 1


async def test_on_a_cluster_a_released_call_is_claimed_with_its_owners_last_word(
    cluster: RedisCluster,
) -> None:
    """The call and its dispatch lie on different servers."""
    claims: list[Claim] = []
    async with opened(cluster.url, "w1", LANES) as one, opened(cluster.url, "w2", LANES) as two:
        (talk,) = await begin(one, one, 1)
        owner, heir = Registry(one), Registry(two)
        await heir.renew([], places=9, draining=False)
        told = asyncio.Event()
        two.on_note = lambda _: told.set()
        one.journal("CA0", talk.claim.epoch).write(*[Heard(f"{n}", n) for n in range(500)])
        owner.release(talk.claim, to="w2")
        await asyncio.wait_for(told.wait(), 5)
        while not claims:
            found = await heir.claim(takeover_after_ms=12 * 3600 * 1000)
            claims += [found] if found else []
        seen = await Archive(two).log("CA0")

    assert claims[0].epoch > talk.claim.epoch
    assert [entry for _, entry in seen][-1] == Heard("499", 499)


@pytest.mark.parametrize("tag", ["{calls}", "{0}"])
async def test_a_cluster_fails_over_and_calls_go_on(mortal_cluster: RedisCluster, tag: str) -> None:
    master = mortal_cluster.master_of(tag)
    talks, notes = await carry(
        mortal_cluster.url, LANES, master, f"cluster, master of {tag} killed"
    )

    check(talks, notes)
    lanes = {talk.call_sid: keys.lane_of(talk.call_sid, LANES) for talk in talks}
    urls = {sid: mortal_cluster.master_of(f"{{{lane}}}").url for sid, lane in lanes.items()}
    check_logs(urls, talks, LANES)


@pytest.mark.parametrize("replicas", [1, 2])
async def test_sentinels_fail_over_and_calls_go_on(replicas: int) -> None:
    """With two replicas as it is recommended: nobody writes to a master that was cut off."""
    with RedisSentinels(replicas) as guarded:
        for server in guarded.servers:
            with guarded.client(server) as client:
                client.config_set("min-replicas-to-write", replicas - 1, "min-replicas-max-lag", 2)
        name = f"sentinel, {replicas} replica(s), master killed"
        talks, notes = await carry(guarded.url, 1, guarded.master, name)

        check(talks, notes)
        check_logs({talk.call_sid: guarded.master.url for talk in talks}, talks, 1)


async def test_a_planned_failover_loses_nothing(guarded: RedisSentinels) -> None:
    async with opened(guarded.url, "edge-1") as edge, opened(guarded.url, "worker-1") as worker:
        talks = await begin(edge, worker, 2)

        async def change() -> None:
            with Redis(port=guarded.sentinels[0].port) as client:
                await asyncio.to_thread(client.sentinel_failover, "mymaster")
            await until(lambda: not (edge.is_up and worker.is_up), within_s=15)
            await until(lambda: edge.is_up and worker.is_up, within_s=15)

        await talk_until(talks, asyncio.create_task(change()))
        await until(lambda: all(talk.is_complete for talk in talks), within_s=15)
        restored = sum(link.restored for bus in (edge, worker) for link in bus.link.all)
    print(f"sentinel, planned failover: {restored} entries went to the former master, sent again")

    assert [talk.lost_and_doubled for talk in talks] == [(0, 0)] * 2
    check_logs({talk.call_sid: guarded.master.url for talk in talks}, talks, 1)
