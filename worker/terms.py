"""What a conversation is given, and what it wants done: its two faces towards the session."""

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function of the operator's own, to be run once its request is in the log."""

    id: str
    name: str
    arguments: str = field(repr=False)  # JSON
    key: str = field(repr=False)  # the same for the same request in the same turn


class Effects:
    """What is to be done, each list in order. The log comes before what it speaks of.

    Made anew for each frame, for which nearly all of it stays as the class has it.
    """

    connect: bool = False  # open a new agent socket, in place of the one there is
    disconnect: bool = False  # close the one there is: it is billed
    listen_after: int | None = None  # read the caller's stream again from after this entry
    run: tuple[ToolCall, ...] = ()  # each answer goes to `tool_answered`
    cancel: tuple[str, ...] = ()  # keys of functions that are not wanted any more
    forget_up: tuple[int, ...] = ()  # caller entries that nobody may read again
    outcomes: tuple[tuple[str, str], ...] = ()  # of orders: (order, why not; "": it is done)
    transfer: str = ""  # to whom the caller goes, when the call is over
    over: str = ""  # why the call ended, once it has

    def __init__(self) -> None:
        self.log: list[record.Entry] = []
        self.phone: list[Down] = []
        self.agent: list[str | bytes] = []


@dataclass(frozen=True, slots=True)
class Line:
    """Words of ours, for when there is no agent to say them."""

    text: str = field(repr=False)
    sound: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a conversation must know of its call and its agent."""

    settings: str = field(repr=False)  # the Settings message, as for a new call
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # for `${env:NAME}`
    bridge: str = field(default="", repr=False)  # our part of the agent file, for a successor
    mark_prefix: str = "1"
    uses_flux: bool = False
    call_sid: str = ""
    is_takeover: bool = True  # False: it rings, perhaps not for the first time
    tools: tuple[str, ...] = ()  # those of ours that the agent may call
    own_tools: Mapping[str, str] = field(default_factory=dict)  # the operator's: name -> filler
    transfers: Mapping[str, str] = field(default_factory=dict, repr=False)  # name -> number or SIP
    protects_greeting: bool = False
    has_webhook: bool = True  # False: a lost phone socket cannot come back
    goodbye: str = field(default="Goodbye.", repr=False)
    voicemail: str = field(default="", repr=False)  # for an answering machine; empty: hang up
    go_on: str = field(default="(Please go on.)", repr=False)  # to an agent that was cut off
    filler: str = field(default="One moment, please.", repr=False)  # when an answer takes long
    still_there: str = field(default="Are you still there?", repr=False)
    last_minute: str = field(default="We have one more minute.", repr=False)
    max_s: float = 0.0  # how long the call may last; 0: for ever
    idle_s: float = 0.0  # after so much silence of both sides he is asked; 0: never
    utterance_s: float = 6.0  # quiet for so long, an utterance without a word is over
    apology: Line = Line("", b"")
    hold: Line = Line("", b"")
    ring_s: float = 30.0
    reattach_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a new owner finds on the bus."""

    log: Sequence[tuple[int, record.Entry]] = ()
    down: Sequence[Down] = ()  # the end of what was sent to the phone, on the stream it is on
    echoes: Sequence[tuple[str, int]] = ()  # marks that it has echoed, with their time
    cursor: int = 0  # newest caller entry that the former owner had read
    newest: int = 0  # newest caller entry of that phone's; 0: there is none
    age_s: float = 0.0  # since the call began
    spoken: Sequence[int] = ()  # caller entries with sound or keys, the latest of that phone's
    has_hushed: bool = False  # some sound of passages still lies in what was sent
    is_unserved: bool = False  # its phone came when nobody was there: `down` is of the one before
