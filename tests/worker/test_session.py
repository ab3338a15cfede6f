"""What goes wrong in one call ends this call alone, and is told by its kind and place."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from shared.bus import Archive, Bus, Registry, open_bus
from shared.calls import Claim, Ringing, State
from shared.causes import Cause
from shared.messages import Audio, Owned
from shared.record import Ending, Over, Taken, Transferring, Trouble
from shared.settings import Settings
from sim.redis import free_port
from tests.edge.kit import is_up, until
from worker import estate
from worker.agents import load_folder
from worker.estate import inherit
from worker.means import Means
from worker.phoneline import PhoneLine
from worker.session import Session
from worker.terms import Inherited
from worker.toolbox import Toolbox

AGENTS = Path(__file__).parents[2] / "agents"


class Panic(BaseException):
    """What a library written in another language raises."""


@pytest.mark.parametrize(
    "raised",
    [Panic("card 4711-0815"), BaseExceptionGroup("card 4711-0815", [Panic("card 4711-0815")])],
)
async def test_what_is_no_ordinary_exception_ends_its_call_alone(
    raised: BaseException,
    redis: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def panic(*_: object) -> None:
        raise raised

    monkeypatch.setattr(estate, "inherit", panic)
    agents, _ = load_folder(AGENTS)
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(await is_up(bus))
        claim = await claimed(registry)
        await Session(Means(bus, registry, Settings(), Toolbox()), claim, agents["default"]).run()
        await bus.flush()
        call = await registry.call("CA1")
        log = [entry for _, entry in await Archive(bus).log("CA1")]

        assert await registry.live() == 0
    assert call
    assert (call.state, call.cause) == (State.ENDED, "internal error")
    assert log[1:] == [Trouble("worker", "Panic", fatal=True), Over("internal error")]
    (failed,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert vars(failed)["reason"].startswith("Panic")
    assert "4711-0815" not in caplog.text


async def test_a_call_that_rings_again_waits_for_a_new_phone_though_its_hash_tells_of_the_old(
    redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(await is_up(bus))
        former = await claimed(registry)
        registry.door.attach("CA1", "MZ1")
        registry.close(former, Cause.TRANSFERRED, "+15557654321")
        name = bus.call_key("CA1")
        of_before = await bus.link.ask("HGETALL", name)
        registry.finish(former, ["MZ1"], keep_for_s=60)
        claim = await claimed(registry)
        await bus.link.ask("HSET", name, *of_before)  # as if its dispatch were not written yet
        phones = await phones_until_the_agent_refuses(registry, bus, claim, caplog)

    assert not claim.is_takeover
    assert b"MZ1" in of_before
    assert phones == []


async def test_a_former_owner_is_not_heard_any_more_once_what_he_said_is_read(
    redis: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(await is_up(bus))
        former = await claimed(registry)
        registry.door.attach("CA1", "MZ1")
        down = bus.down("CA1", "MZ1")
        down.send(f"{former.epoch}-1", Owned("worker-1", former.epoch))
        await bus.flush()
        claim = await registry.claim(takeover_after_ms=0)
        assert claim

        async def before_he_wakes(*what: Any) -> Inherited:
            inherited = await inherit(*what)
            down.send(f"{former.epoch}-2", Audio(b"\x20" * 160))
            await bus.flush()
            return inherited

        monkeypatch.setattr(estate, "inherit", before_he_wakes)
        await phones_until_the_agent_refuses(registry, bus, claim, caplog)
        said = await Archive(bus).tail_down("CA1", "MZ1", 9)

    assert not any(isinstance(each, Audio) for each in said)
    assert Owned("worker-1", claim.epoch) in said


async def test_a_call_of_yesterday_is_not_made_to_look_alive_by_who_claims_it(redis: str) -> None:
    rang_ms = int((time.time() - 3600) * 1000)
    ringing = Ringing("CA1", "+15550001111", "+15550002222")
    claim = Claim(f"{rang_ms}-0", ringing, rang_ms, is_takeover=True)
    agents, _ = load_folder(AGENTS)
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(await is_up(bus))
        registry.door.attach("CA1", "MZ1")
        up = bus.up("CA1", "MZ1")
        up.send("1-0", Audio(b"\xff" * 160))
        await bus.flush()
        written = await bus.link.ask("DUMP", up.key)
        await bus.link.ask("RESTORE", up.key, 0, written, "REPLACE", "IDLETIME", 3000)
        async with asyncio.timeout(5):
            means = Means(bus, registry, Settings(), Toolbox())
            await Session(means, claim, agents["default"]).run()
        call = await registry.call("CA1")

    assert call
    assert call.cause == Cause.PHONE_LOST


async def test_a_transferred_call_is_off_the_list_before_its_phone_is_let_go(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents, _ = load_folder(AGENTS)
    async with open_bus(redis, "worker-1") as bus:
        registry = Registry(await is_up(bus))
        former = await claimed(registry)
        registry.door.attach("CA1", "MZ1")
        journal = bus.journal("CA1", former.epoch)
        journal.write(Taken("worker-1", former.epoch))
        journal.write(Transferring("+15557654321", 0), Ending(Cause.TRANSFERRED, 0))
        await bus.flush()
        claim = await registry.claim(takeover_after_ms=0)
        assert claim
        done: list[str] = []
        monkeypatch.setattr(registry, "finish", lambda *_, **__: done.append("Finished"))
        monkeypatch.setattr(PhoneLine, "send", lambda _, m: done.append(type(m).__name__))
        await Session(Means(bus, registry, Settings(), Toolbox()), claim, agents["default"]).run()
        call = await registry.call("CA1")

    assert call
    assert call.transfer == "+15557654321"
    assert done[-2:] == ["Finished", "Ended"]
    assert done.count("Finished") == 1


async def phones_until_the_agent_refuses(
    registry: Registry, bus: Bus, claim: Claim, caplog: pytest.LogCaptureFixture
) -> list[str]:
    """Serve a call as far as to an agent that is not there. Returns the streams it had then."""
    settings = Settings(deepgram_agent_url=f"ws://127.0.0.1:{free_port()}/")
    agents, _ = load_folder(AGENTS)
    session = Session(Means(bus, registry, settings, Toolbox()), claim, agents["default"])
    running = asyncio.create_task(session.run())
    await until(lambda: "agent refused" in caplog.text)
    streams = list(session.streams)
    session.let_go()
    await running
    return streams


async def claimed(registry: Registry) -> Claim:
    await registry.renew([], places=9, draining=False)
    ringing = Ringing("CA1", "+15550001111", "+15550002222")
    await registry.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
    claim = await registry.claim()
    assert claim
    return claim
