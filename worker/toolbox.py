"""The operator's functions: loaded from a module once, and run for calls.

Whatever a function does, what comes of it is a text for the agent: its answer, what is wrong
with the arguments, that it failed, or that it took too long. Only being cancelled passes through.
Nobody waits for a function that will not end.
"""

import asyncio
import importlib
import importlib.util
import logging
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from shared.logs import place
from worker.schema import BadArguments, read_json
from worker.tools import (
    BUILT_IN,
    DONE,
    TRANSFER_CALL,
    BadTools,
    CallInfo,
    Tool,
    ToolError,
    failed,
    is_tool,
    place_of,
    tool_of,
    transfer_call,
)

log = logging.getLogger("worker")

# A function may return what orjson knows besides JSON: dates, dataclasses, Enums; and any keys.
_JSON = orjson.OPT_NON_STR_KEYS

NO_SUCH = "there is no such function"

# Characters of an answer. What is longer fills the model's context and helps no caller; the
# log keeps each answer, and hands it to every agent that takes the call up.
MAX_ANSWER = 8000

# What a function that was cancelled has for its last word: a moment, for it may have none.
GRACE_S = 0.5


class Toolbox:
    """The operator's functions by name.

    Raises:
        BadTools: If two have one name, or one has a name of ours.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self.tools: dict[str, Tool] = {}
        self._running: set[asyncio.Task[str]] = set()
        for each in tools:
            where = place_of(each.function)
            if each.name in BUILT_IN:
                raise BadTools(f"{where}: {each.name} is a function of ours; give it another name")
            if each.name in self.tools:
                other = place_of(self.tools[each.name].function)
                raise BadTools(f"{where}: is called {each.name} like the one at {other}")
            self.tools[each.name] = each

    def declarations(
        self, names: Iterable[str], targets: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """What Deepgram is told of these functions, ours and the operator's.

        Args:
            names: As in an agent file, all of them known.
            targets: To whom `transfer_call` may transfer.
        """
        own = {name: each.declaration for name, each in self.tools.items()}
        known = {**BUILT_IN, TRANSFER_CALL: transfer_call(targets), **own}
        return [known[name] for name in names]

    async def run(self, name: str, arguments: str, info: CallInfo) -> str:
        """Run one of the operator's functions. Returns what the agent is told, of bounded length.

        Args:
            arguments: JSON, as the agent wrote it.
        """
        return _bounded(await self._run(name, arguments, info), name, info)

    async def _run(self, name: str, arguments: str, info: CallInfo) -> str:
        tool = self.tools.get(name)
        if tool is None:
            return failed(NO_SUCH)
        extra = {"call_sid": info.call_sid, "tool": name}
        running = self._start(tool, arguments, info)
        is_in_time = await _ends(running, tool.deadline_s)
        try:
            return running.result()
        except BadArguments as bad:
            log.info("arguments refused", extra=extra)
            return failed(str(bad))
        except ToolError as told:
            return failed(str(told))
        except Escaped as escaped:
            reason = str(escaped)
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 (a bulkhead)
            reason = place(exc)  # the operator's code; or it has no result, since it runs on
        if not is_in_time:
            log.warning("function took too long", extra=extra)
            return failed(f"{name} took too long: whether it was done is not known")
        log.error("function failed", extra={**extra, "reason": reason})
        return failed(f"{name} failed")

    def _start(self, tool: Tool, arguments: str, info: CallInfo) -> asyncio.Task[str]:
        """A task of its own for a function: it may not heed that it is cancelled, or look so."""
        running = asyncio.create_task(_answer(tool, arguments, info), name=f"function:{tool.name}")
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: asyncio.Task[str]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # seen: perhaps nobody waits for it any more


async def _ends(running: asyncio.Task[str], within_s: float) -> bool:
    """Whether a function ends in time. It is cancelled if not, or if we are, and may have a last
    word; then it is left alone, ended or not.
    """
    try:
        _, late = await asyncio.wait({running}, timeout=within_s)
        if late:
            running.cancel()
            await asyncio.wait(late, timeout=GRACE_S)
    except asyncio.CancelledError:
        running.cancel()
        raise
    return not late


class Escaped(Exception):
    """A function raised what would end more than its call. The text is kind and place."""


async def _answer(tool: Tool, arguments: str, info: CallInfo) -> str:
    given = read_json(tool.arguments, arguments)
    try:
        answer = await tool.function(**given, **dict.fromkeys(tool.info_names, info))
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as exc:  # noqa: BLE001 (a task, or a group of them, lets it through)
        raise Escaped(place(exc)) from None
    if answer is None:
        return DONE
    text = answer if isinstance(answer, str) else orjson.dumps(answer, option=_JSON).decode()
    return text.encode(errors="replace").decode()  # half a surrogate pair could not be logged


def _bounded(answer: str, name: str, info: CallInfo) -> str:
    """An answer that is not too long, or the beginning of it, with a word that it is no more."""
    if len(answer) <= MAX_ANSWER:
        return answer
    extra = {"call_sid": info.call_sid, "tool": name, "length": len(answer)}
    log.warning("answer cut", extra=extra)
    note = f" [cut: the answer has {len(answer)} characters, and only its beginning is here]"
    return answer[: MAX_ANSWER - len(note)] + note


# -- loading ------------------------------------------------------------------------


def load(setting: str) -> Toolbox:
    """The functions of a module, named by its file's path or by its dotted name; "": none.

    Raises:
        BadTools: With file and line, if there is one.
    """
    if not setting:
        return Toolbox()
    module = _imported(setting)
    functions = {id(each): each for each in vars(module).values() if is_tool(each)}
    if not functions:
        raise BadTools(f"TOOLS: {setting}: has no function with @tool above it")
    return Toolbox(tool_of(each) for each in functions.values())


def _imported(setting: str) -> ModuleType:
    try:
        if setting.endswith(".py"):
            return _from_file(Path(setting))
        return importlib.import_module(setting)
    except BadTools:
        raise
    except (Exception, SystemExit) as exc:
        raise BadTools(_fault(exc, setting)) from exc


def _from_file(path: Path) -> ModuleType:
    """A module from its file. Modules that lie beside it may be imported by it."""
    if not path.is_file():
        raise BadTools(f"TOOLS: {path}: no such file; give a Python file or a module's name")
    # A name of its own, so that a file called like a library does not stand in its place.
    name = f"operators_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the ending .py says what loads it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


_LOADERS = (__file__, importlib.__file__)


def _fault(exc: BaseException, name: str) -> str:
    """Why a module cannot be imported, and where in it that shows."""
    frames = [
        each
        for each in traceback.extract_tb(exc.__traceback__)
        if each.filename not in _LOADERS and not each.filename.startswith("<frozen ")
    ]
    own = [each for each in frames if each.filename == frames[0].filename]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else f"TOOLS: {name}"
    if isinstance(exc, SyntaxError):
        where = f"{exc.filename}:{exc.lineno}"
    return f"{where}: cannot be imported ({type(exc).__name__}: {exc})"
