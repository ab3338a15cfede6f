"""The rooms of the house, and what each knows nothing of. design.md, section 2."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = {
    "shared": {"edge", "worker", "replay", "sim", "starlette", "websockets", "twilio"},
    "edge": {"worker", "replay", "sim", "redis"},
    "worker": {"edge", "replay", "sim", "redis", "starlette", "twilio"},
    "replay": {"edge", "worker", "sim", "redis"},
    "sim": {"edge", "worker"},
}

# A replay's Redis of its own is started as the demo starts its.
MAY = {"replay/scratch.py": {"sim"}}

# Codecs and machines: values in, values out. No clock, no socket, nothing to await.
PURE = [
    "edge/doctor/finding.py",
    "edge/doctor/spellings.py",
    "edge/hold.py",
    "edge/twilio.py",
    "edge/twiml.py",
    "replay/caller.py",
    "replay/exchanges.py",
    "replay/difference.py",
    "replay/playback.py",
    "replay/turns.py",
    "shared/frames.py",
    "shared/keys.py",
    "shared/messages.py",
    "shared/record.py",
    "shared/replayed.py",
    "shared/sound.py",
    "shared/vocabulary.py",
    "worker/changes.py",
    "worker/common.py",
    "worker/cues.py",
    "worker/context.py",
    "worker/conversation.py",
    "worker/deepgram.py",
    "worker/desk.py",
    "worker/digits.py",
    "worker/docstring.py",
    "worker/ear.py",
    "worker/ending.py",
    "worker/functions.py",
    "worker/gate.py",
    "worker/goodbye.py",
    "worker/history.py",
    "worker/injections.py",
    "worker/keypad.py",
    "worker/limit.py",
    "worker/machine.py",
    "worker/oldshape.py",
    "worker/owed.py",
    "worker/phone.py",
    "worker/placeholders.py",
    "worker/playout.py",
    "worker/presence.py",
    "worker/privacy.py",
    "worker/recovery.py",
    "worker/schema.py",
    "worker/speech.py",
    "worker/steering.py",
    "worker/terms.py",
    "worker/timers.py",
    "worker/tools.py",
    "worker/waiting.py",
]
IO = {
    "asyncio",
    "httpx",
    "logging",
    "os",
    "redis",
    "socket",
    "starlette",
    "threading",
    "time",
    "websockets",
}

# Who reads the environment, to hand it to shared.settings or to processes of his own.
READERS = {"edge/cli.py", "replay/main.py", "worker/cli.py"}

MAX_LINES = 400
LONGER = {
    "worker/conversation.py": 630,  # one machine: its rules cannot be read apart from each other
}


def sources(room: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / room).rglob("*.py"))


ALL = [file for room in ROOMS for file in sources(room)]


@cache
def nodes(file: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / file).read_text())))


def imports(file: str) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} imports relatively"
            yield node.module or ""


def roots(file: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


def reads_environ(file: str) -> bool:
    attributes = {node.attr for node in nodes(file) if isinstance(node, ast.Attribute)}
    names = {alias.name for n in nodes(file) if isinstance(n, ast.ImportFrom) for alias in n.names}
    return bool((attributes | names) & {"environ", "environb", "getenv"})


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_nothing_of_what_is_not_its_own(room: str) -> None:
    trespasses = {file: roots(file) & ROOMS[room] - MAY.get(file, set()) for file in sources(room)}

    assert {file: names for file, names in trespasses.items() if names} == {}


def test_only_the_bus_imports_redis() -> None:
    outside = [file for file in sources("shared") if not file.startswith("shared/bus/")]

    assert [file for file in outside if "redis" in roots(file)] == []


@pytest.mark.parametrize("file", PURE)
def test_codecs_and_machines_are_pure(file: str) -> None:
    assert roots(file) & IO == set()
    assert not [n for n in nodes(file) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize("file", PURE)
def test_what_is_pure_leans_on_nothing_of_ours_that_is_not(file: str) -> None:
    ours = {f"{name.replace('.', '/')}.py" for name in imports(file)} & set(ALL)

    assert {each for each in ours if roots(each) & IO} == set()


def test_the_environment_is_read_where_a_process_begins() -> None:
    readers = {file for file in ALL if reads_environ(file)}

    assert {file for file in readers - READERS if not file.startswith("sim/")} == set()


def test_files_are_short() -> None:
    lengths = {file: len((ROOT / file).read_text().splitlines()) for file in ALL}
    too_long = {f: n for f, n in lengths.items() if n > LONGER.get(f, MAX_LINES)}

    assert too_long == {}


def test_what_may_be_longer_still_is() -> None:
    for file in LONGER:
        assert len((ROOT / file).read_text().splitlines()) > MAX_LINES, f"{file} needs no exception"


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
