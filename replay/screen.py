"""What a command says to whoever runs it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Commands(Protocol):
    """Where a command adds its parser: what argparse's `add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...  # noqa: A002


def tell(text: str) -> None:
    """A line of what was asked for."""
    sys.stdout.write(f"{text}\n")


def warn(text: str) -> None:
    """A line that is not part of it."""
    sys.stderr.write(f"replay: {text}\n")


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items; on a terminal, with a bar that tells how far it is. The image has none."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        yield from items
        return
    yield from tqdm(items, unit=f" {what}", leave=False, disable=None)


def is_agreed(question: str) -> bool | None:
    """What a person answers; None where there is nobody to ask."""
    if not sys.stdin.isatty():
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
