r"""What a replayed call must be like: YAML, beside the bundle that it is about.

    calls: [book, {name: book, arguments: {day: Monday}}]   functions that must be asked for;
                                                            arguments: those that must be among them
    calls_not: [transfer_call]                              functions that must not be
    says: [saturday, 'ten (o.clock|am)']                    regular expressions, each to be found in
    says_not: [sorry]                                       what the agent says; case does not count
    answers_within_ms: 1500                                 each answer, from the confirmed words
    never_interrupts: true                                  it does not speak over the caller
    answers_all: true                                       no utterance is left without an answer
    ends: agent ended the call                              why the call ends

All of them are optional; a file that expects nothing is an error.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from replay.errors import Unable
from replay.exchanges import Exchange, exchanges
from replay.line import Replayed
from replay.report import cause
from replay.timeline import Timeline, timeline

# The agent and the caller may meet by so much: an onset is noticed late, a turn's end guessed.
OVERLAP_MS = 300


class BadExpectations(Unable):
    """A file that does not say what can be expected: names file and key."""


@dataclass(frozen=True, slots=True)
class Called:
    """A function that is to be asked for, with at least these arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What one call must be like. See the module."""

    calls: tuple[Called, ...] = ()
    calls_not: tuple[Called, ...] = ()
    says: tuple[str, ...] = ()
    says_not: tuple[str, ...] = ()
    answers_within_ms: int | None = None
    never_interrupts: bool = False
    answers_all: bool = False
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation, and whether it was met."""

    what: str
    is_met: bool


def load(path: Path) -> Expectations:
    """The expectations in a file. Raises: BadExpectations, OSError."""
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadExpectations(f"{path}: not YAML") from None
    if not isinstance(data, dict) or not data:
        raise BadExpectations(f"{path}: must be a mapping of what is expected")
    known = {each.name for each in fields(Expectations)}
    values = {}
    for key, value in data.items():
        if key not in known:
            raise BadExpectations(f"{path}: {key}: is not known; known: {', '.join(sorted(known))}")
        try:
            values[key] = _READERS[key](value)
        except (TypeError, ValueError, re.error):
            raise BadExpectations(f"{path}: {key}: {_WANTED[key]}") from None
    return Expectations(**values)


def judge(expected: Expectations, replayed: Replayed) -> list[Finding]:
    """Which expectations a call has met."""
    call = timeline(replayed.recording)
    turns = exchanges(entry for _, entry in replayed.recording.log)
    said = " ".join(turn.agent for turn in turns)
    found = [Finding(f"calls {_named(each)}", _is_called(each, turns)) for each in expected.calls]
    found += [
        Finding(f"does not call {_named(each)}", not _is_called(each, turns))
        for each in expected.calls_not
    ]
    found += [Finding(f"says /{each}/", _is_said(each, said)) for each in expected.says]
    found += [
        Finding(f"does not say /{each}/", not _is_said(each, said)) for each in expected.says_not
    ]
    found += _timely(expected, turns)
    if expected.never_interrupts:
        over = sum(1 for _ in _interruptions(call))
        found.append(Finding(f"never interrupts{_times(over)}", not over))
    if expected.answers_all:
        missed = replayed.unanswered
        found.append(Finding(f"answers all{_times(missed)}", not missed))
    if expected.ends:
        ended = cause(replayed.recording) or "going on"
        is_met = ended == expected.ends
        found.append(
            Finding(f"ends: {expected.ends}{'' if is_met else f' (it was: {ended})'}", is_met)
        )
    return found


def _timely(expected: Expectations, turns: list[Exchange]) -> Iterator[Finding]:
    if expected.answers_within_ms is None:
        return
    latencies = [turn.latency_ms for turn in turns if turn.latency_ms is not None]
    slowest = max(latencies, default=0)
    told = f"answers within {expected.answers_within_ms} ms (the slowest: {slowest} ms)"
    yield Finding(told, bool(latencies) and slowest <= expected.answers_within_ms)


def _interruptions(call: Timeline) -> Iterator[int]:
    """When the agent began to speak in the middle of the caller's words, ms."""
    begun = [span.start_ms for span in call.spans if span.is_heard and not span.is_bridge]
    for turn in call.turns:
        last = turn.end_ms - OVERLAP_MS
        yield from (ms for ms in begun if turn.start_ms + OVERLAP_MS < ms < last)


def _is_called(wanted: Called, turns: list[Exchange]) -> bool:
    asked = (tool for turn in turns for tool in turn.tools if tool.name == wanted.name)
    return any(_has(_read(tool.arguments), wanted.arguments) for tool in asked)


def _read(arguments: str) -> Any:
    """A function's arguments; None if the agent wrote no JSON."""
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return None


def _has(arguments: Any, wanted: dict[str, Any]) -> bool:
    is_mapping = isinstance(arguments, dict)
    return is_mapping and all(arguments.get(name) == value for name, value in wanted.items())


def _is_said(pattern: str, said: str) -> bool:
    return re.search(pattern, said, re.IGNORECASE) is not None


def _named(called: Called) -> str:
    return f"{called.name}({json.dumps(called.arguments)})" if called.arguments else called.name


def _times(count: int) -> str:
    return f" ({count} times it was not so)" if count else ""


# -- reading ------------------------------------------------------------------


def _called(value: Any) -> Called:
    if isinstance(value, str):
        return Called(value)
    called = Called(**value)
    if not isinstance(called.name, str) or not isinstance(called.arguments, dict):
        raise TypeError
    return called


def _pattern(value: Any) -> str:
    re.compile(value)
    return str(value)


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def reader(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError
        return tuple(map(read, value))

    return reader


def _exactly(kind: type) -> Callable[[Any], Any]:
    def reader(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return reader


_FUNCTIONS = "must be a list of functions: names, or {name: ..., arguments: {...}}"
_PATTERNS = "must be a list of regular expressions"

_READERS: dict[str, Callable[[Any], Any]] = {
    "calls": _list_of(_called),
    "calls_not": _list_of(_called),
    "says": _list_of(_pattern),
    "says_not": _list_of(_pattern),
    "answers_within_ms": _exactly(int),
    "never_interrupts": _exactly(bool),
    "answers_all": _exactly(bool),
    "ends": _exactly(str),
}
_WANTED = {
    "calls": _FUNCTIONS,
    "calls_not": _FUNCTIONS,
    "says": _PATTERNS,
    "says_not": _PATTERNS,
    "answers_within_ms": "must be a whole number",
    "never_interrupts": "must be true or false",
    "answers_all": "must be true or false",
    "ends": "must be a text",
}
