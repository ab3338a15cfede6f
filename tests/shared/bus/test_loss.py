"""What Redis loses of what it had acknowledged, and how it gets it back.

A file that is synced every second lacks the last one after a crash; a new master
lacks what it had not been told. Here a second Redis that stopped replicating in time
stands for both, since what it lacks is then no matter of luck.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from shared import keys
from shared.bus import Bus, Registry
from shared.bus import link as link_module
from shared.bus.link import Link
from shared.calls import Admission, Claim, Outcome, Ringing, State
from shared.messages import NOTES, Attach, Audio, Dispatched, Down, HungUp, Mark, Note, Up
from shared.record import Attached, Heard, Onset, Over
from sim.redis import RedisServer
from tests.shared.bus.help import (
    Peek,
    Wire,
    connector,
    keys_without_ttl,
    log_of,
    opened,
    peeking,
    running,
    sound,
    tell,
    until,
)


@pytest.fixture
def laggard() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def fall_behind(laggard: RedisServer, url: str) -> None:
    """Take over what the master has now, and hear no more of it."""
    host, _, port = url.removeprefix("redis://").removesuffix("/0").partition(":")
    tell(url, "CONFIG SET", "repl-diskless-sync-delay", 0)
    with peeking(laggard.url) as peek:
        peek("REPLICAOF", host, port)
        while peek("INFO", "replication")["master_link_status"] != "up":
            pass
        peek("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[Wire, Bus, Bus]]:
    """An edge's bus and a worker's, over a wire that can lead elsewhere."""
    async with (
        Wire(url).laid() as wire,
        opened(wire.url, "edge-1") as edge,
        opened(wire.url, "worker-1") as worker,
    ):
        yield wire, edge, worker


async def fail_over(wire: Wire, to: str, *buses: Bus) -> None:
    before = wire.connections
    wire.lead_to(to)
    await until(lambda: wire.connections >= before + 2 * len(buses))
    await until(lambda: all(bus.is_up for bus in buses))


async def begin(edge: Bus, worker: Bus) -> Claim:
    """A call that the worker owns, and whose phone is on MZ1."""
    desk, registry = Registry(edge), Registry(worker)
    await desk.dispatch(Ringing("CA1", "+1", "+2"), max_sessions=9, recording_ttl_s=60)
    await registry.renew([], places=9, draining=False)
    claim = await registry.claim()
    assert claim
    worker.journal("CA1", claim.epoch).write(Onset(1))
    await worker.flush()
    desk.door.attach("CA1", "MZ1")
    return claim


# -- what a new master lacks -----------------------------------------------------------


async def test_a_new_master_gets_back_what_it_lacks_and_nobody_reads_anything_twice(
    redis: str, laggard: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    ups: list[tuple[int, Up]] = []
    downs: list[Down] = []
    async with two(redis) as (wire, edge, worker):
        worker.follow_up("CA1", "MZ1", ups.extend)
        edge.follow_down("CA1", "MZ1", downs.extend)
        up, down = edge.up("CA1", "MZ1"), worker.down("CA1", "MZ1")
        journal = worker.journal("CA1", 5)
        for number, message in sound(1, 40):
            up.send(f"{number}-0", message)
            down.send(f"5-{number}", Mark(f"{number}"))
            journal.write(Heard(f"{number}", number))
            if number == 20:
                await until(lambda: len(ups) == len(downs) == 20)
                fall_behind(laggard, redis)
        await until(lambda: len(ups) == len(downs) == 39)
        await worker.flush()
        await fail_over(wire, laggard.url, edge, worker)
        up.send("40-0", Mark("after"))
        down.send("5-40", Mark("after"))
        await until(lambda: len(ups) == len(downs) == 40)
        restored = [link.restored for bus in (edge, worker) for link in bus.link.all]

    assert restored == [19, 19]
    assert [record.message for record in caplog.records].count("redis had lost entries") == 2
    assert ups == [*sound(1, 40), (40, Mark("after"))]
    assert downs == [*(Mark(f"{number}") for number in range(1, 40)), Mark("after")]
    with peeking(laggard.url) as peek:
        assert log_of(peek) == [Heard(f"{number}", number) for number in range(1, 40)]
        assert len(peek("XRANGE", keys.up(0, "MZ1"), "-", "+")) == 40
        assert len(peek("XRANGE", keys.down(0, "MZ1"), "-", "+")) == 40


async def test_a_new_master_learns_again_which_phone_was_let_in(
    redis: str, laggard: RedisServer
) -> None:
    notes: list[Note] = []
    async with two(redis) as (wire, edge, worker):
        await begin(edge, worker)
        await edge.flush()
        await worker.flush()
        await Registry(edge).door.add_token("CA1", "t2")
        fall_behind(laggard, redis)
        worker.on_note = notes.append
        admission, _ = await Registry(edge).door.admit("CA1", "MZ2", "t2", needs_token=True)
        assert admission is Admission.ATTACHED
        await edge.flush()
        await until(lambda: notes)
        await fail_over(wire, laggard.url, edge, worker)
        await edge.flush()
        call = await Registry(worker).call("CA1")

    assert notes == [Attach("CA1", "MZ2")]
    assert call
    assert call.stream_sid == "MZ2"
    with peeking(laggard.url) as peek:
        assert [e.stream_sid for e in log_of(peek) if isinstance(e, Attached)] == ["MZ1", "MZ2"]


async def test_a_successor_of_the_new_master_finds_the_call_as_it_was(
    redis: str, laggard: RedisServer
) -> None:
    """The end of a call, too: who asks afterwards must not be told that it goes on."""
    async with two(redis) as (wire, edge, worker):
        claim = await begin(edge, worker)
        await edge.flush()
        fall_behind(laggard, redis)
        worker.journal("CA1", claim.epoch).write(Over("bye"))
        registry = Registry(worker)
        registry.close(claim, "bye")
        registry.finish(claim, ["MZ1"], keep_for_s=60)
        await worker.flush()
        await fail_over(wire, laggard.url, edge, worker)
        call = await Registry(edge).call("CA1")

    assert call
    assert (call.state, call.cause) == (State.ENDED, "bye")
    with peeking(laggard.url) as peek:
        assert log_of(peek) == [Onset(1), Attached("MZ1", "edge-1"), Over("bye")]
        assert peek("TTL", keys.log(0, "CA1")) <= 60


async def test_a_note_is_neither_lost_nor_read_twice(redis: str, laggard: RedisServer) -> None:
    notes: list[Note] = []
    async with two(redis) as (wire, edge, worker):
        worker.on_note = notes.append
        edge.note("worker-1", "CA1", Attach("CA1", "MZ1"))
        await until(lambda: len(notes) == 1)
        fall_behind(laggard, redis)
        edge.note("worker-1", "CA1", Attach("CA1", "MZ2"))
        await until(lambda: len(notes) == 2)
        await fail_over(wire, laggard.url, edge, worker)
        edge.note("worker-1", "CA1", HungUp("CA1", "bye"))
        await until(lambda: HungUp("CA1", "bye") in notes)

    assert notes == [Attach("CA1", "MZ1"), Attach("CA1", "MZ2"), HungUp("CA1", "bye")]


async def test_a_new_master_whose_clock_is_behind_hides_no_note(
    redis: str, laggard: RedisServer
) -> None:
    notes: list[Note] = []
    tell(
        laggard.url, "XADD", keys.inbox(0, "worker-1"), "1-1", "edge-9 1", NOTES.pack(Dispatched())
    )
    async with two(redis) as (wire, edge, worker):
        worker.on_note = notes.append
        edge.note("worker-1", "CA1", Attach("CA1", "MZ1"))
        await until(lambda: notes)
        await fail_over(wire, laggard.url, edge, worker)
        await until(lambda: len(notes) == 2)

    assert notes == [Attach("CA1", "MZ1"), Dispatched()]


async def test_only_what_may_be_repeated_is(redis: str, peek: Peek) -> None:
    async with Wire(redis).laid() as wire:
        link = Link(connector(wire.url))
        async with running(link):
            link.post("XADD", "s", "1-0", "v", "entry", repeats=True)
            link.post("INCR", "posted")
            await link.ask("INCR", "asked")
            peek("DEL", "s")
            wire.lead_to(redis)
            await link.ask("PING")

    assert peek("XLEN", "s") == 1
    assert (peek("GET", "posted"), peek("GET", "asked")) == (b"1", b"1")


async def test_it_is_the_last_seconds_before_the_break_that_are_repeated(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the break lasts, and not more than that."""
    monkeypatch.setattr(link_module, "REPLAY_S", 0.3)
    link = Link(connector(server.url))
    async with running(link):
        for number in (1, 2):
            link.post("XADD", "s", f"{number}-0", "v", number, repeats=True)
            await link.ask("PING")
            await asyncio.sleep(0.5 if number == 1 else 0)
        tell(server.url, "CONFIG", "SET", "appendfsync", "always")  # else it may forget to forget
        tell(server.url, "FLUSHALL")
        server.kill()
        await asyncio.sleep(0.5)
        server.start()
        await link.ask("PING")

    assert [entry_id for entry_id, _ in tell(server.url, "XRANGE", "s", "-", "+")] == [b"2-0"]


