"""Scenarios played: several side by side, those whose figures would suffer one after the other."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from sim.faults.finding import Finding
from sim.faults.scenario import Scenario
from sim.faults.stage import Scale, Stage

SIDE_BY_SIDE = 4
"""Each has three or four processes, that wait most of the time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one scenario."""

    scenario: Scenario
    finding: Finding
    seconds: float

    @property
    def is_good(self) -> bool:
        return not self.finding.failures


async def play(
    scenario: Scenario, folder: Path, scale: Scale, keep_in: Path | None = None
) -> Outcome:
    """Play one scenario in a folder of its own. What goes wrong in it is in its finding."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    stage = Stage(scenario.name, folder, scale, keep_in)
    since, limit_s = time.monotonic(), scenario.limit_s + scale.patience_s
    try:
        async with asyncio.timeout(limit_s):
            await scenario.play(stage)
    except TimeoutError as exc:
        late = time.monotonic() - since >= limit_s
        what = f"not over after {limit_s:.0f} s" if late else "waited in vain"
        stage.finding.fail(f"{what}, {_where(exc)}")
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        stage.finding.fail(f"something in it was cancelled, {_where(exc)}")
    except Exception as exc:  # noqa: BLE001 (a bulkhead: one scenario's fault is its own)
        first = _first(exc)
        stage.finding.fail(f"{type(first).__name__}: {first}, {_where(exc)}")
    return Outcome(scenario, stage.finding, time.monotonic() - since)


async def run(
    scenarios: Iterable[Scenario],
    folder: Path,
    scale: Scale,
    keep_in: Path | None = None,
    side_by_side: int = SIDE_BY_SIDE,
) -> AsyncIterator[Outcome]:
    """Play them all; outcomes come as they are known."""
    everything = list(scenarios)
    room = asyncio.Semaphore(side_by_side)

    async def one(scenario: Scenario) -> Outcome:
        async with room:
            return await play(scenario, folder / scenario.name, scale, keep_in)

    together = [
        asyncio.create_task(one(each), name=each.name) for each in everything if not each.is_alone
    ]
    try:
        for done in asyncio.as_completed(together):
            yield await done
        for scenario in everything:
            if scenario.is_alone:
                yield await one(scenario)
    finally:
        for task in together:
            task.cancel()
        await asyncio.gather(*together, return_exceptions=True)


def _first(exc: BaseException) -> BaseException:
    """The exception itself, of a group the first."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _where(exc: BaseException) -> str:
    """The place in a scenario at which it broke off."""
    frames = traceback.extract_tb(exc.__traceback__)
    ours = [frame for frame in frames if "sim/faults/rows" in frame.filename.replace("\\", "/")]
    frame = (ours or list(frames))[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} ({frame.line})"
