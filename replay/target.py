"""Where archived calls go: a folder, or whatever else fsspec has a URL for."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from shared.settings import BadSetting


class Target:
    """A folder or object store, by its path or URL.

    Raises:
        BadSetting: If there is no such kind of URL, or a library for it is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            # Here, since what does not archive can do without it.
            from fsspec.core import url_to_fs  # type: ignore[import-untyped] # noqa: PLC0415

            found: tuple[Any, str] = url_to_fs(url)
        except (ImportError, ValueError) as exc:
            raise BadSetting(f"ARCHIVE: {exc}") from None
        self._fs, self._root = found

    def put(self, folder: Path, place: PurePosixPath) -> None:
        """Copy a folder's files to a place, which then has these and no others.

        In a folder of a machine the place has all of them or is not there. An object store
        cannot promise that for the moment in which it renames.

        Raises:
            OSError: If the target cannot be reached or written. Others' stores have other errors.
        """
        final = f"{self._root.rstrip('/')}/{place}"
        draft = f"{self._root.rstrip('/')}/{place.parent}/.{place.name}"
        self._remove(draft)
        self._fs.makedirs(draft, exist_ok=True)
        for file in sorted(folder.iterdir()):
            self._fs.put_file(str(file), f"{draft}/{file.name}")
        self._remove(final)
        self._fs.mv(draft, final, recursive=True)

    def _remove(self, path: str) -> None:
        if self._fs.exists(path):
            self._fs.rm(path, recursive=True)


def draft_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder of this machine in which files are made before they go anywhere."""
    return tempfile.TemporaryDirectory(prefix="holdfast-archive-")
