"""An agent file as YAML: what it says, and on which line each field stands."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

Where = tuple[str | int, ...]
"""A field, as the steps that lead to it: ("agent", "speak", 1, "provider")."""


class BadAgentFile(ValueError):
    """An agent file that cannot be used: names file, line and field."""


class Document:
    """One file, read.

    Raises:
        BadAgentFile: If it cannot be read, or is no YAML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: Any = None
        self._root: yaml.Node | None = None
        try:
            self._read(path.read_text(encoding="utf-8"))
        except BadAgentFile:
            raise
        except (OSError, UnicodeDecodeError) as exc:
            raise BadAgentFile(f"{path}: cannot be read ({type(exc).__name__})") from exc
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise BadAgentFile(f"{path}{line}: not YAML: {getattr(exc, 'problem', exc)}") from exc
        except RecursionError:
            raise BadAgentFile(f"{path}: is nested too deeply, or in itself") from None
        except ValueError as exc:  # a date that is none
            raise BadAgentFile(f"{path}: not YAML: {exc}") from exc

    def _read(self, text: str) -> None:
        loader = yaml.SafeLoader(text)
        try:
            self._root = loader.get_single_node()
            if self._root is not None:
                self._check_keys(self._root, ())
                self.data = loader.construct_document(self._root)
        finally:
            loader.dispose()

    def _check_keys(self, node: yaml.Node, where: Where) -> None:
        """YAML's reader lets the last of two alike win; the other would be lost without a word."""
        if isinstance(node, yaml.MappingNode):
            known: dict[Any, int] = {}
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else None
                line = key.start_mark.line + 1
                if name is not None and known.setdefault(name, line) != line:
                    place = ".".join(map(str, (*where, name)))
                    at = f"{self.path}:{line}: {place}"
                    raise BadAgentFile(f"{at}: is there twice, first on line {known[name]}")
                self._check_keys(value, (*where, name or "?"))
        elif isinstance(node, yaml.SequenceNode):
            for number, each in enumerate(node.value):
                self._check_keys(each, (*where, number))

    def must(self, is_good: bool, where: Where, wanted: str) -> None:
        """Refuse the file for what one of its fields holds, if that is not good."""
        if not is_good:
            name = ".".join(str(step) for step in where)
            place = f"{self.path}:{self._line(where)}"
            raise BadAgentFile(f"{place}: {name + ': ' if name else ''}{wanted}")

    def must_know(self, name: Any, known: Sequence[str], where: Where, what: str) -> None:
        """Refuse the file for a name that is not among those known, with the nearest of them."""
        near = get_close_matches(str(name), known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.must(name in known, where, f"{what}{hint}; known: {', '.join(known)}")

    def _line(self, where: Iterable[str | int]) -> int:
        node = self._root
        line = node.start_mark.line if node else 0
        for step in where:
            node, line = _step(node, step, line)
        return line + 1


def _step(node: yaml.Node | None, step: str | int, line: int) -> tuple[yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return node, line  # not in the file as it was written: the nearest place that is
