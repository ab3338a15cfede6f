"""The operator's functions: loaded, declared, and run so that nothing but a text comes of it."""

import asyncio
import contextlib
import gc
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.toolbox import Toolbox, load
from worker.tools import BadTools, CallInfo, ToolError, tool, tool_of

INFO = CallInfo("CA1", "+15550100", "+15550199", "default", {"name": "Ann"}, "key")

Write = Callable[..., Path]


def toolbox(*functions: Callable[..., Any]) -> Toolbox:
    return Toolbox(tool_of(each) for each in functions)


async def answer(function: Callable[..., Any], arguments: str = "{}") -> str:
    """What an agent is told that calls this function."""
    box = toolbox(function)
    (name,) = box.tools
    return await box.run(name, arguments, INFO)


@tool
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


# -- run ----------------------------------------------------------------------


async def test_a_function_is_run_with_what_the_agent_gives() -> None:
    assert await answer(add, '{"a": 2, "b": "3"}') == "5"
    assert await answer(add, '{"a": 2}') == "3"


async def test_an_answer_that_is_too_long_is_cut_and_says_so() -> None:
    @tool
    async def read() -> str:
        """Read all of it."""
        return "x" * 9000

    @tool
    async def complain() -> str:
        """Complain at length."""
        raise ToolError("y" * 9000)

    told, complaint = await answer(read), await answer(complain)

    assert len(told) == len(complaint) == 8000
    assert told.endswith("x [cut: the answer has 9000 characters, and only its beginning is here]")
    assert complaint.endswith("and only its beginning is here]")


async def test_an_answer_of_just_that_length_is_whole() -> None:
    @tool
    async def read() -> str:
        """Read all of it."""
        return "x" * 8000

    assert await answer(read) == "x" * 8000


async def test_the_call_is_filled_in_and_not_declared() -> None:
    @tool
    async def who(about: CallInfo) -> str:
        """Tell who calls."""
        return f"{about.caller} {about.idempotency_key}"

    assert toolbox(who).declarations(["who"])[0]["parameters"]["properties"] == {}
    assert await answer(who) == "+15550100 key"
    assert await answer(who, '{"about": {}}') == (
        '{"error": "arguments: has a member that is not known; known: none"}'
    )


class Place(Enum):
    INSIDE = "inside"


@dataclass
class Booking:
    day: date
    place: Place


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, '{"ok": true}'),
        (3, "3"),
        ([1, "b", None], '[1,"b",null]'),
        ({"é": True}, '{"é":true}'),
        (Booking(date(2026, 5, 31), Place.INSIDE), '{"day":"2026-05-31","place":"inside"}'),
        ("half \ud800", "half ?"),
    ],
)
async def test_what_a_function_returns_is_a_text(value: Any, told: str) -> None:
    @tool
    async def function() -> Any:
        """Do it."""
        return value

    assert await answer(function) == told


async def test_arguments_that_cannot_be_used_are_told_and_the_function_does_not_run() -> None:
    assert await answer(add, '{"a": "x"}') == '{"error": "a: must be a whole number"}'
    assert await answer(add, "{}") == '{"error": "a: is missing"}'
    assert await answer(add, "{") == '{"error": "arguments: must be JSON"}'


async def test_there_is_no_other_function() -> None:
    assert await toolbox(add).run("sub", "{}", INFO) == '{"error": "there is no such function"}'


@tool
async def refuse() -> None:
    """Do it."""
    raise ToolError("nothing is free that evening")


@tool
async def crash() -> None:
    """Do it."""
    raise ValueError("card 4711-0815")


@tool
async def leave() -> None:
    """Do it."""
    sys.exit("card 4711-0815")


class Panic(BaseException):
    """What a library written in another language raises."""


@tool
async def panic() -> None:
    """Do it."""
    raise Panic("card 4711-0815")


@tool
async def interrupt() -> None:
    """Do it."""
    raise BaseExceptionGroup("card 4711-0815", [KeyboardInterrupt(), asyncio.CancelledError()])


