"""Files and folders that are there whole, or as they were before.

Both are written under another name beside their place and then renamed, and a
draft goes however its writing ends.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path
from typing import BinaryIO


def write(path: Path, fill: Callable[[BinaryIO], None]) -> Path:
    """Write a file. Raises: OSError."""
    draft = _draft(path)
    try:
        with draft.open("wb") as file:
            fill(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A folder to write files into, which takes its place when the block ends well.

    Where there is a folder already, the files join or replace those that it has.

    Raises:
        OSError
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(EEXIST, "is there already, and no folder", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        draft.mkdir()
        yield draft
        if path.exists():
            for file in sorted(draft.iterdir()):
                file.replace(path / file.name)
        else:
            draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(path: Path) -> Path:
    absolute = path.absolute()
    return absolute.with_name(f".{absolute.name}.{os.getpid()}")
