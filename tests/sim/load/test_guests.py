"""Whether others suffer when a call joins or leaves."""

import pytest

from sim.load.guests import around


@pytest.mark.parametrize(
    ("departed", "delay", "found"),
    [
        (9.80, 0.01, "others_before"),
        (9.99, 0.02, "others_at_change"),  # under way when it happened
        (10.10, 0.01, "others_at_change"),
        (10.30, 0.01, None),
        (9.70, 0.01, None),
    ],
)
def test_a_frame_belongs_to_what_happened_while_it_was_under_way(
    departed: float, delay: float, found: str | None
) -> None:
    delays = around([(departed, delay)], [10.0])

    assert [name for name, each in delays.items() if each] == ([found] if found else [])
