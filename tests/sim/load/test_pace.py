"""How fast a core is, of its best."""

import pytest

from sim.load import pace
from sim.load.pace import Pace, best_s, lap_s


def test_the_best_is_the_fastest_of_many() -> None:
    assert 0 < best_s() <= min(lap_s() for _ in range(20)) * 2


def test_work_that_takes_twice_as_long_is_half_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Pace()
    monkeypatch.setattr(pace, "lap_s", lambda: 2 * best_s())
    seen.look()
    seen.look()

    assert seen.share == pytest.approx(0.5)


def test_a_run_too_short_to_look_says_nothing_against_the_machine() -> None:
    assert Pace().share == 1.0
