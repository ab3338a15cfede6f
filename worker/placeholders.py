"""What stands in braces: `${from}` of a call, `${env:NAME}` of this machine.

A call's values are filled in when its Settings are rendered, the environment's only when
they are sent: the log, recordings and bundles have the names. What a call brings is data:
where it looks like `${env:NAME}`, rendering marks it, so that sending leaves it alone.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")

ENV = "env:"
_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*|\$)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# `${env:$}` is a dollar sign: what follows it is text.
_OPEN, _MARKED = "${env:", "${env:$}{env:"


def render(text: str, values: Mapping[str, str]) -> str:
    """A text for a call; `${env:NAME}` stays for `filled`, and so do names without a value."""
    pieces = groupby(_pieces(text, values), key=lambda piece: piece[0])
    # Whole runs: values that stand side by side must not make a placeholder together.
    runs = ((is_env, "".join(each for _, each in run)) for is_env, run in pieces)
    return "".join(run if is_env else literal(run) for is_env, run in runs)


def _pieces(text: str, values: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    """(Whether it is one of the environment's placeholders, text)."""
    end = 0
    for match in PLACEHOLDER.finditer(text):
        yield False, text[end : match.start()]
        is_env = match[1].startswith(ENV)
        yield is_env, match[0] if is_env else values.get(match[1], match[0])
        end = match.end()
    yield False, text[end:]


def literal(text: str) -> str:
    """A text that is sent as it stands, whatever it looks like."""
    return text.replace(_OPEN, _MARKED)


def filled(settings: str, environ: Mapping[str, str]) -> str:
    """A rendered Settings message as it is sent: with the values of the environment."""
    if _OPEN not in settings:
        return settings

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else environ.get(match[1], match[0])

    return json.dumps(_mapped(json.loads(settings), lambda text: _ENV.sub(value, text)))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each of its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    return value


def names_in(text: str) -> tuple[list[str], list[str]]:
    """Names of a call's values in a text, and of the environment's, as they are written."""
    names = PLACEHOLDER.findall(text)
    env = [name.removeprefix(ENV) for name in names if name.startswith(ENV)]
    return [name for name in names if not name.startswith(ENV)], env


def is_variable(name: str) -> bool:
    """Whether the environment can have a variable of this name."""
    return _NAME.fullmatch(name) is not None
