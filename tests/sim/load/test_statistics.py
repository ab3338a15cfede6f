"""Many measurements in five numbers."""

from sim.load.statistics import Spread, spread


def test_percentiles_are_values_that_were_measured() -> None:
    assert spread([n / 1000 for n in range(1, 101)]) == Spread(100, 50, 95, 99, 100)


def test_one_value_is_all_of_them() -> None:
    assert spread([0.0015]) == Spread(1, 1.5, 1.5, 1.5, 1.5)


def test_order_does_not_matter() -> None:
    assert spread([0.003, 0.001, 0.002]) == spread([0.001, 0.002, 0.003])


def test_nothing_measured_is_a_count_of_none() -> None:
    assert spread([]) == Spread(count=0)
