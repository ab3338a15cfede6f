"""What a conversation is given, and what it wants done: its two faces towards the session."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from shared import record
from shared.messages import Down


class State(Enum):
    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    TALKING = "talking"
    ENDING = "ending"
    OVER = "over"


@dataclass(slots=True)
class Effects:
    """What is to be done, each list in order. The log comes before what it speaks of."""

    log: list[record.Entry] = field(default_factory=list)
    phone: list[Down] = field(default_factory=list)
    agent: list[str | bytes] = field(default_factory=list)
    connect: bool = False  # open a new agent socket, in place of the one there is
    disconnect: bool = False  # close the one there is: it is billed
    listen_after: int | None = None  # read the caller's stream again from after this entry
    over: str = ""  # why the call ended, once it has


@dataclass(frozen=True, slots=True)
class Line:
    """Words of ours, for when there is no agent to say them."""

    text: str = field(repr=False)
    sound: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a conversation must know of its call and its agent."""

    settings: str = field(repr=False)  # the Settings message, as for a new call
    mark_prefix: str = "1"
    uses_flux: bool = False
    tools: tuple[str, ...] = ()
    protects_greeting: bool = False
    has_webhook: bool = True  # False: a lost phone socket cannot come back
    goodbye: str = field(default="Goodbye.", repr=False)
    go_on: str = field(default="(Please go on.)", repr=False)  # to an agent that was cut off
    apology: Line = Line("", b"")
    hold: Line = Line("", b"")
    ring_s: float = 30.0
    reattach_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a new owner finds on the bus."""

    log: Sequence[tuple[int, record.Entry]] = ()
    down: Sequence[Down] = ()  # the end of what was sent to the phone that is attached
    echoes: Sequence[tuple[str, int]] = ()  # marks that it has echoed, with their time
    cursor: int = 0  # newest caller entry that the former owner had read
