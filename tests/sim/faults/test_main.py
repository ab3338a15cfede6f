"""`python -m sim faults`: what is chosen, and what a wrong choice gets."""

import pytest

from sim.faults.main import main, select
from sim.faults.scenario import SCENARIOS


def test_without_a_choice_all_are_played() -> None:
    assert select(None) == list(SCENARIOS.values())


def test_a_beginning_chooses_all_names_that_have_it() -> None:
    names = [each.name for each in select(["redis", "edge-killed"])]

    assert names == ["redis-restarts", "redis-stands-still", "edge-killed"]


def test_a_name_that_there_is_not_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["--only", "flood"])

    assert refusal.value.code == 2
    assert "worker-killed-agent-speaks" in capsys.readouterr().err


def test_every_row_of_the_table_has_a_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert {each.row for each in SCENARIOS.values()} == set(range(1, 13))
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SCENARIOS)
