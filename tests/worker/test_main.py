"""A worker among others, in the test's own process: what becomes of calls when it is told to go."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.bus import Archive, Bus, Registry, open_bus
from shared.calls import Claim, Ringing, State
from shared.messages import Audio
from shared.record import Configured
from shared.settings import Settings
from shared.sound import SILENT_FRAME
from sim.agent import AgentServer
from sim.faults.words import QUICK
from tests.edge.kit import eventually, is_up, until
from worker import estate, main
from worker.agents import Folder, Reading
from worker.main import Worker
from worker.session import Session
from worker.toolbox import Toolbox

AGENTS = Path(__file__).parents[2] / "agents"

LEASE_S = 30.0
"""Far longer than a test: what is taken over was given away."""

RING_S = 5.0

TAKEN_WITHIN_S = 0.5
"""After the lease, according to what is promised."""


@asynccontextmanager
async def a_worker(
    redis: str,
    agent: AgentServer,
    name: str,
    stop: asyncio.Event | None = None,
    **changes: Any,
) -> AsyncIterator[Registry]:
    """A worker that is told to go by `stop`, or at the block's end."""
    stop = stop or asyncio.Event()
    usual = Settings(
        redis_url=redis,
        deepgram_agent_url=agent.url,
        deepgram_api_key="a-key",
        lease_s=LEASE_S,
        drain_s=1.0,
        ring_s=RING_S,
    )
    settings = replace(usual, **changes)
    async with open_bus(redis, name) as bus, asyncio.TaskGroup() as tasks:
        worker = Worker(settings, Folder(AGENTS, Reading()), Toolbox(), await is_up(bus))
        bus.on_note = worker.on_note
        tasks.create_task(worker.run(stop))
        registry = Registry(bus)
        await eventually(lambda: _is_alive(registry, name))
        yield registry
        stop.set()


async def _is_alive(registry: Registry, name: str) -> bool:
    return name in await registry.alive()


async def test_a_call_whose_claim_is_under_way_when_its_worker_is_told_to_go_is_handed_off(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, claim = asyncio.Event(), Registry.claim

    async def claim_slowly(registry: Registry, **wishes: Any) -> Claim | None:
        claimed = await claim(registry, **wishes)
        if claimed and not stop.is_set():
            stop.set()
            await asyncio.sleep(0.05)  # the answer is on its way
        return claimed

    monkeypatch.setattr(Registry, "claim", claim_slowly)
    async with (
        AgentServer(timing=QUICK) as agent,
        a_worker(redis, agent, "worker-1", stop) as first,
    ):
        ringing = Ringing("CA1", "+15550001111", "+15550002222")
        await first.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
        await eventually(lambda: _is_owned_by(first, "worker-1"))
        async with a_worker(redis, agent, "worker-2") as second:
            await eventually(lambda: _is_owned_by(second, "worker-2"), within_s=10)


async def _is_owned_by(registry: Registry, worker: str) -> bool:
    call = await registry.call("CA1")
    return call is not None and call.owner == worker


async def test_a_call_that_comes_to_no_end_keeps_no_worker_that_is_told_to_go(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun = asyncio.Event()

    async def serve_for_ever(_: Session) -> None:
        has_begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Session, "_serve", serve_for_ever)
    monkeypatch.setattr(main, "LAST_FUNCTIONS_S", 0.1)
    monkeypatch.setattr(main, "GONE_WITHIN_S", 0.1)
    async with (
        asyncio.timeout(10),
        AgentServer(timing=QUICK) as agent,
        a_worker(redis, agent, "worker-1") as worker,
    ):
        ringing = Ringing("CA1", "+15550001111", "+15550002222")
        await worker.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
        await has_begun.wait()


@pytest.mark.parametrize("has_phone", [False, True])
async def test_a_worker_that_comes_late_serves_old_calls_only_if_their_phones_are_there(
    has_phone: bool, redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estate, "OLD_S", -RING_S)  # so this one is old at once
    async with AgentServer(timing=QUICK) as agent, open_bus(redis, "edge-1") as bus:
        edge = Registry(await is_up(bus))
        ringing = Ringing("CA1", "+15550001111", "+15550002222")
        await edge.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
        if has_phone:
            bus.up("CA1", "MZ1").send("1-0", Audio(SILENT_FRAME, 20))
            edge.door.attach("CA1", "MZ1")
        await bus.flush()
        async with a_worker(redis, agent, "worker-1"):
            await eventually(lambda: _is_settled(bus))
        call = await edge.call("CA1")

    assert call
    assert call.state is (State.LIVE if has_phone else State.ENDED)
    assert len(agent.sessions) == int(has_phone)
    assert call.cause == ("" if has_phone else "phone lost")


async def _is_settled(bus: Bus) -> bool:
    """Whether the call is over, or has an agent."""
    call, log = await Registry(bus).call("CA1"), await Archive(bus).log("CA1")
    is_over = call is not None and call.state is State.ENDED
    return is_over or any(isinstance(entry, Configured) for _, entry in log)


@pytest.mark.alone
async def test_a_dead_worker_s_calls_are_taken_over_soon_and_spread_over_its_peers(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    async def note(session: Session) -> None:
        taken.append(session._means.bus.process)
        await session._over.wait()

    monkeypatch.setattr(Session, "_serve", note)
    async with (
        AgentServer(timing=QUICK) as agent,
        open_bus(redis, "worker-3") as bus,
        a_worker(redis, agent, "worker-1", lease_s=1.0, max_calls=0),  # none but others' calls
        a_worker(redis, agent, "worker-2", lease_s=1.0, max_calls=0),
    ):
        dying = Registry(await is_up(bus))
        await asyncio.sleep(1.1)  # its peers have seen a lease pass
        for number in range(40):
            await dying.renew([], places=99, draining=False)
            ringing = Ringing(f"CA{number}", "+15550001111", "+15550002222")
            await dying.dispatch(ringing, max_sessions=99, recording_ttl_s=60)
            assert await dying.claim()
        await until(lambda: len(taken) == 40, 1.0 + TAKEN_WITHIN_S)
        shares = Counter(taken)

    assert min(shares["worker-1"], shares["worker-2"]) > 5
