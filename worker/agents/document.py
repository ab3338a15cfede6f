"""An agent file as YAML: what it says, and on which line each field stands."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

Where = tuple[str | int, ...]
"""A field, as the steps that lead to it: ("agent", "speak", 1, "provider")."""


# Half of a surrogate pair: YAML can write one, UTF-8 cannot.
_HALF = re.compile("[\ud800-\udfff]")


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
            raise BadAgentFile(f"{path}: is nested too deep, or contains itself") from None
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
            known: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and (key.tag, name) in known:
                    at = f"{self.path}:{line}: {'.'.join(map(str, (*where, name)))}"
                    first = known[key.tag, name]
                    raise BadAgentFile(f"{at}: is there twice, first on line {first}")
                known[key.tag, name] = line
                self._check_keys(value, (*where, name))
        elif isinstance(node, yaml.SequenceNode):
            for number, each in enumerate(node.value):
                self._check_keys(each, (*where, number))

    def must(self, is_good: bool, where: Where, wanted: str) -> None:
        """Refuse the file for what one of its fields holds, if that is not good."""
        if not is_good:
            raise self.fault(where, wanted)

    def fault(self, where: Where, wanted: str) -> BadAgentFile:
        """What is wrong with one of the file's fields, and on which line."""
        name = ".".join(str(step) for step in where)
        place = f"{self.path}:{self._line(where)}"
        return BadAgentFile(f"{place}: {name + ': ' if name else ''}{wanted}")

    def must_know(self, name: Any, known: Sequence[str], where: Where, what: str) -> None:
        """Refuse the file for a name that is not among those known, with the nearest of them."""
        near = get_close_matches(str(name), known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.must(name in known, where, f"{what}{hint}; known: {', '.join(known)}")

    def must_be_json(self, value: Any, where: Where) -> None:
        """YAML knows more than JSON: a date, or a number that is none, could not be sent."""
        if isinstance(value, dict):
            for key, each in value.items():
                self.must(isinstance(key, str), (*where, key), "must be a text: put it in quotes")
                self.must_be_json(each, (*where, key))
        elif isinstance(value, list):
            for number, each in enumerate(value):
                self.must_be_json(each, (*where, number))
        else:
            self.must(_is_json(value), where, "is not JSON: put it in quotes")

    def _line(self, where: Iterable[str | int]) -> int:
        node = self._root
        line = node.start_mark.line if node else 0
        for step in where:
            node, line = _step(node, step, line)
        return line + 1


def _is_json(value: Any) -> bool:
    """Whether a single value can be sent, and read wherever it arrives."""
    match value:
        case str():
            return _HALF.search(value) is None
        case int():
            return abs(value) < 1 << 64
        case float():
            return math.isfinite(value)
    return value is None


def texts_in(value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """Each text in a value, and where it stands."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts_in(each, (*where, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts_in(each, (*where, number))


def _step(node: yaml.Node | None, step: str | int, line: int) -> tuple[yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return node, line  # not in the file as it was written: the nearest place that is
