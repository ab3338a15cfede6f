"""The part of an agent file that is ours: strict, so that a slip of the pen shows at once.

The fields of `Bridge` are the one place that says what there is: what is checked, what
the schema for editors says and what is told of an unknown field follow from them.
"""

import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from os.path import isfile
from types import UnionType
from typing import Annotated, Any, get_type_hints

from shared.lines import read_line, sound_of
from shared.settings import NUMBER
from worker.agents.document import Document
from worker.toolbox import Toolbox
from worker.tools import BUILT_IN, TRANSFER_CALL

SIP = r"sips?:[^\s<>\"]+@[^\s<>\"]+"

# E.164, or an address of SIP.
_TARGET = re.compile(f"{NUMBER}|{SIP}")
_QUOTED = 'must be a quoted number such as "+15551230000", or sip:name@host'
_NAME = re.compile(r"[^\s{}$]+")

LINES = ("apology", "hold")
"""Those that have a sound."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The part that is ours. All fields are optional in the file."""

    numbers: Annotated[
        tuple[str, ...], "Numbers of yours: whoever calls one of them has this agent."
    ] = field(default=(), repr=False)
    parameters: Annotated[
        dict[str, str],
        "What ${name} in prompt and greeting is for a call that does not bring a parameter name.",
    ] = field(default_factory=dict)
    tools: Annotated[tuple[str, ...], "Functions that the agent may call."] = ()
    protect_greeting: Annotated[
        bool | None,
        'Whether the caller\'s "hello?" leaves the greeting alone. '
        "Not set: on outbound calls only.",
    ] = None
    goodbye: Annotated[
        str, "What is said when the call must end and the agent has no word for it."
    ] = "Goodbye."
    voicemail: Annotated[
        str, "What an answering machine is told on an outbound call. Empty: it is hung up on."
    ] = ""
    transfers: Annotated[
        dict[str, str],
        "To whom transfer_call may transfer: a name for the agent, a phone number or SIP address.",
    ] = field(default_factory=dict, repr=False)
    filler: Annotated[str, "What is said when an answer takes long."] = "One moment, please."
    still_there: Annotated[
        str,
        "What is said when nobody has spoken for idle_s; after the second time the call ends.",
    ] = "Are you still there?"
    last_minute: Annotated[
        str, "What is said a minute before the call has lasted as long as it may (MAX_CALL_S)."
    ] = "We have one more minute."
    idle_s: Annotated[float, "Seconds of silence of both sides; 0: it may last for ever."] = 10.0
    go_on: Annotated[
        str, "What an agent is told that takes up the call where another was cut off."
    ] = "(The line was interrupted for a moment. Please go on where you stopped.)"
    hold: Annotated[str, "The text of hold_sound."] = "One moment, please."
    hold_sound: Annotated[
        str,
        "Mu-law file (8 kHz, no header) that is played when the agent has been gone for two "
        "seconds. Empty: ours.",
    ] = ""
    apology: Annotated[str, "The text of apology_sound."] = (
        "Sorry, something went wrong on our side. Please call again later."
    )
    apology_sound: Annotated[
        str,
        "Mu-law file (8 kHz, no header) that is played when there is no agent. Empty: ours.",
    ] = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What a field of a kind looks like in a file, and in words; and as JSON Schema."""

    types: type | UnionType
    wanted: str
    schema: dict[str, Any]


_FORMS: dict[Any, Form] = {
    str: Form(str, "must be a text", {"type": "string"}),
    float: Form(int | float, "must be a number of seconds", {"type": "number", "minimum": 0}),
    bool | None: Form(bool, "must be true or false", {"type": "boolean"}),
    tuple[str, ...]: Form(
        list, "must be a list of texts", {"type": "array", "items": {"type": "string"}}
    ),
    dict[str, str]: Form(
        dict,
        "must be a mapping of names to texts",
        {"type": "object", "additionalProperties": {"type": "string"}},
    ),
}

FORMS: dict[str, Form] = {name: _FORMS[hint] for name, hint in get_type_hints(Bridge).items()}
"""The form of each field."""


def read_bridge(document: Document, data: Any, toolbox: Toolbox) -> Bridge:
    """The part as it stands in a file. Raises: BadAgentFile."""
    document.must(isinstance(data, dict), ("bridge",), "must be a mapping")
    for key, value in data.items():
        document.must_know(key, list(FORMS), ("bridge", key), "is not known here")
        form = FORMS[key]
        is_flag = isinstance(value, bool)  # which Python takes for a number as well
        is_form = isinstance(value, form.types) and is_flag == (form.types is bool)
        document.must(is_form, ("bridge", key), form.wanted)
    _check_lists(document, data, toolbox)
    _check_mappings(document, data)
    idle_s = data.get("idle_s", 0)
    document.must(idle_s >= 0, ("bridge", "idle_s"), "must not be negative")
    return Bridge(**{**_frozen(data), **_sounds(document, data)})


def _frozen(data: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def _sounds(document: Document, data: dict[str, Any]) -> dict[str, str]:
    """The paths of sounds, which are written as seen from the file."""
    named = (f"{line}_sound" for line in LINES)
    return {key: str(document.path.parent / data[key]) for key in named if data.get(key)}


def read_sounds(document: Document, bridge: Bridge) -> dict[str, bytes]:
    """What each line sounds like: no call waits for a disk, or for a file that is gone by then.

    Raises:
        BadAgentFile
    """
    return {line: _sound(document, bridge, line) for line in LINES}


def _sound(document: Document, bridge: Bridge, line: str) -> bytes:
    key = f"{line}_sound"
    where, path = ("bridge", key), getattr(bridge, key)
    if not path:
        return sound_of(line)
    document.must(isfile(path), where, "no such file")
    try:
        return read_line(path)
    except ValueError as exc:
        raise document.fault(where, str(exc)) from None
    except OSError as exc:
        raise document.fault(where, f"cannot be read ({type(exc).__name__})") from exc


def _check_lists(document: Document, data: dict[str, Any], toolbox: Toolbox) -> None:
    known = [*BUILT_IN, *toolbox.tools]
    for place, name in enumerate(data.get("tools", [])):
        document.must_know(name, known, ("bridge", "tools", place), "no such function")
    for place, number in enumerate(data.get("numbers", [])):
        is_number = isinstance(number, str) and _TARGET.fullmatch(number) is not None
        document.must(is_number, ("bridge", "numbers", place), _QUOTED)


def _check_mappings(document: Document, data: dict[str, Any]) -> None:
    targets = data.get("transfers", {})
    for name, target in targets.items():
        # YAML takes +1555 without quotes for a sum.
        is_target = isinstance(target, str) and _TARGET.fullmatch(target) is not None
        document.must(isinstance(name, str) and is_target, ("bridge", "transfers", name), _QUOTED)
    needs = bool(targets) or TRANSFER_CALL not in data.get("tools", [])
    document.must(needs, ("bridge", "tools"), f"{TRANSFER_CALL} needs targets: `transfers:`")
    for name, value in data.get("parameters", {}).items():
        is_name = isinstance(name, str) and _NAME.fullmatch(name) is not None
        document.must(
            is_name and isinstance(value, str),
            ("bridge", "parameters", name),
            "must be a name, and a text: put it in quotes",
        )


# Where people are reached, and what stands on this machine, is as the file has it now; the
# numbers are no business of a log's.
_OF_NOW = {"numbers", "transfers", "hold", "hold_sound", "apology", "apology_sound"}


def kept(bridge: Bridge) -> str:
    """What a call's log keeps of it, for whoever takes the call over: JSON."""
    return json.dumps({k: v for k, v in asdict(bridge).items() if k not in _OF_NOW})


def restored(text: str, now: Bridge, toolbox: Toolbox) -> Bridge:
    """What was kept of the part with which a call began, and the rest of it as it is now.

    Fields of another version, and functions that are no more, are left out.
    """
    known = {k: v for k, v in json.loads(text).items() if k in FORMS and k not in _OF_NOW}
    tools = (name for name in known.pop("tools", ()) if name in (*BUILT_IN, *toolbox.tools))
    return replace(now, **known, tools=tuple(tools))


def described() -> dict[str, dict[str, Any]]:
    """JSON Schema of each field, with its description."""
    hints = get_type_hints(Bridge, include_extras=True)
    return {
        each.name: {**FORMS[each.name].schema, "description": hints[each.name].__metadata__[0]}
        for each in fields(Bridge)
    }
