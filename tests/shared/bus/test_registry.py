"""Which calls there are, and whose they are: an edge's side, a worker's, and both at once."""

import asyncio

import pytest

from shared import keys
from shared.bus import Bus, BusDown, Registry
from shared.bus import link as link_module
from shared.bus import registry as registry_module
from shared.bus.registry import Renewal
from shared.calls import Admission, Call, Claim, Outcome, Ringing, State
from shared.messages import Attach, Dispatched, Mark, Note
from shared.record import Attached, Onset, Over, Taken
from sim.redis import RedisServer
from tests.shared.bus.help import (
    Peek,
    Wire,
    keys_without_ttl,
    lets_in,
    log_of,
    meanwhile,
    opened,
    until,
)

CALL = keys.call(0, "CA1")


async def ring(registry: Registry, call_sid: str = "CA1", token: str = "") -> Outcome:
    ringing = Ringing(call_sid, "+1", "+2", "sales")
    return await registry.dispatch(ringing, token, max_sessions=100, recording_ttl_s=86_400)


async def enrolled(bus: Bus, places: int = 40) -> Registry:
    """A worker's registry that has just heard from Redis, so that it may claim."""
    registry = Registry(bus)
    await registry.renew([], places=places, draining=False)
    return registry


async def claim(registry: Registry, takeover_after_ms: int = -1) -> Claim | None:
    """Claim as the worker does: soon after a renewal, however busy this machine is."""
    await registry.renew([], places=40, draining=False)
    return await registry.claim(takeover_after_ms=takeover_after_ms)


async def claimed(registry: Registry) -> Claim:
    found = await claim(registry)
    assert found
    return found


# -- dispatch ------------------------------------------------------------------------


