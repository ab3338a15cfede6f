"""The one vocabulary: what edge and worker tell each other about a call.

Up is what the caller does, Down is what the agent wants done, Note is what one
process leaves in another's inbox. Sound is 8 kHz mu-law both ways, byte for
byte as Twilio and Deepgram carry it: nothing on the way transcodes.

Times on the way up are Twilio's: milliseconds on the stream's own clock. So
what the caller heard is reckoned on the clock by which he heard it, whatever
the bus needed to carry the news.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.sound import SILENCE
from shared.vocabulary import Vocabulary


@dataclass(slots=True)  # not frozen: each frame is made four times, and that takes twice as long
class Audio:
    """A piece of sound. Up: one of Twilio's frames. Down: a multiple of 160 bytes."""

    mulaw: bytes = field(repr=False)  # voices stay out of logs
    timestamp: int = 0  # ms on the stream's clock; 0 on the way down


@dataclass(frozen=True, slots=True)
class Mark:
    """Down: tell me when all sound before this has been played. Up: Twilio's echo of it.

    After a `Clear` Twilio echoes every mark that is left: an echo means played or discarded.
    """

    name: str
    timestamp: int = 0  # of the caller's frame before the echo; 0 on the way down


@dataclass(frozen=True, slots=True)
class Clear:
    """Down: forget every sound not yet played."""


@dataclass(frozen=True, slots=True)
class Digit:
    """Up: the caller pressed a key."""

    digit: str = field(repr=False)  # may be part of a PIN
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """Up: the caller hung up. Down: the call is over, close the phone socket."""

    cause: str


@dataclass(frozen=True, slots=True)
class Detached:
    """Up: this phone socket is gone, and nobody has said that the call is over."""

    cause: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Up: this mark and the sound before it were left out on the way and never reached Twilio."""

    name: str


@dataclass(frozen=True, slots=True)
class Owned:
    """Down: from here on another worker owns the call."""

    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """Down: the sound from here on says this sentence. For those who read the stream back."""

    number: int


@dataclass(frozen=True, slots=True)
class Move:
    """Down: close the phone socket though the call goes on; Twilio brings it to another edge."""


@dataclass(frozen=True, slots=True)
class Hush:
    """Down: the sound that follows is for the caller alone. Read back, it is so much silence.

    It stays when that sound is deleted. One of length 0 ends what the one before it spoke of.
    """

    length: int  # bytes


MAX_HUSH = 1 << 20
"""No piece of sound is longer, whatever a `Hush` says that came from elsewhere."""

Up = Audio | Mark | Digit | Ended | Detached | Dropped
Down = Audio | Mark | Clear | Ended | Owned | Sentence | Move | Hush

UP: Vocabulary[Up] = Vocabulary({1: Audio, 2: Mark, 4: Digit, 5: Ended, 6: Detached, 7: Dropped})
DOWN: Vocabulary[Down] = Vocabulary(
    {1: Audio, 2: Mark, 3: Clear, 5: Ended, 8: Owned, 9: Sentence, 10: Move, 21: Hush}
)


@dataclass(frozen=True, slots=True)
class Attach:
    """To a call's owner: the phone is here, read this stream and answer it."""

    call_sid: str
    stream_sid: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """To a call's owner: Twilio says that the call is over, whatever became of its socket."""

    call_sid: str
    cause: str


@dataclass(frozen=True, slots=True)
class Dispatched:
    """To a worker with room: there is a call to claim."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """To a call's owner: this phone's edge is told to stop, let it `Move` in a quiet moment."""

    call_sid: str
    stream_sid: str


@dataclass(frozen=True, slots=True)
class Offer:
    """To a worker with room: have an agent session ready for this call, and tell its owner."""

    call_sid: str
    owner: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """To a call's owner: this worker's agent session has said Welcome, the call may be released."""

    call_sid: str
    worker: str


@dataclass(frozen=True, slots=True)
class Answered:
    """To a call's owner: this is what took the call (Twilio's AnsweredBy), a machine."""

    call_sid: str
    by: str


@dataclass(frozen=True, slots=True)
class Order:
    """To a call's owner, from an operator: do this in mid-call, and tell me what came of it."""

    call_sid: str
    sender: str
    number: int  # of the order, among its sender's
    what: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """To an operator: what came of an order."""

    number: int
    refusal: str = ""  # why it was not done; empty: it was


NOT_HERE = "not here"
"""The refusal of a worker that does not own the call: somebody else does by now."""

Note = Attach | HungUp | Dispatched | Leaving | Offer | Prepared | Answered | Order | Outcome

NOTES: Vocabulary[Note] = Vocabulary(
    {  # 4 was a note to oneself
        1: Attach,
        2: HungUp,
        3: Dispatched,
        5: Leaving,
        6: Offer,
        7: Prepared,
        8: Answered,
        11: Order,
        12: Outcome,
    }
)


def drop_stale(batch: Sequence[Down]) -> tuple[list[Down], list[Mark]]:
    """What is left of a batch once its last `Clear` has taken back the sound before it.

    A batch is what piled up while the reader was busy. Sound forwarded ahead of
    its Clear would be played over a caller who is already speaking.

    Returns:
        The messages to forward, and the marks left out with the sound they followed.
    """
    clears = [i for i, message in enumerate(batch) if isinstance(message, Clear)]
    last = clears[-1] if clears else 0
    sound = Audio | Mark | Clear | Sentence | Hush
    kept = [m for i, m in enumerate(batch) if i >= last or not isinstance(m, sound)]
    return kept, [m for m in batch[:last] if isinstance(m, Mark)]


def veiled(down: Iterable[Down]) -> list[Down]:
    """A stream read back, with silence in place of what was for the caller alone."""
    kept: list[Down] = []
    silent = 0
    for message in [*down, Hush(0)]:
        if silent:
            kept.append(Audio(SILENCE * silent))
        is_hushed = silent and isinstance(message, Audio)
        silent = min(message.length, MAX_HUSH) if isinstance(message, Hush) else 0
        if not is_hushed and not isinstance(message, Hush):
            kept.append(message)
    return kept
