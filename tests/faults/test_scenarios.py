"""The faults that are quick enough for the gate; `make faults` plays all of them.

Each has a stack of real processes of its own. They take their time, most of it waiting. So most
are played side by side, and each test looks at what became of one.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sim.faults import rows
from sim.faults.run import Outcome, run
from sim.faults.scenario import SCENARIOS
from sim.faults.stage import GATE

assert rows.__all__, "importing the rows registers the scenarios"

SIDE_BY_SIDE = 5

SLACK = 1.6
"""Here most are played beside each other: `make faults` judges the times."""

IN_GATE = [each for each in SCENARIOS.values() if each.in_gate]

Outcomes = dict[str, asyncio.Future[Outcome]]

pytestmark = [
    pytest.mark.alone,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outcomes]:
    folder = tmp_path_factory.mktemp("faults")
    outcomes: Outcomes = {each.name: asyncio.Future() for each in IN_GATE}

    async def play_all() -> None:
        async for outcome in run(IN_GATE, folder, GATE, side_by_side=SIDE_BY_SIDE):
            outcomes[outcome.scenario.name].set_result(outcome)

    playing = asyncio.create_task(play_all())
    yield outcomes
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


@pytest.mark.parametrize("name", [each.name for each in IN_GATE])
async def test_what_must_hold_holds(name: str, outcomes: Outcomes) -> None:
    outcome = await outcomes[name]

    print(outcome.finding.measured)
    assert outcome.finding.failures_within(SLACK) == []
