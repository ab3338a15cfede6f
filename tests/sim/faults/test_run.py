"""Scenarios are played side by side or alone, and none takes another with it."""

import asyncio
from pathlib import Path

import pytest

from sim.faults.run import play, run
from sim.faults.scenario import SCENARIOS, Scenario, scenario
from sim.faults.stage import GATE, Stage

playing: set[str] = set()


async def busy(stage: Stage) -> None:
    """Notes how many play at once."""
    playing.add(stage.name)
    stage.finding.figure("at once", len(playing))
    await asyncio.sleep(0.05)
    playing.discard(stage.name)


async def broken(stage: Stage) -> None:
    raise ValueError("no such thing")


async def cancelled(stage: Stage) -> None:
    call = asyncio.create_task(asyncio.sleep(9))
    call.cancel()
    await call


async def endless(stage: Stage) -> None:
    await asyncio.Event().wait()


def made(name: str, play_it: object, *, is_alone: bool = False, limit_s: float = 5.0) -> Scenario:
    return Scenario(name, 1, "", "", play_it, is_alone, limit_s=limit_s)  # type: ignore[arg-type]


async def test_some_are_played_side_by_side_and_some_alone(tmp_path: Path) -> None:
    everything = [made(f"s{n}", busy, is_alone=n >= 4) for n in range(6)]
    found = [each async for each in run(everything, tmp_path, GATE, side_by_side=2)]

    at_once = {each.scenario.name: each.finding.figures["at once"] for each in found}
    assert len(at_once) == 6
    assert max(at_once.values()) == 2
    assert (at_once["s4"], at_once["s5"]) == (1, 1)


async def test_what_raises_fails_alone_and_says_where(tmp_path: Path) -> None:
    both = [made("bad", broken), made("good", busy)]
    outcomes = {each.scenario.name: each async for each in run(both, tmp_path, GATE)}

    assert outcomes["good"].is_good
    (failure,) = outcomes["bad"].finding.failures
    assert failure.startswith("ValueError: no such thing, test_run.py:")


async def test_what_is_cancelled_within_fails_alone_too(tmp_path: Path) -> None:
    outcome = await play(made("lost", cancelled), tmp_path / "lost", GATE)

    assert outcome.finding.failures[0].startswith("something in it was cancelled")


async def test_what_does_not_end_is_ended(tmp_path: Path) -> None:
    outcome = await play(made("endless", endless, limit_s=0.05), tmp_path / "endless", GATE)

    assert outcome.finding.failures[0].startswith("not over after 0 s")


def test_no_two_scenarios_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENARIOS, "busy", made("busy", busy))

    with pytest.raises(AssertionError, match="two scenarios are called busy"):
        scenario(1, "", "")(busy)
