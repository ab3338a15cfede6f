"""The functions that an agent may call: ours, and the operator's own.

The operator's are plain `async def` functions in a module that the setting TOOLS names:

    from worker.tools import CallInfo, ToolError, tool

    @tool(defer_until_eot=True, filler="One moment, I am looking at the book.")
    async def book_table(day: date, guests: int, info: CallInfo) -> str:
        '''Book a table.

        Args:
            guests: How many people will come.
        '''

What Deepgram is told of one comes from its type hints (`worker.schema`) and its docstring.
"""

import hashlib
import inspect
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, TypeGuard, TypeVar, get_type_hints, overload

from worker.changes import PROMPT, SPEAK, THINK, Change, Pause, Resume, Say, Update, voice
from worker.docstring import Docstring, parse
from worker.keypad import MAX_DIGITS
from worker.schema import BadHint, Kind, Member, described, members_of, object_of

END_CALL = "end_call"
TRANSFER_CALL = "transfer_call"
COLLECT_DIGITS = "collect_digits"

# Deepgram names no deadline for answers; after this long a caller thinks that the line is dead.
DEADLINE_S = 8.0

# What providers of language models take as a function's name.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Where a function bears that it is a tool.
_MARK = "__tool__"


class BadTools(ValueError):
    """Functions that cannot be used: names file, line and what to do."""


class ToolError(Exception):
    """Raised by a function that cannot do what it was asked. Its text is for the agent."""


def _nowhere(_: Change) -> None:
    """Nobody is on the line."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    """The call that a function is run for. A parameter of this type is filled in by us."""

    call_sid: str
    caller: str = field(default="", repr=False)
    called: str = field(default="", repr=False)
    agent: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    idempotency_key: str = field(default="", repr=False)
    """The same for the same request of the same turn, whichever worker runs it."""
    change: Callable[[Change], None] = field(default=_nowhere, repr=False, compare=False)
    """Where the wishes below go: to the call. Outside of one, nowhere.

    One that makes no sense is refused at once, by a TypeError or a ValueError.
    """

    def say(self, text: str) -> None:
        """Have the agent say this, after what it is saying."""
        self.change(Say(text))

    def add_to_prompt(self, text: str) -> None:
        """Append to the agent's prompt. The change outlives this worker, as the next ones do."""
        self.change(Update(PROMPT, text))

    def use_think(self, think: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Put another of Deepgram's `think` blocks in place; it keeps the prompt and the functions
        of the one before, unless it has its own.
        """
        self.change(Update(THINK, json.dumps(think)))

    def use_speak(self, speak: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Put another of Deepgram's `speak` blocks in place."""
        self.change(Update(SPEAK, json.dumps(speak)))

    def use_voice(self, model: str) -> None:
        """Another of Deepgram's voices, such as `aura-2-thalia-en`."""
        self.change(voice(model))

    def pause_recording(self) -> None:
        """Keep nothing of what is said from now on, until `resume_recording`, or the end."""
        self.change(Pause())

    def resume_recording(self) -> None:
        """Keep it again."""
        self.change(Resume())


@dataclass(frozen=True, slots=True)
class Tool:
    """One function of the operator's."""

    name: str
    declaration: dict[str, Any]
    """The function as Deepgram's Settings want it."""
    function: Callable[..., Awaitable[Any]]
    arguments: Kind
    info_names: tuple[str, ...] = ()
    """Its parameters that are given the CallInfo."""
    deadline_s: float = DEADLINE_S
    filler: str = ""
    """What is said to the caller meanwhile, if it takes long."""


@dataclass(frozen=True, slots=True)
class _Options:
    name: str
    deadline_s: float
    filler: str
    defer_until_eot: bool


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str = ...,
    deadline_s: float = ...,
    filler: str = ...,
    defer_until_eot: bool = ...,
) -> Callable[[F], F]: ...


def tool(
    function: F | None = None,
    /,
    *,
    name: str = "",
    deadline_s: float = DEADLINE_S,
    filler: str = "",
    defer_until_eot: bool = False,
) -> F | Callable[[F], F]:
    """Let agents call this function, which stays what it is. Usable with and without arguments.

    Args:
        function: An `async def`: whatever blocks would hold up every call of the worker.
        name: What the agent calls it. Default: its own name.
        deadline_s: Seconds after which it is cancelled, and the agent told so.
        filler: What is said to the caller meanwhile, if it takes long.
        defer_until_eot: Wait until the caller's turn is surely over. For what cannot be undone.

    Raises:
        BadTools: If it is no such function, or an option cannot be used.
    """

    def mark(function: F) -> F:
        called = name or _checked(function).__name__
        _must(_NAME.fullmatch(called) is not None, function, "name: only letters, digits, _ and -")
        _must(0 < deadline_s < math.inf, function, "deadline_s: must be above 0")
        setattr(function, _MARK, _Options(called, deadline_s, filler, defer_until_eot))
        return function

    return mark if function is None else mark(function)


def is_tool(value: object) -> TypeGuard[FunctionType]:
    """Whether `@tool` stands above this function."""
    return isinstance(value, FunctionType) and _MARK in vars(value)


def tool_of(function: Callable[..., Awaitable[Any]]) -> Tool:
    """A function that is a tool, ready to be declared and run.

    Raises:
        BadTools: If its parameters or its docstring do not say what an agent must know.
    """
    options: _Options = getattr(function, _MARK)
    doc = parse(function.__doc__)
    _must(bool(doc.summary), function, "needs a docstring: by it the agent knows when to call it")
    info_names, members = _parameters(function)
    for name in doc.parameters:
        is_there = name in members or name in info_names
        _must(is_there, function, f"has no parameter {name}, which its docstring names")
    arguments = object_of({name: _described(name, each, doc) for name, each in members.items()})
    return Tool(
        name=options.name,
        declaration=_declaration(
            options.name, doc.summary, arguments.schema, deferred=options.defer_until_eot
        ),
        function=function,
        arguments=arguments,
        info_names=info_names,
        deadline_s=options.deadline_s,
        filler=options.filler,
    )