async def test_a_dispatch_describes_the_call(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        assert await ring(registry, token="t1") is Outcome.UNSERVED
        call = await registry.call("CA1")

    assert call == Call(
        State.RINGING,
        has_webhook=True,
        caller="+1",
        called="+2",
        agent="sales",
        started_ms=call.started_ms if call else 0,
        tokens=("t1",),
    )
    assert call.started_ms > 1_700_000_000_000


async def test_an_unknown_call_is_none(redis: str) -> None:
    async with opened(redis) as bus:
        assert await Registry(bus).call("CA1") is None


async def test_the_worker_with_room_is_told(redis: str) -> None:
    notes: list[Note] = []
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        worker.on_note = notes.append
        await enrolled(worker)

        assert await ring(Registry(edge)) is Outcome.NEW
        await until(lambda: notes)
    assert notes == [Dispatched()]


async def test_a_full_house_describes_nothing(redis: str) -> None:
    async with opened(redis) as bus:
        registry = await enrolled(bus, places=1)
        outcomes = [await ring(registry, "CA1"), await ring(registry, "CA2", "t")]

        assert outcomes == [Outcome.NEW, Outcome.FULL]
        assert await registry.call("CA2") is None


async def test_a_retried_webhook_leaves_the_call_as_it_is(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, token="t1")
        registry.door.attach("CA1", "MZ1")
        before = await registry.call("CA1")

        assert await ring(registry, token="t2") is Outcome.KNOWN
        assert await registry.call("CA1") == before
        assert before
        assert (before.state, before.tokens) == (State.LIVE, ("t1",))


async def test_a_retried_webhook_of_an_ended_call_leaves_it_ended(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        registry.close(await claimed(registry), "caller hung up")
        await ring(registry)
        call = await registry.call("CA1")

    assert call
    assert (call.state, call.cause) == (State.ENDED, "caller hung up")


@pytest.mark.parametrize("is_claimed", [False, True])
async def test_an_abandoned_call_takes_a_place_only_if_somebody_has_had_it(
    is_claimed: bool, redis: str
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        if is_claimed:
            await claimed(registry)
        registry.abandon("CA1", "no worker")
        call = await registry.call("CA1")

        assert call
        assert (call.state, call.cause) == (State.ENDED, "no worker")
        assert await registry.live() == int(is_claimed)


async def test_a_dispatch_whose_answer_was_lost_is_one_call_and_described(
    redis: str, peek: Peek
) -> None:
    async with Wire(redis).laid() as wire, opened(wire.url) as bus:
        registry = Registry(bus)
        wire.break_after(b"EVALSHA")
        await ring(registry, token="t1")
        call = await registry.call("CA1")

        assert wire.breaks == 1
    assert peek("XLEN", keys.DISPATCH) == 1
    assert call
    assert (call.caller, call.has_webhook, call.tokens) == ("+1", True, ("t1",))


async def test_a_call_that_rings_again_is_described_though_the_answer_was_lost(
    redis: str, peek: Peek
) -> None:
    async with opened(redis, "worker-1") as bus:
        await transferred(bus)
    async with Wire(redis).laid() as wire, opened(wire.url) as bus:
        registry = Registry(bus)
        wire.break_after(b"EVALSHA")
        outcome = await ring(registry, token="t2")
        call = await registry.call("CA1")

        assert (wire.breaks, outcome) == (1, Outcome.KNOWN)
    assert peek("XLEN", keys.DISPATCH) == 1
    assert call
    assert (call.state, call.transfer, call.tokens) == (State.RINGING, "", ("t2",))


async def test_who_hangs_up_before_his_call_is_described_has_hung_up(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)

        async def hangs_up() -> None:
            registry.abandon("CA1", "busy")

        meanwhile(monkeypatch, bus, hangs_up)
        await ring(registry, token="t1")
        call = await registry.call("CA1")

        assert await registry.live() == 0
    assert call
    assert (call.state, call.cause, call.tokens) == (State.ENDED, "busy", ())


async def test_a_call_whose_end_was_known_before_it_rang_is_nobody_s(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        registry.abandon("CA1", "busy")
        await ring(registry, token="t1")
        call = await registry.call("CA1")

        assert await registry.live() == 0
    assert call
    assert (call.state, call.cause, call.tokens) == (State.ENDED, "busy", ())


@pytest.mark.parametrize("is_back", [False, True])
async def test_a_phone_that_comes_before_its_call_is_described_has_it(
    is_back: bool, redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        if is_back:
            await transferred(bus)

        async def comes() -> None:
            registry.door.attach("CA1", "MZ1")

        meanwhile(monkeypatch, bus, comes)
        await ring(registry, token="t1")
        call = await registry.call("CA1")

    assert call
    assert (call.state, call.stream_sid, call.caller) == (State.LIVE, "MZ1", "+1")
    assert (call.cause, call.transfer, call.ended_ms) == ("", "", 0)


async def transferred(bus: Bus) -> None:
    """A call that was somebody's, and is over."""
    registry = Registry(bus)
    await ring(registry)
    former = await take(bus, registry)
    registry.close(former, "transferred", "+15557654321")
    registry.finish(former, (), keep_for_s=60)
    await bus.flush()
    await asyncio.sleep(0.002)  # it takes longer than Redis' clock can tell


async def test_without_redis_a_dispatch_gives_up_and_does_not_come_back(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(server.url) as bus:
        server.kill()
        with monkeypatch.context() as patch:
            patch.setattr(link_module, "DEADLINE_S", 0.1)
            with pytest.raises(BusDown):
                await ring(Registry(bus))
        server.start()
        await until(lambda: bus.is_up)

        assert await bus.link.ask("XLEN", keys.DISPATCH) == 0


# -- tokens --------------------------------------------------------------------------


async def test_a_token_lets_in_once(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, token="t1")
        admitted = [await lets_in(registry, "CA1", token) for token in ("t1", "t1", "", "other")]

    assert admitted == [True, False, False, False]


async def test_of_two_sockets_with_one_token_one_gets_in(redis: str) -> None:
    async with opened(redis, "edge-1") as one, opened(redis, "edge-2") as two:
        await ring(Registry(one), token="t1")
        await one.flush()
        admitted = await asyncio.gather(
            *(lets_in(Registry(bus), "CA1", "t1") for bus in (one, two))
        )

    assert sorted(admitted) == [False, True]


async def test_who_is_let_in_has_the_call_and_hears_how_it_stood(redis: str) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        registry = Registry(edge)
        await ring(registry, token="t1")
        await take(worker, Registry(worker))
        await worker.flush()
        admission, before = await registry.door.admit("CA1", "MZ1", "t1")
        call = await registry.call("CA1")

    assert admission is Admission.ATTACHED
    assert before
    assert (before.state, before.owner) == (State.RINGING, "worker-1")
    assert call
    assert (call.state, call.stream_sid, call.streams) == (State.LIVE, "MZ1", ("MZ1",))


async def test_who_is_not_let_in_changes_nothing(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, token="t1")
        before = await registry.call("CA1")
        admission, stood = await registry.door.admit("CA1", "MZ1", "another")

        assert admission is Admission.UNPROVEN
        assert stood == before == await registry.call("CA1")
    assert log_of(peek) == []


async def test_of_two_sockets_of_a_call_without_tokens_one_gets_in(redis: str) -> None:
    async with opened(redis, "edge-1") as one, opened(redis, "edge-2") as two:
        bare = Ringing("CA1", "+1", "+2", has_webhook=False)
        await Registry(one).dispatch(bare, max_sessions=9, recording_ttl_s=60)
        await one.flush()
        asking = (Registry(bus).door.admit("CA1", f"MZ-{bus.process}") for bus in (one, two))
        admissions = await asyncio.gather(*asking)

    assert sorted(each for each, _ in admissions) == [Admission.ATTACHED, Admission.DOUBLED]


async def test_an_admission_that_is_sent_twice_is_one(redis: str, peek: Peek) -> None:
    """The connection broke before its answer: the token is used up, by us."""
    notes: list[Note] = []
    async with (
        Wire(redis).laid() as wire,
        opened(wire.url, "edge-1") as edge,
        opened(redis, "worker-1") as worker,
    ):
        worker.on_note = notes.append
        registry = Registry(edge)
        await ring(registry, token="t1")
        await take(worker, Registry(worker))
        await worker.flush()
        wire.break_after(b"EVALSHA")
        admission, _ = await registry.door.admit("CA1", "MZ1", "t1")
        await until(lambda: Attach("CA1", "MZ1") in notes)
        await edge.flush()

        assert wire.breaks == 1
        assert admission is Admission.ATTACHED
        assert not await lets_in(registry, "CA1", "t1")
    assert notes.count(Attach("CA1", "MZ1")) == 1
    assert log_of(peek).count(Attached("MZ1", "edge-1")) == 1


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_call_that_is_unknown_or_over_may_be_had_and_is_not_yet(
    is_over: bool, redis: str, peek: Peek
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        if is_over:
            registry.abandon("CA1", "bye")
        admission, _ = await registry.door.admit("CA1", "MZ1")
        call = await registry.call("CA1")

    assert admission is Admission.NO_CALL
    assert (call.stream_sid if call else "") == ""
    assert peek("EXISTS", keys.call(0, "CA1")) == is_over


async def test_a_token_is_for_its_own_call(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, "CA1", "t1")
        await ring(registry, "CA2", "t2")

        assert not await lets_in(registry, "CA1", "t2")


async def test_a_token_lets_in_only_in_time(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        await registry.door.add_token("CA1", "late", 0.05)
        await registry.door.add_token("CA1", "in time", 60)
        await asyncio.sleep(0.1)

        assert not await lets_in(registry, "CA1", "late")
        assert await lets_in(registry, "CA1", "in time")


async def test_a_dispatch_says_how_long_its_token_is_good(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        ringing = Ringing("CA1", "+1", "+2")
        await registry.dispatch(ringing, "t1", token_s=0.05, max_sessions=9, recording_ttl_s=86_400)
        await asyncio.sleep(0.1)

        assert not await lets_in(registry, "CA1", "t1")


async def test_a_renewed_token_has_its_time_again(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        await registry.door.add_token("CA1", "t1", 0.05)
        await registry.door.renew_token("CA1", "t1", 60)
        await asyncio.sleep(0.1)

        assert await lets_in(registry, "CA1", "t1")


async def test_a_token_that_was_shown_is_not_renewed(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, token="t1")
        await lets_in(registry, "CA1", "t1")
        await registry.door.renew_token("CA1", "t1", 60)

        assert not await lets_in(registry, "CA1", "t1")


async def test_a_token_for_a_call_that_nobody_knows_makes_no_key(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        assert not await lets_in(registry, "CA1", "t1")
        await registry.door.renew_token("CA1", "t1", 60)
        await bus.flush()

    assert peek("EXISTS", keys.call(0, "CA1")) == 0


async def test_asking_the_phone_back_gives_a_token_and_counts(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry, token="t1")
        await lets_in(registry, "CA1", "t1")
        await registry.door.add_token("CA1", "t2")
        await registry.door.add_token("CA1", "t3")
        call = await registry.call("CA1")

    assert call
    assert (call.attempts, sorted(call.tokens)) == (2, ["t2", "t3"])


async def test_a_planned_move_is_no_failed_attempt(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        registry.door.moved("CA1")
        await registry.door.add_token("CA1", "t1")
        call = await registry.call("CA1")

    assert call
    assert call.attempts == 0


# -- phone and owner meet --------------------------------------------------------------


async def take(bus: Bus, registry: Registry) -> Claim:
    """Claim a call, and write the first word as its owner."""
    won = await claimed(registry)
    bus.journal(won.ringing.call_sid, won.epoch).write(Taken(bus.process, won.epoch))
    return won


async def test_a_phone_that_comes_first_is_seen_by_the_owner(redis: str) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        await ring(Registry(edge))
        Registry(edge).door.attach("CA1", "MZ1")
        await edge.flush()
        registry = Registry(worker)
        won = await take(worker, registry)
        call = await registry.call("CA1")

    assert call
    assert (call.stream_sid, call.owner, call.epoch) == ("MZ1", "worker-1", won.epoch)


async def test_an_owner_that_comes_first_is_told_of_the_phone(redis: str, peek: Peek) -> None:
    notes: list[Note] = []
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        worker.on_note = notes.append
        await ring(Registry(edge))
        registry = Registry(worker)
        await take(worker, registry)
        call = await registry.call("CA1")

        assert call
        assert call.stream_sid == ""
        Registry(edge).door.attach("CA1", "MZ1")
        await until(lambda: notes)

    assert notes == [Attach("CA1", "MZ1")]
    assert log_of(peek) == [Taken("worker-1", call.epoch), Attached("MZ1", "edge-1")]


async def test_at_once_one_of_the_two_sees_the_other(redis: str) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        told: list[Note] = []
        worker.on_note = told.append
        registry, found = Registry(worker), []
        for number in range(20):
            await ring(Registry(edge), f"CA{number}")
            won = await claimed(registry)
            worker.journal(f"CA{number}", won.epoch).write(Taken(worker.process, won.epoch))
            Registry(edge).door.attach(f"CA{number}", "MZ1")
            call = await registry.call(f"CA{number}")
            found += [Attach(f"CA{number}", "MZ1")] if call and call.stream_sid else []
        await until(
            lambda: {Attach(f"CA{number}", "MZ1") for number in range(20)} <= {*told, *found}
        )


async def test_the_newest_stream_counts_and_all_are_known(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        for stream_sid in ("MZ1", "MZ2", "MZ2"):
            registry.door.attach("CA1", stream_sid)
        call = await registry.call("CA1")

    assert call
    assert (call.state, call.stream_sid) == (State.LIVE, "MZ2")
    assert sorted(call.streams) == ["MZ1", "MZ2"]


async def test_the_newest_owner_is_told(redis: str) -> None:
    notes: list[Note] = []
    async with opened(redis, "old") as old, opened(redis, "new.1") as new:
        await ring(Registry(old))
        old.journal("CA1", 1).write(Taken("old", 1))
        await old.flush()
        new.journal("CA1", 2).write(Taken("new.1", 2))
        await new.flush()
        old.journal("CA1", 1).write(Onset(1))

        new.on_note = notes.append
        Registry(old).door.attach("CA1", "MZ1")
        await until(lambda: notes)

    assert notes == [Attach("CA1", "MZ1")]


# -- claim ---------------------------------------------------------------------------


async def test_a_claim_holds_the_dispatch(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        won = await claimed(registry)

    assert won.ringing == Ringing("CA1", "+1", "+2", "sales")
    assert not won.is_takeover
    assert won.epoch > 1_700_000_000_000


async def test_nothing_to_claim(redis: str) -> None:
    async with opened(redis) as bus:
        assert await claim(Registry(bus), 0) is None


async def test_claimers_at_once_share_the_calls(redis: str) -> None:
    async with opened(redis, "w1") as one, opened(redis, "w2") as two:
        for number in range(20):
            await ring(Registry(one), f"CA{number}")
        workers = (await enrolled(one), await enrolled(two))
        wins = await asyncio.gather(*(claim(workers[n % 2]) for n in range(30)))

    served = [won.ringing.call_sid for won in wins if won]
    assert sorted(served) == sorted(f"CA{number}" for number in range(20))


async def test_a_worker_that_stalled_does_not_claim(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(redis) as bus:
        await ring(Registry(bus))
        registry = await enrolled(bus)
        monkeypatch.setattr(registry_module, "STALE_MS", 20)
        await asyncio.sleep(0.05)

        assert await registry.claim() is None  # but now it has heard from Redis
        monkeypatch.setattr(registry_module, "STALE_MS", 10_000)
        assert await registry.claim()


async def test_a_process_that_never_heard_from_redis_does_not_claim(redis: str) -> None:
    async with opened(redis) as bus:
        await ring(Registry(bus))

        assert await Registry(bus).claim() is None


async def test_a_call_of_a_dead_worker_is_taken_over_once(redis: str) -> None:
    async with opened(redis, "dead") as dead, opened(redis, "heir") as heir:
        await ring(Registry(dead))
        first = await claimed(Registry(dead))
        assert await claim(Registry(heir)) is None
        assert await claim(Registry(heir), 60_000) is None
        await asyncio.sleep(0.05)
        second = await claim(Registry(heir), 50)
        await asyncio.sleep(0.05)

        assert second
        assert (second.entry_id, second.ringing) == (first.entry_id, first.ringing)
        assert second.is_takeover
        assert second.epoch > first.epoch
        assert await claim(Registry(heir), 60_000) is None
        lost = await Registry(dead).renew([first.entry_id], places=10, draining=False)
        assert lost == Renewal({first.entry_id}, set())
        kept = await Registry(heir).renew([second.entry_id], places=10, draining=False)
        assert kept == Renewal(set(), set())


async def test_a_claimer_that_stalls_before_its_first_write_is_fenced_by_its_heir(
    redis: str, peek: Peek
) -> None:
    fenced: list[str] = []
    async with opened(redis, "stalled") as stalled, opened(redis, "heir") as heir:
        await ring(Registry(stalled))
        first = await claimed(Registry(stalled))
        await asyncio.sleep(0.02)  # its lease is over
        second = await claim(Registry(heir), 10)
        assert second
        for bus, won in ((heir, second), (stalled, first)):
            journal = bus.journal("CA1", won.epoch, lambda bus=bus: fenced.append(bus.process))  # type: ignore[misc]
            journal.write(Taken(bus.process, won.epoch))
            bus.down("CA1", "MZ1").send(f"{won.epoch}-1", Mark(bus.process))
            await bus.flush()
        Registry(stalled).close(first, "bye")
        Registry(stalled).finish(first, (), keep_for_s=1)
        await stalled.flush()
        call = await Registry(heir).call("CA1")

    assert fenced == ["stalled"]
    assert call
    assert (call.owner, call.state) == ("heir", State.RINGING)
    assert peek("XLEN", keys.down(0, "MZ1")) == peek("XLEN", keys.log(0, "CA1")) == 1
    assert peek("XLEN", keys.DISPATCH) == 1


async def test_a_claimer_that_stalls_and_writes_first_is_fenced_all_the_same(redis: str) -> None:
    fenced: list[str] = []
    async with opened(redis, "stalled") as stalled, opened(redis, "heir") as heir:
        await ring(Registry(stalled))
        first = await claimed(Registry(stalled))
        await asyncio.sleep(0.02)
        second = await claim(Registry(heir), 10)
        assert second
        late = stalled.journal("CA1", first.epoch, lambda: fenced.append("stalled"))
        late.write(Onset(1))  # its successor has not written yet
        await stalled.flush()
        heir.journal("CA1", second.epoch).write(Taken("heir", second.epoch))
        await heir.flush()
        late.write(Onset(2))
        await stalled.flush()
        call = await Registry(heir).call("CA1")

    assert fenced == ["stalled"]
    assert call
    assert (call.owner, call.epoch) == ("heir", second.epoch)


async def test_claimers_of_a_dead_worker_s_calls_share_them(redis: str) -> None:
    async with (
        opened(redis, "dead") as dead,
        opened(redis, "w1") as one,
        opened(redis, "w2") as two,
        opened(redis, "w3") as three,
    ):
        for number in range(12):
            await ring(Registry(dead), f"CA{number}")
            await claimed(Registry(dead))
        await asyncio.sleep(0.5)

        async def take_all(bus: Bus) -> list[str]:
            registry, taken = Registry(bus), []
            while found := await claim(registry, 450):
                taken.append(found.ringing.call_sid)
            return taken

        shares = await asyncio.gather(*map(take_all, (one, two, three)))

    taken = [call_sid for share in shares for call_sid in share]
    assert sorted(taken) == sorted(f"CA{number}" for number in range(12))


@pytest.mark.parametrize("entry", [b"rubbish", b"\x91\xcc\xc8", b"\x92\x01\x05"])
async def test_an_unreadable_dispatch_is_cleared_away(
    entry: bytes, redis: str, peek: Peek, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        peek("XADD", keys.DISPATCH, "*", "CA0", entry)
        peek("HSET", keys.EPOCHS, "CA0", 0)
        await ring(registry)

        assert await claim(registry) is None
        assert (await claimed(registry)).ringing.call_sid == "CA1"
    assert peek("XLEN", keys.DISPATCH) == 1
    assert peek("HKEYS", keys.EPOCHS) == [b"CA1"]
    assert [record.message for record in caplog.records] == ["unreadable dispatch"]


# -- workers come and go ---------------------------------------------------------------


async def test_workers_alive_are_those_that_renewed_lately(redis: str, peek: Peek) -> None:
    async with opened(redis, "w1") as one, opened(redis, "w2") as two:
        assert await Registry(one).alive() == []
        await enrolled(one)
        await enrolled(two)
        peek("HSET", keys.WORKERS, "silent", "10 0 0 1700000000000")

        seconds, _ = peek("TIME")
        peek("HSET", keys.WORKERS, "newer", f"10 0 0 {seconds * 1000} and more")

        assert sorted(await Registry(one).alive()) == ["newer", "w1", "w2"]
        peek("HDEL", keys.WORKERS, "newer")
        Registry(two).retire()
        await two.flush()
        assert await Registry(one).alive() == ["w1"]


async def test_what_a_retired_worker_had_claimed_can_be_taken_over(redis: str) -> None:
    """SIGTERM can come between a claim and its answer."""
    async with opened(redis, "w1") as one, opened(redis, "w2") as two:
        await ring(Registry(one))
        await claimed(Registry(one))
        Registry(one).retire()
        await one.flush()
        await asyncio.sleep(0.02)

        assert await claim(Registry(two), 10)


async def test_peers_have_room_and_the_one_with_most_comes_first(redis: str, peek: Peek) -> None:
    async with opened(redis, "me") as bus:
        await enrolled(bus)
        now = int(peek("TIME")[0]) * 1000
        for name, beat in {
            "full": f"4 4 0 {now}",
            "some": f"9 4 0 {now}",
            "most": f"9 1 0 {now}",
            "leaving": f"0 1 1 {now}",
            "silent": "9 0 0 1700000000000",
        }.items():
            peek("HSET", keys.WORKERS, name, beat)

        assert await Registry(bus).peers() == ["most", "some"]


async def test_edges_know_of_each_other(redis: str, peek: Peek) -> None:
    async with opened(redis, "e1") as one, opened(redis, "e2") as two:
        assert await Registry(one).edge_peers(draining=False) == []
        assert await Registry(two).edge_peers(draining=False) == ["e1"]
        assert await Registry(one).edge_peers(draining=True) == ["e2"]
        assert await Registry(two).edge_peers(draining=False) == []


async def test_silent_edges_do_not_count_and_are_forgotten(redis: str, peek: Peek) -> None:
    now = int(peek("TIME")[0]) * 1000
    peek("HSET", keys.EDGES, "silent", f"0 {now - 5000}", "gone", f"0 {now - 65_000}")
    async with opened(redis, "e1") as bus:
        assert await Registry(bus).edge_peers(draining=False) == []

    assert sorted(peek("HKEYS", keys.EDGES)) == [b"e1", b"silent"]


async def test_live_calls_are_counted(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        assert await registry.live() == 0
        await ring(registry, "CA1")
        await ring(registry, "CA2")
        assert await registry.live() == 2


# -- let go ----------------------------------------------------------------------------

LONG = 12 * 3600 * 1000


@pytest.mark.parametrize(("to", "holder"), [("", b"released"), ("w2", b"w2")])
async def test_a_released_call_is_anybodys_at_once(
    to: str, holder: bytes, redis: str, peek: Peek
) -> None:
    async with opened(redis, "w1") as one, opened(redis, "w3") as three:
        await ring(Registry(one))
        won = await claimed(Registry(one))
        Registry(one).release(won, to)
        await one.flush()
        (held,) = peek("XPENDING", keys.DISPATCH, keys.GROUP, "-", "+", 9, parse_detail=True)
        taken = await claim(Registry(three), LONG)

    assert held["consumer"] == holder
    assert taken
    assert taken.entry_id == won.entry_id


async def test_who_has_lost_a_call_cannot_release_it(redis: str) -> None:
    async with opened(redis, "w1") as one, opened(redis, "w2") as two, opened(redis, "w3") as three:
        await ring(Registry(one))
        won = await claimed(Registry(one))
        await asyncio.sleep(0.02)
        assert await claim(Registry(two), 10)
        Registry(one).release(won)
        await one.flush()

        assert await claim(Registry(three), LONG) is None


# -- the end -------------------------------------------------------------------------


async def test_a_closed_call_says_why(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        registry.abandon("CA1", "caller hung up")
        call = await registry.call("CA1")

    assert call
    assert (call.state, call.cause) == (State.ENDED, "caller hung up")
    assert call.ended_ms >= call.started_ms > 0


async def test_a_transferred_call_says_where_to_and_a_new_dispatch_begins_afresh(
    redis: str,
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        won = await claimed(registry)
        registry.close(won, "transfer", "+15550001111")
        registry.finish(won, (), keep_for_s=60)
        gone = await registry.call("CA1")
        assert await ring(registry) is Outcome.NEW
        back = await registry.call("CA1")

    assert gone
    assert (gone.state, gone.cause, gone.transfer) == (State.ENDED, "transfer", "+15550001111")
    assert gone.ended_ms
    assert back
    assert (back.state, back.cause, back.transfer, back.ended_ms) == (State.RINGING, "", "", 0)


async def test_how_long_a_caller_has_been_silent_is_known(redis: str) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        assert await registry.idle_s("CA1", "MZ1") is None
        bus.up("CA1", "MZ1").send("1-0", Mark("a"))
        assert await registry.idle_s("CA1", "MZ1") == 0
        await asyncio.sleep(2.1)  # Redis' own clock for this has seconds
        assert (await registry.idle_s("CA1", "MZ1") or 0) >= 1


async def test_a_redis_that_counts_uses_cannot_tell() -> None:
    with RedisServer("--maxmemory-policy", "allkeys-lfu") as server:
        async with opened(server.url) as bus:
            bus.up("CA1", "MZ1").send("1-0", Mark("a"))

            assert await Registry(bus).idle_s("CA1", "MZ1") is None


async def whole_call(edge: Bus, worker: Bus, call_sid: str, streams: list[str]) -> None:
    """A call from ring to end, with a word of everyone."""
    desk, registry = Registry(edge), Registry(worker)
    await ring(desk, call_sid, "t1")
    won = await take(worker, registry)
    journal = worker.journal(call_sid, won.epoch)
    for stream_sid in streams:
        await desk.door.add_token(call_sid, "t2")
        desk.door.attach(call_sid, stream_sid)
        edge.up(call_sid, stream_sid).send("1-0", Mark("a"))
        worker.down(call_sid, stream_sid).send(f"{won.epoch}-1", Mark("a"))
    registry.save_cursor(call_sid, streams[-1], 1)
    await edge.flush()
    registry.close(won, "bye")
    journal.write(Over("bye"))
    registry.finish(won, streams, keep_for_s=600)
    await worker.flush()


async def test_a_finished_call_leaves_only_what_expires(redis: str, peek: Peek) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        await whole_call(edge, worker, "CA1", ["MZ1", "MZ2"])

        left = {
            name.decode(): peek("TTL", name)
            for name in peek("KEYS", "{0}:*")
            if not keys.is_of_process(name)
        }
    assert set(left) == {
        CALL,
        keys.log(0, "CA1"),
        *(make(0, stream) for make in (keys.up, keys.down) for stream in ("MZ1", "MZ2")),
    }
    assert all(590 <= ttl <= 600 for ttl in left.values())
    assert keys_without_ttl(peek) == []


async def test_a_former_owner_that_wakes_at_the_end_does_not_let_a_live_call_expire(
    redis: str, peek: Peek
) -> None:
    async with opened(redis, "stalled") as stalled, opened(redis, "heir") as heir:
        await ring(Registry(stalled))
        first = await take(stalled, Registry(stalled))
        await asyncio.sleep(0.02)
        second = await claim(Registry(heir), 10)
        assert second
        heir.journal("CA1", second.epoch).write(Taken("heir", second.epoch))
        heir.down("CA1", "MZ1").send(f"{second.epoch}-1", Mark("a"))
        await heir.flush()
        Registry(stalled).finish(first, ["MZ1"], keep_for_s=30)
        await stalled.flush()

        names = (CALL, keys.log(0, "CA1"), keys.down(0, "MZ1"))
        assert all(peek("TTL", name) > 3500 for name in names)
        assert peek("XLEN", keys.DISPATCH) == 1


async def test_of_a_call_that_may_come_back_words_stay_longer_than_sound(
    redis: str, peek: Peek
) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        await ring(Registry(edge), "CA1", "t1")
        won = await take(worker, Registry(worker))
        worker.journal("CA1", won.epoch).write(Over("transferred"))
        for outlet in (edge.up("CA1", "MZ1"), worker.down("CA1", "MZ1")):
            outlet.send(f"{won.epoch}-1", Mark("a"))
        await edge.flush()
        Registry(worker).finish(won, ["MZ1"], keep_for_s=60, remember_for_s=3600)
        await worker.flush()

    assert all(peek("TTL", name) > 3500 for name in (CALL, keys.log(0, "CA1")))
    assert all(0 < peek("TTL", make(0, "MZ1")) <= 60 for make in (keys.up, keys.down))


async def test_a_live_call_is_listed_however_short_recordings_live(redis: str, peek: Peek) -> None:
    async with opened(redis, "edge-1") as edge:
        await Registry(edge).dispatch(Ringing("CA1", "", ""), max_sessions=99, recording_ttl_s=1)
        peek("ZADD", keys.INDEX, "XX", "INCR", -3600_000, "CA1")  # it has lasted an hour
        await Registry(edge).dispatch(Ringing("CA2", "", ""), max_sessions=99, recording_ttl_s=1)

    assert peek("ZRANGE", keys.INDEX, 0, -1) == [b"CA1", b"CA2"]


async def test_a_finished_call_takes_no_place(redis: str, peek: Peek) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        await whole_call(edge, worker, "CA1", ["MZ1"])

    pending = peek("XPENDING", keys.DISPATCH, keys.GROUP)
    assert peek("XLEN", keys.DISPATCH) == 0
    assert pending["pending"] == 0
    assert peek("EXISTS", keys.EPOCHS) == 0


async def test_a_call_that_was_reinstated_while_it_ended_takes_no_place(
    redis: str, peek: Peek
) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        await ring(registry)
        won = await claimed(registry)
        peek("XDEL", keys.DISPATCH, won.entry_id)
        peek("XACK", keys.DISPATCH, keys.GROUP, won.entry_id)
        assert await registry.reinstate(won)
        registry.finish(won, (), keep_for_s=60)
        await bus.flush()

    assert peek("XLEN", keys.DISPATCH) == 0
    assert peek("EXISTS", keys.EPOCHS) == 0


async def test_a_former_owner_s_end_takes_nobody_off(redis: str, peek: Peek) -> None:
    async with opened(redis, "old") as old, opened(redis, "new") as new:
        await ring(Registry(old))
        won = await claimed(Registry(old))
        peek("XACK", keys.DISPATCH, keys.GROUP, won.entry_id)
        peek("XDEL", keys.DISPATCH, won.entry_id)
        assert await ring(Registry(old)) is Outcome.NEW
        Registry(old).finish(won, (), keep_for_s=60)  # nobody has claimed it again yet
        await old.flush()
        assert peek("XLEN", keys.DISPATCH) == 1
        assert await claimed(Registry(new))
        Registry(old).finish(won, (), keep_for_s=60)
        await old.flush()

    assert peek("XLEN", keys.DISPATCH) == 1
    assert peek("HKEYS", keys.EPOCHS) == [b"CA1"]


async def test_a_late_word_of_the_edge_does_not_change_how_long_it_stays(
    redis: str, peek: Peek
) -> None:
    async with opened(redis, "edge-1") as edge, opened(redis, "worker-1") as worker:
        await whole_call(edge, worker, "CA1", ["MZ1"])
        edge.journal("CA1").write(Onset(1))

    assert peek("TTL", keys.log(0, "CA1")) <= 600
    assert peek("TTL", CALL) <= 600


async def test_nothing_brings_back_a_forgotten_call_for_good(redis: str, peek: Peek) -> None:
    async with opened(redis) as bus:
        registry = Registry(bus)
        registry.abandon("CA1", "late")
        registry.save_cursor("CA2", "MZ1", 5)
        registry.door.attach("CA3", "MZ1")
        await registry.door.add_token("CA4", "t")
        await lets_in(registry, "CA5", "t")
        await bus.flush()

        assert len(peek("KEYS", "{0}:call:*")) == 4
        assert keys_without_ttl(peek) == []