async def test_what_is_kept_to_be_repeated_is_bounded(
    redis: str, peek: Peek, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "REPLAY_BYTES", 5000)
    async with Wire(redis).laid() as wire:
        link = Link(connector(wire.url))
        async with running(link):
            for number in range(1, 51):
                link.post("XADD", "s", f"{number}-0", "v", bytes(1000), repeats=True)
                await link.ask("PING")
            peek("DEL", "s")
            wire.lead_to(redis)
            await link.ask("PING")

    assert 3 <= peek("XLEN", "s") <= 5
    assert peek("XREVRANGE", "s", "+", "-", "COUNT", 1)[0][0] == b"50-0"


# -- everything is lost ----------------------------------------------------------------


async def go_on(edge: Bus, worker: Bus, claim: Claim) -> None:
    """Both directions work, and a later death of the owner is noticed as ever."""
    ups: list[tuple[int, Up]] = []
    downs: list[Down] = []
    worker.follow_up("CA1", "MZ1", ups.extend)
    edge.follow_down("CA1", "MZ1", downs.extend)
    edge.up("CA1", "MZ1").send("900-0", Audio(b"\xff", 20))
    worker.down("CA1", "MZ1").send(f"{claim.epoch}-900", Mark("on"))
    await until(lambda: (900, Audio(b"\xff", 20)) in ups and Mark("on") in downs)

    registry = Registry(worker)
    told = await registry.renew([claim.entry_id], places=9, draining=False)
    assert (told.lost, told.missing) == (set(), {claim.entry_id})
    again = await registry.reinstate(claim, ["MZ0", "MZ1"])
    assert again
    assert (again.ringing, again.epoch) == (claim.ringing, claim.epoch)
    told = await registry.renew([again.entry_id], places=9, draining=False)
    assert (told.lost, told.missing) == (set(), set())

    call = await Registry(edge).call("CA1")
    assert call
    assert (call.state, call.stream_sid, call.caller) == (State.LIVE, "MZ1", "+1")
    assert call.has_webhook


