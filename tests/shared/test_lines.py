"""Lines that can be said without an agent."""

from pathlib import Path

from shared.lines import sound_of


def test_the_apology_that_comes_with_the_product_is_a_few_seconds_of_sound() -> None:
    assert 1.0 <= len(sound_of("", "apology")) / 8000 <= 8.0


def test_a_line_of_ones_own_is_the_files_bytes(tmp_path: Path) -> None:
    path = tmp_path / "sorry.ulaw"
    path.write_bytes(b"\x55" * 800)

    assert sound_of(str(path), "apology") == b"\x55" * 800


def test_a_line_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "sorry.ulaw"
    path.write_bytes(b"\x55")
    first = sound_of(str(path), "apology")
    path.unlink()

    assert sound_of(str(path), "apology") is first
