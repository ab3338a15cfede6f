"""Whose call is still a call: what a successor finds on a real Redis."""

import asyncio
import time
from dataclasses import replace

import pytest

from shared.bus import Registry, open_bus
from shared.calls import Call, Claim, Ringing, State
from shared.messages import Audio, Digit, Down, Hush, Mark, Up
from worker.estate import end_before_us, hushed, inherit, is_stale
from worker.terms import Terms

TERMS = Terms("{}", ring_s=0.5, reattach_s=0.1)
CALL = Call(state=State.LIVE, stream_sid="MZ1")


def claim(age_s: float, *, is_takeover: bool = True) -> Claim:
    """A call that rang so long ago."""
    rang_ms = int((time.time() - age_s) * 1000)
    return Claim(
        f"{rang_ms}-0", Ringing("CA1", "+15550001111", "+15550002222"), rang_ms + 1, is_takeover
    )


@pytest.mark.parametrize(
    ("age_s", "is_takeover", "call", "stale"),
    [
        (3600, True, CALL, True),
        (3600, False, CALL, True),  # nobody has had it yet
        (10, True, CALL, False),  # too young to be yesterday's
        (3600, True, Call(stream_sid="MZ2"), False),  # its stream is not there to ask
        (3600, True, Call(), True),  # rang, and the phone never came
        (3600, False, Call(), True),
        (20, True, Call(), False),
        (20, False, Call(), False),
        (3600, True, None, False),
    ],
)
async def test_a_call_of_which_nothing_comes_any_more_is_yesterdays(
    age_s: float, is_takeover: bool, call: Call | None, stale: bool, redis: str
) -> None:
    async with open_bus(redis, "worker-1") as bus:
        bus.up("CA1", "MZ1").send("1-0", Audio(b"\xff" * 160, 20))
        await bus.flush()
        # Redis counts idle time in whole seconds; the silence that counts is five.
        await asyncio.sleep(7.1 if stale and call == CALL else 0)
        found = await is_stale(Registry(bus), claim(age_s, is_takeover=is_takeover), call, TERMS)

    assert found is stale


@pytest.mark.parametrize("is_takeover", [True, False])
async def test_a_phone_that_still_speaks_makes_an_old_call_a_live_one(
    is_takeover: bool, redis: str
) -> None:
    async with open_bus(redis, "worker-1") as bus:
        bus.up("CA1", "MZ1").send("1-0", Audio(b"\xff" * 160, 20))
        await bus.flush()

        old = claim(3600, is_takeover=is_takeover)
        assert not await is_stale(Registry(bus), old, CALL, TERMS)


NOW_MS = int(time.time() * 1000)
ENDED = Call(state=State.ENDED, cause="caller hung up", started_ms=NOW_MS, ended_ms=NOW_MS)


def test_a_call_that_ended_before_it_was_ours_is_over() -> None:
    assert end_before_us(claim(3600, is_takeover=False), ENDED) == "caller hung up"
    assert end_before_us(claim(3600), ENDED) == "caller hung up"
    assert end_before_us(claim(3600), CALL) == ""
    assert end_before_us(claim(3600), None) == ""


def test_a_call_whose_end_was_known_before_it_rang_is_over() -> None:
    unannounced = replace(ENDED, started_ms=0)
    assert end_before_us(claim(-5, is_takeover=False), unannounced) == "caller hung up"


def test_a_call_that_ended_and_rang_again_is_not() -> None:
    assert end_before_us(claim(-5, is_takeover=False), ENDED) == ""


@pytest.mark.parametrize(
    ("rang_s", "began_s", "age_s"),
    [
        (5, None, 5),
        (5, 400, 400),  # dispatched again
        (-5, None, 0),  # Redis' clock is ahead
    ],
)
async def test_a_call_is_as_old_as_its_first_dispatch(
    rang_s: float, began_s: float | None, age_s: float, redis: str
) -> None:
    call = began_s and Call(started_ms=int((time.time() - began_s) * 1000))
    async with open_bus(redis, "w1") as bus:
        found = (await inherit(bus, claim(rang_s), call or None)).age_s

    assert age_s <= found < age_s + 5


async def test_a_call_that_redis_has_forgotten_is_as_old_as_its_dispatch(redis: str) -> None:
    async with open_bus(redis, "w1") as bus:
        assert (await inherit(bus, claim(60), Call())).age_s >= 60


UPS: list[Up] = [Audio(b"\xff"), Mark("a"), Digit("1"), Audio(b"\xff")]
DOWNS: list[Down] = [Hush(1), Audio(b"\x01"), Hush(1), Mark("a"), Audio(b"\x02"), Hush(0)]


async def test_what_a_former_owner_has_left_of_a_passage_is_found(redis: str) -> None:
    async with open_bus(redis, "w1") as bus:
        await Registry(bus).dispatch(claim(60).ringing, max_sessions=9, recording_ttl_s=60)
        Registry(bus).door.attach("CA1", "MZ1")
        for number, up in enumerate(UPS, 1):
            bus.up("CA1", "MZ1").send(f"{number}-0", up)
        for number, down in enumerate(DOWNS, 1):
            bus.down("CA1", "MZ1").send(f"7-{number}", down)
        await bus.flush()
        found = await inherit(bus, claim(60), Call(stream_sid="MZ1"))
        ids = await hushed(bus, "CA1", "MZ1")

        assert await hushed(bus, "CA1", "MZ2") == []
    assert (found.spoken, found.has_hushed) == ([1, 3, 4], True)
    assert ids == ["7-2"]


@pytest.mark.parametrize(
    "streams",
    [("MZ0", "MZ1", "MZ2"), ("MZ2", "MZ1", "MZ0")],  # a hash keeps no order
)
async def test_what_went_to_the_phone_before_one_that_came_to_nobody_is_found(
    streams: tuple[str, ...], redis: str
) -> None:
    call = Call(stream_sid="MZ2", streams=streams, cursor=9)
    async with open_bus(redis, "w1") as bus:
        await Registry(bus).dispatch(claim(60).ringing, max_sessions=9, recording_ttl_s=60)
        for stream_sid in ("MZ0", "MZ1", "MZ2"):
            Registry(bus).door.attach("CA1", stream_sid)
        bus.up("CA1", "MZ1").send("1-0", Mark("a", 600))
        bus.down("CA1", "MZ1").send("7-1", Audio(b"\x01"))
        bus.up("CA1", "MZ2").send("1-0", Audio(b"\xff"))
        await bus.flush()
        found = await inherit(bus, claim(60), call)
        before = await inherit(bus, claim(60), Call(stream_sid="MZ0", streams=("MZ0",)))

    assert (found.down, found.echoes, found.is_unserved) == ([Audio(b"\x01")], [("a", 600)], True)
    assert (found.cursor, found.newest, found.spoken) == (0, 0, ())
    assert (before.down, before.is_unserved) == ([], True)
