"""The operator's functions: loaded from a module once, and run for calls.

Whatever a function does, what comes of it is a text for the agent: its answer, what is wrong
with the arguments, that it failed, or that it took too long. Only being cancelled passes through.
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


class Toolbox:
    """The operator's functions by name.

    Raises:
        BadTools: If two have one name, or one has a name of ours.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self.tools: dict[str, Tool] = {}
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
        deadline = asyncio.timeout(tool.deadline_s)
        # In a task of its own: a TaskGroup in a function may leave its task looking cancelled.
        running = asyncio.create_task(_answer(tool, arguments, info), name=f"function:{name}")
        try:
            async with deadline:
                return await running
        except BadArguments as bad:
            log.info("arguments refused", extra=extra)
            return failed(str(bad))
        except ToolError as told:
            return failed(str(told))
        except asyncio.CancelledError as exc:
            if _is_cancelled():
                raise
            reason = place(exc)  # something inside the function was cancelled, we were not
        except Escaped as escaped:
            reason = str(escaped)
        except Exception as exc:  # noqa: BLE001 (the operator's code: a bulkhead)
            reason = place(exc)
        if deadline.expired():
            log.warning("function took too long", extra=extra)
            return failed(f"{name} took too long: whether it was done is not known")
        log.error("function failed", extra={**extra, "reason": reason})
        return failed(f"{name} failed")


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


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
