"""The faults that are quick enough for the gate; `make faults` plays all of them.

Each has a stack of real processes of its own. They take their time, most of it waiting. So they are
played side by side, and each test looks at what became of one.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sim.faults import rows
from sim.faults.run import Outcome, play
from sim.faults.scenario import SCENARIOS, Scenario
from sim.faults.stage import GATE

assert rows.__all__, "importing the rows registers the scenarios"

SIDE_BY_SIDE = 5

SLACK = 1.6
"""Here they are played beside each other: `make faults` judges the times."""

IN_GATE = [each for each in SCENARIOS.values() if each.in_gate]

Playing = dict[str, asyncio.Task[Outcome]]

pytestmark = [
    pytest.mark.alone,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Playing]:
    folder = tmp_path_factory.mktemp("faults")
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(scenario: Scenario) -> Outcome:
        async with room:
            return await play(scenario, folder / scenario.name, GATE)

    tasks = {each.name: asyncio.create_task(one(each), name=each.name) for each in IN_GATE}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", [each.name for each in IN_GATE])
async def test_what_must_hold_holds(name: str, playing: Playing) -> None:
    outcome = await playing[name]

    print(outcome.finding.measured)
    assert outcome.finding.failures_within(SLACK) == []
