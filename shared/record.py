"""The call's one truth: what the log of a call holds, in order.

Who joins late (a successor, the console, a replay) reads these and knows the
call. An entry's time is its id on the stream: milliseconds of the Redis
server's clock, one clock for all who write. `up` is the sequence number of the
newest caller entry that its writer had read, so each entry has its place in
the caller's sound as well.
"""

from dataclasses import dataclass, field

from shared.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Attached:
    """The phone is on this stream; whatever an older stream still says is ignored."""

    stream_sid: str
    edge: str


@dataclass(frozen=True, slots=True)
class Taken:
    """This worker owns the call from here on."""

    worker: str
    epoch: int
    up: int = 0


@dataclass(frozen=True, slots=True)
class Configured:
    """The agent accepted these Settings (JSON, secrets unfilled) in this Deepgram session."""

    settings: str = field(repr=False)
    request_id: str
    up: int = 0
    bridge: str = field(default="", repr=False)  # our part of the agent file, JSON


@dataclass(frozen=True, slots=True)
class Onset:
    """The caller began to speak."""

    up: int
    barge_in: bool = False  # sound was out that he had not yet heard


@dataclass(frozen=True, slots=True)
class Heard:
    """What the agent understood the caller to say. Empty: a noise, a turn that never was."""

    text: str = field(repr=False)
    up: int


# Behaviors of what is no turn of the agent's: it bridges a wait, or says "mhm" while another talks.
ASIDES = frozenset({"backchannel", "bridge", "filler"})


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the agent; its sound follows on the stream."""

    sentence: int  # numbered through the call
    text: str = field(repr=False)
    up: int
    behavior: str = "default"  # Deepgram's conversational_behavior; "bridge" for lines of ours
    is_late: bool = False  # of a turn that the caller had cut: nobody hears it


@dataclass(frozen=True, slots=True)
class Cut:
    """The caller heard only this much of a sentence."""

    sentence: int
    heard_ms: int
    of_ms: int
    text: str = field(repr=False)  # the part that was heard, whole words
    up: int


@dataclass(frozen=True, slots=True)
class Answering:
    """First sound of an answer went out."""

    latency_ms: int  # since the agent confirmed the caller's words
    silence_ms: int  # since the caller's last loud frame
    up: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Deepgram's LatencyReport for a turn, seconds by its own field names."""

    seconds: dict[str, float]
    up: int


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The agent asked for a function. Written before the function starts."""

    id: str
    name: str
    arguments: str = field(repr=False)  # JSON
    turn: int
    up: int
    signature: str = field(default="", repr=False)  # the model's thought_signature, handed back
    key: str = field(default="", repr=False)  # idempotency key; the arguments may be left out
    is_ours: bool = True  # False: Deepgram calls it itself


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What a function answered, as the agent was told."""

    id: str
    name: str
    content: str = field(repr=False)
    up: int


@dataclass(frozen=True, slots=True)
class ToolCancelled:
    """The agent took a function call back before it was answered."""

    id: str
    name: str
    up: int


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed keys."""

    digits: str = field(repr=False)
    up: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A key of a number that the caller is still pressing."""

    digit: str = field(repr=False)
    up: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A warning or an error: whose, and its code."""

    source: str  # "agent", "edge", "worker"
    code: str
    fatal: bool
    up: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """The phone socket is gone without a word."""

    stream_sid: str
    cause: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The agent has said all of its answer: no more sound of it will come."""

    up: int


@dataclass(frozen=True, slots=True)
class Ending:
    """The call is about to end: what is said now is the goodbye."""

    cause: str  # empty: called off, the caller wants to go on
    up: int


@dataclass(frozen=True, slots=True)
class Released:
    """Its owner gave the call to whoever takes it: a planned change, not a death."""

    worker: str


@dataclass(frozen=True, slots=True)
class Over:
    """The end of the call, and why."""

    cause: str
    up: int = 0


@dataclass(frozen=True, slots=True)
class Transferring:
    """After the goodbye the call goes to somebody else."""

    target: str = field(repr=False)  # a phone number or SIP address
    up: int = 0


@dataclass(frozen=True, slots=True)
class DialFailed:
    """Nobody took the transferred call (Twilio's DialCallStatus): the caller is back."""

    status: str


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Who took an outbound call: "human", "machine_end_beep", ... as Twilio heard it."""

    by: str


@dataclass(frozen=True, slots=True)
class Updated:
    """The agent took a change of its Settings in mid-call: from here on it is in force."""

    what: str  # "prompt": appended; "think", "speak": in place of that block
    content: str = field(repr=False)  # the text, or the block as JSON
    up: int = 0


@dataclass(frozen=True, slots=True)
class Paused:
    """From here on neither words nor sound are kept."""

    up: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """From here on they are kept again."""

    up: int


Entry = (
    Attached
    | Taken
    | Configured
    | Onset
    | Heard
    | Said
    | Cut
    | Answering
    | Latency
    | ToolAsked
    | ToolAnswered
    | ToolCancelled
    | Pressed
    | Trouble
    | Lost
    | Over
    | Finished
    | Ending
    | Released
    | Transferring
    | DialFailed
    | Typed
    | AnsweredBy
    | Updated
    | Paused
    | Resumed
)

ENTRIES: Vocabulary[Entry] = Vocabulary(
    {
        1: Attached,
        2: Taken,
        3: Configured,
        4: Onset,
        5: Heard,
        6: Said,
        7: Cut,
        8: Answering,
        9: Latency,
        10: ToolAsked,
        11: ToolAnswered,
        12: ToolCancelled,
        13: Pressed,
        14: Trouble,
        15: Lost,
        16: Over,
        17: Finished,
        18: Ending,
        19: Released,
        20: Transferring,
        21: DialFailed,
        22: Typed,
        23: AnsweredBy,
        31: Updated,
        32: Paused,
        33: Resumed,
    }
)
