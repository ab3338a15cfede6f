"""Lines that can be said without an agent."""

import pytest

from shared.lines import sound_of


@pytest.mark.parametrize("name", ["apology", "hold"])
def test_a_line_that_comes_with_the_product_is_a_few_seconds_of_sound(name: str) -> None:
    assert 0.5 <= len(sound_of(name)) / 8000 <= 8.0


def test_a_line_is_read_once() -> None:
    assert sound_of("apology") is sound_of("apology")