@tool
async def give_an_object() -> object:
    """Do it."""
    return object()


@tool
async def await_what_is_cancelled() -> None:
    """Do it."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@tool
async def time_out_inside() -> None:
    """Do it."""
    raise TimeoutError("card 4711-0815")


async def test_a_function_says_to_the_agent_why_it_does_not() -> None:
    assert await answer(refuse) == '{"error": "nothing is free that evening"}'


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (crash, "ValueError"),
        (leave, "SystemExit"),
        (panic, "Panic"),
        (interrupt, "BaseExceptionGroup"),
        (give_an_object, "TypeError"),
        (await_what_is_cancelled, "CancelledError"),
        (time_out_inside, "TimeoutError"),
    ],
)
async def test_a_failure_is_an_answer_and_its_text_is_told_to_nobody(
    function: Callable[..., Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (name,) = toolbox(function).tools

    assert await answer(function) == json.dumps({"error": f"{name} failed"})

    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.ERROR, "function failed")
    assert vars(line)["tool"] == name
    assert vars(line)["call_sid"] == "CA1"
    assert vars(line)["reason"].startswith(f"{kind} at ")
    assert ".py:" in vars(line)["reason"]
    assert "4711-0815" not in str(vars(line))


async def test_refused_arguments_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await answer(add, '{"a": "card 4711-0815"}')

    assert caplog.messages == ["arguments refused"]
    assert "4711-0815" not in str([vars(each) for each in caplog.records])


# -- time ---------------------------------------------------------------------


async def test_a_function_that_takes_too_long_is_cancelled_and_the_agent_told() -> None:
    was_cancelled = asyncio.Event()

    @tool(deadline_s=0.05)
    async def slow() -> None:
        """Do it."""
        try:
            await asyncio.sleep(999)
        finally:
            was_cancelled.set()

    began = time.monotonic()
    told = json.loads(await answer(slow))

    assert told == {"error": "slow took too long: whether it was done is not known"}
    assert was_cancelled.is_set()
    assert time.monotonic() - began >= 0.05


async def test_functions_run_beside_each_other() -> None:
    first_waits, second_runs = asyncio.Event(), asyncio.Event()

    @tool
    async def first() -> None:
        """Do it."""
        first_waits.set()
        await second_runs.wait()

    @tool
    async def second() -> None:
        """Do it."""
        await first_waits.wait()
        second_runs.set()

    box = toolbox(first, second)

    assert await asyncio.gather(*(box.run(each, "{}", INFO) for each in box.tools)) == [
        '{"ok": true}',
        '{"ok": true}',
    ]


@tool
async def wait() -> None:
    """Do it."""
    await asyncio.sleep(999)


@tool
async def wait_and_complain() -> None:
    """Do it."""
    try:
        await asyncio.sleep(999)
    except asyncio.CancelledError as exc:
        raise asyncio.CancelledError("card 4711-0815") from exc


@pytest.mark.parametrize("function", [wait, wait_and_complain])
async def test_being_cancelled_passes_through(function: Callable[..., Any]) -> None:
    run = asyncio.create_task(answer(function))
    await asyncio.sleep(0.01)  # until it waits
    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run


async def gives_up_on_a_child() -> None:
    """Fail in a child, and go on: some versions of Python leave the task looking cancelled."""

    async def child() -> None:
        await asyncio.sleep(0)
        raise ValueError

    with contextlib.suppress(BaseExceptionGroup):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child())


async def test_a_function_that_gave_up_on_a_child_has_its_deadline_all_the_same() -> None:
    @tool(deadline_s=0.05)
    async def slow() -> None:
        """Do it."""
        await gives_up_on_a_child()
        await asyncio.sleep(999)

    told = json.loads(await answer(slow))

    assert told == {"error": "slow took too long: whether it was done is not known"}


async def test_a_function_that_gave_up_on_a_child_and_is_cancelled_within_has_failed() -> None:
    @tool
    async def lost() -> None:
        """Do it."""
        await gives_up_on_a_child()
        raise asyncio.CancelledError

    assert json.loads(await answer(lost)) == {"error": "lost failed"}


async def test_a_function_that_will_not_be_cancelled_has_its_answer_given() -> None:
    @tool(deadline_s=0.02)
    async def stubborn() -> str:
        """Do it."""
        try:
            await asyncio.sleep(999)
        except asyncio.CancelledError:
            return "done all the same"
        return ""

    assert await answer(stubborn) == "done all the same"


class Deaf:
    """A function that goes on when it is cancelled, until it is let go."""

    def __init__(self) -> None:
        self.may_end, self.has_begun, self.has_ended = (asyncio.Event() for _ in range(3))

    async def run(self) -> None:
        self.has_begun.set()
        while not self.may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.may_end.wait()
        self.has_ended.set()
        raise ValueError("card 4711-0815")


async def test_a_function_that_does_not_heed_its_deadline_is_not_waited_for() -> None:
    deaf = Deaf()

    @tool(deadline_s=0.02)
    async def slow() -> None:
        """Do it."""
        await deaf.run()

    async with asyncio.timeout(5):
        told = json.loads(await answer(slow))
    assert not deaf.has_ended.is_set()
    deaf.may_end.set()

    assert told == {"error": "slow took too long: whether it was done is not known"}
    await asyncio.wait_for(deaf.has_ended.wait(), 5)


async def test_one_that_does_not_heed_that_it_is_cancelled_is_not_waited_for() -> None:
    deaf = Deaf()

    @tool
    async def slow() -> None:
        """Do it."""
        await deaf.run()

    run = asyncio.create_task(answer(slow))
    await deaf.has_begun.wait()
    run.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await run
    assert not deaf.has_ended.is_set()
    deaf.may_end.set()

    await asyncio.wait_for(deaf.has_ended.wait(), 5)


async def test_what_becomes_of_one_that_nobody_waits_for_is_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deaf = Deaf()

    @tool(deadline_s=0.02)
    async def slow() -> None:
        """Do it."""
        await deaf.run()

    await answer(slow)
    deaf.may_end.set()
    await asyncio.wait_for(deaf.has_ended.wait(), 5)
    await asyncio.sleep(0)
    gc.collect()

    assert caplog.messages == ["function took too long"]


# -- declared -----------------------------------------------------------------


def test_what_an_agent_file_names_is_declared_in_its_order() -> None:
    declared = toolbox(add).declarations(["end_call", "add", "transfer_call"], {"host": "+1555"})

    assert [each["name"] for each in declared] == ["end_call", "add", "transfer_call"]
    assert declared[2]["parameters"]["properties"]["target"]["enum"] == ["host"]


def test_an_empty_toolbox_has_what_is_ours() -> None:
    assert [each["name"] for each in Toolbox().declarations(["collect_digits"])] == [
        "collect_digits"
    ]
    assert Toolbox().tools == {}


@pytest.mark.parametrize("name", ["end_call", "transfer_call", "collect_digits"])
def test_a_name_of_ours_is_taken(name: str) -> None:
    @tool(name=name)
    async def function() -> None:
        """Do it."""

    with pytest.raises(BadTools, match=rf"test_toolbox.py:\d+: function: {name} is .* of ours"):
        toolbox(function)


def test_two_of_one_name_are_refused() -> None:
    @tool(name="add")
    async def other() -> None:
        """Do it."""

    with pytest.raises(BadTools, match=r"py:\d+: other: is called add like the one at .*py:\d+"):
        toolbox(add, other)


# -- loaded -------------------------------------------------------------------

GOOD = '''
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.tools import CallInfo, tool

@tool
async def greet(guest: Guest, info: CallInfo) -> str:
    """Greet a guest."""
    return f"Hello {guest.name}"

again = greet

@dataclass
class Guest:  # below the function that takes it
    name: str
    at: Place

class Place(StrEnum):
    INSIDE = "inside"
'''


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Write]:
    """Writes a module; what was imported from there is forgotten afterwards."""

    def write(text: str, name: str = "shop.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    paths, modules = list(sys.path), set(sys.modules)
    yield write
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        del sys.modules[name]


async def test_a_file_is_loaded(module: Write) -> None:
    box = load(str(module(GOOD)))

    assert list(box.tools) == ["greet"]
    arguments = '{"guest": {"name": "Ann", "at": "inside"}}'
    assert await box.run("greet", arguments, INFO) == "Hello Ann"


def test_a_module_is_loaded_by_its_name(module: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(module(GOOD).parent))

    assert list(load("shop").tools) == ["greet"]


def test_a_file_may_be_called_like_a_library(module: Write) -> None:
    assert list(load(str(module(GOOD, "asyncio.py"))).tools) == ["greet"]
    assert sys.modules["asyncio"] is asyncio


def test_a_file_may_import_what_lies_beside_it(module: Write) -> None:
    module(GOOD, "dishes_of_ours.py")

    assert list(load(str(module("from dishes_of_ours import greet\n"))).tools) == ["greet"]


def test_no_setting_is_no_functions() -> None:
    assert load("").tools == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", r"^TOOLS: .*shop.py: has no function with @tool above it$"),
        ("x = 1\nx = (\n", r"shop.py:2: cannot be imported \(SyntaxError"),
        ("\nimport nowhere_at_all\n", r"shop.py:2: cannot be imported \(ModuleNotFoundError"),
        ("def f():\n    1 / 0\n\nf()\n", r"shop.py:2: cannot be imported \(ZeroDivisionError"),
        ("import json\njson.loads('{')\n", r"shop.py:2: cannot be imported \(JSONDecodeError"),
        ("import sys\nsys.exit(3)\n", r"shop.py:2: cannot be imported \(SystemExit: 3"),
        (
            "from worker.tools import tool\n@tool\ndef f():\n    '''Do it.'''\n",
            r"^[^ ]*shop.py:2: f: must be `async def`",
        ),
        (
            "from worker.tools import tool\n@tool\nasync def f(a):\n    '''Do it.'''\n",
            r"^[^ ]*shop.py:2: f: parameter a: needs a type hint$",
        ),
        (
            "from worker.tools import tool\n" + "@tool\nasync def f():\n    '''Do it.'''\n" * 2,
            r"^[^ ]*shop.py:5: f: there is a tool of this name above it$",
        ),
    ],
)
def test_a_module_that_cannot_be_used_is_refused_with_its_place(
    text: str, told: str, module: Write
) -> None:
    with pytest.raises(BadTools, match=told):
        load(str(module(text)))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("nowhere/shop.py", r"^TOOLS: nowhere/shop.py: no such file; give a Python file"),
        ("nowhere.shop", r"^TOOLS: nowhere.shop: cannot be imported \(ModuleNotFoundError"),
        ("..", r"^TOOLS: ..: cannot be imported"),
    ],
)
def test_a_module_that_is_not_there_is_refused(setting: str, told: str) -> None:
    with pytest.raises(BadTools, match=told):
        load(setting)


def test_a_module_that_failed_is_not_half_there(module: Write) -> None:
    with pytest.raises(BadTools):
        load(str(module("1 / 0\n")))

    assert "operators_shop" not in sys.modules


# -- properties ---------------------------------------------------------------

BOX = toolbox(add, refuse, crash, give_an_object)


@given(
    st.sampled_from([*BOX.tools, "none"]),
    st.text()
    | st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers() | st.text() | st.none()).map(
        json.dumps
    ),
)
def test_whatever_is_asked_for_an_answer_comes(name: str, arguments: str) -> None:
    told = json.loads(asyncio.run(BOX.run(name, arguments, INFO)))

    assert isinstance(told, int) if name == "add" and "error" not in str(told) else told["error"]
