"""Whether others suffer when a call joins or leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter as clock

import pytest

from sim.load import guests
from sim.load.generator import Generator
from sim.load.plan import Plan

PLAN = Plan(calls=1, profile="echo", seconds=1, agent_port=0, streams=())


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.setattr(guests, "WINDOW_S", 0.05)
    return Generator(PLAN)


@asynccontextmanager
async def frames_that_take(delay: float, generator: Generator) -> AsyncIterator[None]:
    """One of another call's frames arrives each moment, so much after it left."""

    async def arrive() -> None:
        while True:
            generator.tally.frame("up", clock() - delay, clock())
            await asyncio.sleep(0.005)

    arriving = asyncio.create_task(arrive())
    yield
    arriving.cancel()


async def test_what_a_change_adds_to_the_slowest_frame_is_found(generator: Generator) -> None:
    async def join() -> str:
        generator.tally.frame("up", clock() - 0.06, clock())
        return "joined"

    async with frames_that_take(0.01, generator):
        assert await guests._change(generator, "join", join()) == "joined"

    (extra,) = generator.tally.delays["others_extra_at_join"]
    assert extra == pytest.approx(0.05, abs=0.001)
    assert max(generator.tally.delays["others_before"]) == pytest.approx(0.01, abs=0.001)
    assert max(generator.tally.delays["others_at_change"]) == pytest.approx(0.06, abs=0.001)


async def test_what_comes_long_after_a_change_is_none_of_its_fault(generator: Generator) -> None:
    async def leave() -> None:
        await asyncio.sleep(0.2)
        generator.tally.frame("up", clock() - 0.5, clock())

    async with frames_that_take(0.01, generator):
        await guests._change(generator, "leave", leave())

    (extra,) = generator.tally.delays["others_extra_at_leave"]
    assert extra == pytest.approx(0.0, abs=0.001)


async def test_a_guest_who_is_not_let_in_is_no_end_of_the_run(generator: Generator) -> None:
    """Nobody listens where he rings."""
    generator.plan = replace(PLAN, streams=("ws://127.0.0.1:1/twilio",), guests=2)

    await guests.come_and_go(generator)

    assert generator.tally.watched is None
    assert generator.tally.counts["calls_failed"] == 2