def place_of(function: Callable[..., Any]) -> str:
    """Where a function stands: `file:line: name`."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}: {function.__name__}"


def _checked(function: Any) -> FunctionType:
    """This function, if it can be a tool, as far as that shows before its module is whole."""
    if not isinstance(function, FunctionType):
        raise BadTools(f"@tool: {function!r} is no function; it goes above an `async def`")
    wanted = "must be `async def` (inside: `await asyncio.to_thread(...)` for what blocks)"
    _must(inspect.iscoroutinefunction(function), function, wanted)
    former = function.__globals__.get(function.__qualname__)
    _must(not _is_above(former, function), function, "there is a tool of this name above it")
    return function


def _is_above(former: object, function: FunctionType) -> bool:
    """Whether another tool of this name stands above in the file: it would be lost silently."""
    if not is_tool(former):
        return False
    above, below = former.__code__, function.__code__
    in_same_file = above.co_filename == below.co_filename
    return in_same_file and above.co_firstlineno < below.co_firstlineno


def _must(is_good: bool, function: Callable[..., Any], wanted: str) -> None:
    if not is_good:
        raise BadTools(f"{place_of(function)}: {wanted}")


def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Member]]:
    """A function's parameters: the names of those for the CallInfo, and those for the agent."""
    defaults = _defaults(function)
    try:
        hints = get_type_hints(function, include_extras=True)
        info_names = tuple(name for name in defaults if hints[name] is CallInfo)
        wanted = {name: has for name, has in defaults.items() if name not in info_names}
        return info_names, members_of(hints, wanted)
    except BadHint as bad:
        raise BadTools(f"{place_of(function)}: parameter {bad}") from None
    except (AttributeError, NameError, SyntaxError, TypeError) as exc:
        raise BadTools(f"{place_of(function)}: a type hint cannot be read ({exc})") from None


def _defaults(function: Callable[..., Any]) -> dict[str, bool]:
    """Which parameters there are, and whether each has a default."""
    found = {}
    for name, each in inspect.signature(function).parameters.items():
        is_named = each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        _must(is_named, function, f"parameter {name}: cannot be given by name, as agents do")
        is_typed = each.annotation is not each.empty
        _must(is_typed, function, f"parameter {name}: needs a type hint")
        found[name] = each.default is not each.empty
    return found


def _described(name: str, member: Member, doc: Docstring) -> Member:
    return replace(member, kind=described(member.kind, doc.parameters.get(name, "")))


# -- ours -------------------------------------------------------------------------


def _declaration(
    name: str, description: str, parameters: dict[str, Any], *, deferred: bool = False
) -> dict[str, Any]:
    """A function as Deepgram wants it declared. What cannot be undone is deferred."""
    declared = {"name": name, "description": description, "parameters": parameters}
    return {**declared, "defer_until_eot": True} if deferred else declared


def transfer_call(targets: Iterable[str] = ()) -> dict[str, Any]:
    """The declaration of `transfer_call`: the agent is told names, never numbers."""
    target: dict[str, Any] = {"type": "string", "description": "To whom."}
    names = list(targets)
    if names:
        target["enum"] = names
    return _declaration(
        TRANSFER_CALL,
        "Transfer the caller to a person or a department. Say that you are doing so as well: it "
        "is heard before the caller is transferred.",
        {"type": "object", "properties": {"target": target}, "required": ["target"]},
        deferred=True,
    )


_DIGITS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_DIGITS,
            "description": "How many digits the number has. Leave it out if you do not know: "
            "then # ends the number, or a pause.",
        },
        "sensitive": {
            "type": "boolean",
            "description": "true for what nobody may read later: card numbers, PINs.",
        },
    },
}

BUILT_IN: dict[str, dict[str, Any]] = {
    END_CALL: _declaration(
        END_CALL,
        "End the phone call. Call this when the conversation is over, for example after the "
        "caller has said goodbye. Say a short goodbye as well: it is heard before the line "
        "is closed.",
        {"type": "object", "properties": {}},
        deferred=True,
    ),
    TRANSFER_CALL: transfer_call(),
    COLLECT_DIGITS: _declaration(
        COLLECT_DIGITS,
        "Wait for a number that the caller enters on the keypad of the phone. Ask the caller for "
        "it first.",
        _DIGITS,
    ),
}
"""Declarations of ours by name; in a call, `transfer_call` is declared with its targets."""


# -- what they answer ---------------------------------------------------------------

DONE = '{"ok": true}'
"""The answer of a function that was done, and has nothing to say."""


def failed(why: str) -> str:
    """The answer of a function that did not do what it was asked."""
    return json.dumps({"error": why})


def key_of(call_sid: str, turn: int, name: str, arguments: str) -> str:
    """The idempotency key of a request: the same for what asks for the same.

    The model's own id is no part of it, since a model that asks again gives a new one; nor
    are the order, the spacing and the notation in which it wrote the arguments.
    """
    try:
        value = json.loads(arguments or "{}", parse_float=_number)
        canonical = json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        canonical = arguments  # not JSON: the function will be refused, alike each time
    parts = json.dumps([call_sid, turn, name, canonical])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _number(text: str) -> int | float:
    """4.0 is 4."""
    number = float(text)
    return int(number) if number.is_integer() else number
