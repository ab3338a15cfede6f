"""What may go wrong with an agent service, on demand; all of it off by default.

A fault is set for a whole server, or for one connection by an API key that names it:
`fault-401`, `fault-drop=true,after_turn=2`. Some faults colour a whole session. Others end it,
at the moment at which all of `after_s`, `after_turn` and `during_speech` hold that are set; with
none of them set, at once. With `first` they befall the first connections of a server only, so
that a client which tries again finds a healthy service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

KEY_PREFIX = "fault-"


class BadFault(ValueError):
    """There is no such fault, or it does not take such a value."""


@dataclass(frozen=True, slots=True)
class Fail:
    """End a session with an Error frame and close 1000."""

    code: str
    description: str = "on demand"


@dataclass(frozen=True, slots=True)
class Close:
    """End a session with this close code."""

    code: int


@dataclass(frozen=True, slots=True)
class Drop:
    """End a session by aborting the TCP connection: the client sees 1006."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Stop reading and answering, pings too, and leave the TCP connection open."""


End = Fail | Close | Drop | Dead


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong."""

    first: int = 0
    """Only this many first connections suffer; 0 all."""

    reject: int = 0
    """HTTP status at the handshake: 401, 429, 500, ..."""
    welcome_delay_s: float = 0.0
    no_welcome: bool = False
    applied_delay_s: float = 0.0
    """Between Settings and SettingsApplied."""

    error: str = ""
    """End with an Error frame of this code."""
    close: int = 0
    """End with this close code, e.g. 1011."""
    drop: bool = False
    """End by aborting the TCP connection."""
    dead: bool = False
    """Never read or answer again, with the TCP connection open."""
    warning: str = ""
    """Do not end at all, but send a Warning of this code, once."""
    after_s: float = 0.0
    """Not before this many seconds of the session."""
    after_turn: int = 0
    """Not before this many user turns of the session were confirmed."""
    during_speech: bool = False
    """Only while the sound of a sentence is being sent: after half of its chunks."""

    think_s: float = 0.0
    """A slow language model; past 5 s with SLOW_THINK_REQUEST every 5 s."""
    no_audio_done: bool = False
    unknown_types: bool = False
    """Messages of types that nobody has heard of, between the others."""
    unknown_fields: bool = False
    """Fields that nobody has heard of in every message."""
    end_of_turn: bool = False
    """EndOfTurn messages, as production sends them outside of its specification."""
    chunk_bytes: int = 0
    """Size of a binary message, e.g. 333 or 1; 0 the usual 960."""
    latency_strings: bool = False
    """Numbers as strings in LatencyReport."""
    late_text: bool = False
    """A sentence of the interrupted turn announced after UserStartedSpeaking."""
    empty_turn: int = 0
    """The user turn of this number, the first being 1, is recognised as nothing."""
    separate_calls: bool = False
    """One FunctionCallRequest for each of parallel calls."""
    realtime_only: bool = False
    """Refuse sound that comes faster than real time, with an Error."""

    def end(self) -> End | None:
        """How a session ends that suffers this; None if it does not end of it."""
        if self.error:
            return Fail(self.error)
        if self.close:
            return Close(self.close)
        if self.drop:
            return Drop()
        return Dead() if self.dead else None

    def due(self, elapsed_s: float, turns: int, speaking: bool) -> bool:
        """Whether the moment has come."""
        late = elapsed_s >= self.after_s and turns >= self.after_turn
        return late and (speaking or not self.during_speech)


def read(values: Mapping[str, Any]) -> Faults:
    """Faults by name, the values as YAML, a command line or an API key hold them.

    Raises:
        BadFault: If there is no such fault, or it does not take such a value.
    """
    hints = get_type_hints(Faults)
    if unknown := [name for name in values if name not in hints]:
        raise BadFault(f"no fault {unknown[0]!r}: there are {', '.join(sorted(hints))}")
    return Faults(**{name: _value(name, hints[name], value) for name, value in values.items()})


def read_pairs(pairs: list[str]) -> dict[str, str]:
    """`["drop=true", "after_turn=2"]` as a mapping; a name alone stands for true.

    Raises:
        BadFault: If a name comes twice.
    """
    split = [pair.partition("=") for pair in pairs]
    values = {name: value if equals else "true" for name, equals, value in split}
    if len(values) < len(pairs):
        raise BadFault("a fault is named twice")
    return values


def from_key(key: str) -> Faults | None:
    """The faults that an API key asks for; None if it is an ordinary key.

    Raises:
        BadFault: If the key asks for a fault which there is not.
    """
    if not key.startswith(KEY_PREFIX):
        return None
    asked = key.removeprefix(KEY_PREFIX)
    return Faults(reject=int(asked)) if asked.isdecimal() else read(read_pairs(asked.split(",")))


def describe(faults: Faults) -> str:
    """The faults that are on, for a line of output."""
    on = {f.name: value for f in fields(faults) if (value := getattr(faults, f.name)) != f.default}
    return ", ".join(f"{name}={value}" for name, value in on.items()) or "none"


def _value(name: str, kind: type, value: Any) -> Any:
    text = str(value).lower()
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text]
        number = kind(value)
    except (KeyError, TypeError, ValueError):
        raise BadFault(f"fault {name}: expected a {kind.__name__}") from None
    if kind is not str and number < 0:
        raise BadFault(f"fault {name}: must not be negative")
    return number
