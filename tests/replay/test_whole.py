"""Files and folders are there whole, or as they were."""

from pathlib import Path
from typing import BinaryIO

import pytest

from replay import whole


def fill(file: BinaryIO) -> None:
    file.write(b"all")


def fail(file: BinaryIO) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


def test_a_file_is_written(tmp_path: Path) -> None:
    whole.write(tmp_path / "a", fill)

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"all")]


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_stopped_half_way_is_as_it_was(tmp_path: Path, before: bytes | None) -> None:
    if before:
        (tmp_path / "a").write_bytes(before)

    with pytest.raises(KeyboardInterrupt):
        whole.write(tmp_path / "a", fail)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_a_folder_takes_its_place_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "new" / "call"

    with whole.folder(place) as draft:
        (draft / "a").write_text("a")
        assert not place.exists()

    assert [path.name for path in place.parent.iterdir()] == ["call"]
    assert (place / "a").read_text() == "a"


def test_a_folder_stopped_half_way_is_not_there(tmp_path: Path) -> None:
    def work() -> None:
        with whole.folder(tmp_path / "call") as draft:
            (draft / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_keeps_what_else_it_has(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "a").write_text("old")

    with whole.folder(tmp_path) as draft:
        (draft / "a").write_text("new")

    told = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert told == {"other": "other", "a": "new"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "call").write_text("")

    with pytest.raises(NotADirectoryError), whole.folder(tmp_path / "call"):
        pass
