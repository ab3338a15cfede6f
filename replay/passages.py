"""Sensitive passages: of what was said in them nothing is read back, and nothing is bundled.

The owner of a call deletes their sound as it goes; what it could not delete, because it
died, is left out here. The log has no words of a passage to begin with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TypeVar

from shared.bus.archive import Entries, Original, OriginalStream, unpacked
from shared.messages import DOWN, MAX_HUSH, UP, Audio, Digit, Down, Hush, Up
from shared.record import ENTRIES, Attached, Entry, Paused, Resumed
from shared.sound import SILENCE
from shared.vocabulary import BadMessage, Vocabulary

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Passage:
    """Entries of the caller's stream: after the first number, up to the last."""

    after: float
    until: float = inf

    def __contains__(self, sequence: int) -> bool:
        return self.after < sequence <= self.until


Passages = Mapping[str, Sequence[Passage]]
"""By StreamSid; a passage goes on from one stream to the next."""


def passages_of(log: Iterable[Entry]) -> Passages:
    """Where nothing was to be kept."""
    found: dict[str, list[Passage]] = {}
    stream_sid, since = "", None
    for entry in log:
        match entry:
            case Attached(sid, _):
                _close(found, stream_sid, since)
                stream_sid, since = sid, None if since is None else 0
            case Paused(up) if since is None:
                since = up
            case Resumed(up):
                _close(found, stream_sid, since, up)
                since = None
    _close(found, stream_sid, since)
    return found


def _close(
    found: dict[str, list[Passage]], stream_sid: str, since: int | None, until: float = inf
) -> None:
    if since is not None:
        found.setdefault(stream_sid, []).append(Passage(since, until))


def without(
    up: Iterable[tuple[int, Up]], passages: Sequence[Passage]
) -> tuple[tuple[int, Up], ...]:
    """The caller's side of a stream, without sound and keys of passages."""
    return tuple(
        (sequence, message)
        for sequence, message in up
        if not isinstance(message, Audio | Digit) or not _is_in(passages, sequence)
    )


def _is_in(passages: Sequence[Passage], sequence: int) -> bool:
    return any(sequence in passage for passage in passages)


def without_passages(original: Original) -> Original:
    """A call without what was said in passages: the agent's sound there is silence."""
    passages = passages_of(entry for _, entry in unpacked(ENTRIES, original.log))
    streams = tuple(
        OriginalStream(
            stream.stream_sid,
            _up(stream.up, passages.get(stream.stream_sid, ())),
            _down(stream.down),
        )
        for stream in original.streams
    )
    return replace(original, streams=streams)


def _up(entries: Entries, passages: Sequence[Passage]) -> Entries:
    if not passages:
        return entries
    return tuple(
        (entry_id, payload)
        for entry_id, payload in entries
        if not (_is_in(passages, int(entry_id.partition(b"-")[0])) and _tells(payload))
    )


def _tells(payload: bytes) -> bool:
    """Whether a caller's entry has something of what he said or pressed."""
    message: Up | None = _read(UP, payload)
    return isinstance(message, Audio | Digit)


def _down(entries: Entries) -> Entries:
    """Each `Hush` becomes so much silence, and the sound behind it goes."""
    kept = []
    is_hushed = False
    for entry_id, payload in entries:
        message: Down | None = _read(DOWN, payload)
        length = min(message.length, MAX_HUSH) if isinstance(message, Hush) else 0
        if length:
            kept.append((entry_id, DOWN.pack(Audio(SILENCE * length))))
        elif not isinstance(message, Hush) and not (is_hushed and isinstance(message, Audio)):
            kept.append((entry_id, payload))
        is_hushed = length > 0
    return tuple(kept)


def _read(vocabulary: Vocabulary[M], payload: bytes) -> M | None:
    try:
        return vocabulary.unpack(payload)
    except BadMessage:
        return None
