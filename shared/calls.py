"""A call as the fleet knows it: how it is dispatched, claimed, and what its hash holds."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from shared.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Ringing:
    """The dispatch of a call: all that a worker needs to begin."""

    call_sid: str
    caller: str = field(repr=False)  # the From number
    called: str = field(repr=False)  # the To number
    agent: str = ""  # file name without ending; empty: the default
    direction: str = "inbound"
    has_webhook: bool = True  # False: a bare TwiML Bin, so nothing follows when the stream ends
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    notice_s: float = 0.0  # what Twilio says before it opens the phone socket
    replays: str = ""  # CallSid of the recording whose caller speaks here again
    runs_tools: bool = True  # False: functions answer from `answers` (see `shared.replayed`)
    answers: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def counted_as(self) -> str:
        """Who calls, where calls are counted by caller; "" for one who cannot be told apart."""
        return "" if is_hidden(self.caller) or self.direction != "inbound" else self.caller


# What stands before a number or a name, by the kind of telephone.
_ADDRESS = re.compile(r"^(sips?:|client:)?\+?")

HIDDEN = frozenset(
    {
        *("", "anonymous", "restricted", "blocked", "unknown", "unavailable"),
        # The same words, on a telephone's keys: Twilio's numbers for those who hide theirs.
        *("266696687", "7378742833", "2562533", "8656696", "86282452253"),
    }
)
"""What Twilio gives for the number of a caller who hides it."""


def is_hidden(caller: str) -> bool:
    """Whether a caller hides his number, as Twilio tells of it."""
    return _ADDRESS.sub("", caller.lower()).partition("@")[0] in HIDDEN


DISPATCHES: Vocabulary[Ringing] = Vocabulary({1: Ringing})


class Admission(StrEnum):
    """What becomes of a phone's stream that asks for a call."""

    ATTACHED = "attached"  # it is the call's stream now
    NO_CALL = "no call"  # it may have the call, which is unknown or over: it is to be dispatched
    UNPROVEN = "unproven"  # it needs a token, and shows none that is good
    DOUBLED = "doubled"  # another stream has the call


class Outcome(StrEnum):
    """What became of a dispatch."""

    NEW = "new"
    KNOWN = "known"  # this CallSid is being served: a retried webhook is the same call
    FULL = "full"  # no place left
    CROWDED = "crowded"  # its caller has as many calls as one may have
    UNSERVED = "unserved"  # dispatched, but no worker is alive just now

    @property
    def has_place(self) -> bool:
        """Whether the call may come."""
        return self not in (Outcome.FULL, Outcome.CROWDED)


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that this process owns, and the epoch in which it does."""

    entry_id: str
    ringing: Ringing
    epoch: int
    is_takeover: bool


def is_machine(answered_by: str) -> bool:
    """Whether Twilio's `AnsweredBy` says that nobody is there who could answer."""
    return answered_by.startswith("machine_") or answered_by == "fax"


class State(StrEnum):
    """Where a call stands, as its hash says."""

    RINGING = "ringing"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Call:
    """What the hash of a call holds. `stream_sid` is the newest stream; empty before the first."""

    state: State = State.RINGING
    has_webhook: bool = False
    stream_sid: str = ""
    owner: str = ""
    epoch: int = 0
    cause: str = ""  # why it ended
    cursor: int = 0  # newest caller entry of the newest stream that the owner had read
    attempts: int = 0  # how often the phone was asked to come back
    caller: str = field(default="", repr=False)
    called: str = field(default="", repr=False)
    agent: str = ""
    direction: str = "inbound"
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    replays: str = ""  # CallSid of the recording that this is a replay of
    transfer: str = field(default="", repr=False)  # whom the caller goes to now
    started_ms: int = 0
    ended_ms: int = 0
    streams: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)  # not used yet
