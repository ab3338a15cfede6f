"""Streams and recordings, written down by hand.

Times are the stream's: its first frame has timestamp 0. Every frame has the next
sequence number, and so has each echo, behind the frame at whose time it came.
"""

from collections.abc import Iterable

from replay.recording import Recording, Stream
from shared.calls import Call
from shared.messages import Audio, Clear, Digit, Down, Dropped, Mark, Up
from shared.record import Attached, Entry

Log = list[tuple[int, Entry]]

LOUD = b"\x10" * 160
QUIET = b"\xff" * 160


def up(
    seconds: float,
    echoes: Iterable[tuple[int, str]] = (),
    *,
    loud: tuple[int, int] = (0, 0),
    gap: tuple[int, int] = (0, 0),
) -> tuple[tuple[int, Up], ...]:
    """The caller's side: frames, and between them (ms, mark) echoes.

    Args:
        loud: From when to when he speaks, ms.
        gap: From when to when frames are missing, ms.
    """
    messages: list[Up] = []
    waiting = sorted(echoes)
    for ms in range(0, round(seconds * 1000), 20):
        if not gap[0] <= ms < gap[1]:
            messages.append(Audio(LOUD if loud[0] <= ms < loud[1] else QUIET, ms))
        while waiting and waiting[0][0] < ms + 20:
            messages.append(_entry(waiting.pop(0)[1], ms))
    return tuple(enumerate(messages, 1))


def _entry(name: str, ms: int) -> Up:
    """A mark's echo; or `-m1`: m1 was dropped; or `#5`: a key."""
    if name.startswith("-"):
        return Dropped(name[1:])
    return Digit(name[1:], ms) if name.startswith("#") else Mark(name, ms)


def down(script: str) -> tuple[Down, ...]:
    """The agent's side: `a200` is 200 ms of the byte `a`; `m1` a mark; `!` a clear."""
    messages: list[Down] = []
    for word in script.split():
        if word == "!":
            messages.append(Clear())
        elif word.startswith("m"):
            messages.append(Mark(word))
        else:
            messages.append(Audio(word[0].encode() * int(word[1:]) * 8))
    return tuple(messages)


def sequence_at(entries: tuple[tuple[int, Up], ...], ms: int) -> int:
    """The number of the frame at this time."""
    return next(n for n, m in entries if isinstance(m, Audio) and m.timestamp == ms)


def recording(
    *streams: tuple[tuple[tuple[int, Up], ...], tuple[Down, ...]],
    log: Iterable[tuple[int, Entry]] = (),
    call: Call | None = None,
) -> Recording:
    """A call of these streams, MZ1 and on. The log's times count from the first frame."""
    entries = list(log)
    if not any(isinstance(entry, Attached) for _, entry in entries):
        entries.insert(0, (0, Attached("MZ1", "edge-1")))
    made = [Stream(f"MZ{n}", *each) for n, each in enumerate(streams, 1)]
    shifted = tuple((1_700_000_000_000 + ms, entry) for ms, entry in entries)
    return Recording("CA1", call or Call(), shifted, tuple(made))