async def test_a_call_outlives_the_loss_of_everything(redis: str, peek: Peek) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        claim = await begin(edge, worker)
        await worker.flush()
        peek("FLUSHALL")  # connections stay
        await go_on(edge, worker, claim)
        await asyncio.gather(edge.flush(), worker.flush())

        assert keys_without_ttl(peek) == []
        assert peek("ZRANGE", keys.INDEX, 0, -1) == [b"CA1"]
    async with opened(redis, "heir") as heir:
        registry = Registry(heir)
        await registry.renew([], places=9, draining=False)
        taken = await registry.claim(takeover_after_ms=0)

        assert taken
        assert taken.is_takeover
        assert taken.epoch > claim.epoch


async def test_a_call_outlives_a_restart_without_a_file() -> None:
    with RedisServer() as server:
        async with opened(server.url, "edge-1") as edge, opened(server.url, "w") as worker:
            claim = await begin(edge, worker)
            edge.up("CA1", "MZ1").send("1-0", Mark("a"))
            await asyncio.gather(edge.flush(), worker.flush())
            server.restart()
            await until(lambda: edge.is_up and worker.is_up)
            await go_on(edge, worker, claim)
            await asyncio.gather(edge.flush(), worker.flush())

            with peeking(server.url) as peek:
                assert keys_without_ttl(peek) == []
                # Each says again what it had said; which of the two is back first, nobody knows.
                said = [Onset(1), Attached("MZ1", "edge-1")]
                assert log_of(peek) in (said, said[::-1])


async def test_a_call_whose_owner_is_gone_with_its_dispatch_is_dispatched_by_the_edge(
    redis: str, peek: Peek
) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "heir") as heir:
        async with opened(redis, "dead") as dead:
            claim = await begin(edge, dead)
        peek("DEL", keys.DISPATCH)
        desk, registry = Registry(edge), Registry(heir)
        ringing = Ringing("CA1", "+1", "+2")
        outcome = await desk.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
        assert outcome in (Outcome.NEW, Outcome.UNSERVED)
        call = await desk.call("CA1")
        await registry.renew([], places=9, draining=False)
        taken = await registry.claim()

    assert call
    assert (call.state, call.stream_sid) == (State.LIVE, "MZ1")  # and not as if it rang again
    assert taken
    assert taken.is_takeover
    assert taken.epoch > claim.epoch
