"""What Redis holds of one call, taken out of it as plain values."""

from dataclasses import dataclass, field

from shared.bus.archive import Archive
from shared.calls import Call
from shared.messages import Down, Up
from shared.record import Attached, Entry


class NoSuchRecording(LookupError):
    """There is nothing (left) of this call. Says so in a sentence for people."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One phone socket: what came up it, with sequence numbers, and what went down."""

    stream_sid: str
    up: tuple[tuple[int, Up], ...] = field(default=(), repr=False)
    down: tuple[Down, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """One call: its hash, its log as (server ms, entry), its streams in order."""

    call_sid: str
    call: Call = field(default_factory=Call)
    log: tuple[tuple[int, Entry], ...] = field(default=(), repr=False)
    streams: tuple[Stream, ...] = ()


async def load(archive: Archive, call_sid: str) -> Recording:
    """Everything that is left of a call, which may still be going on.

    Raises:
        NoSuchRecording: If nothing is left, or nothing ever was.
        BusDown, Refused
    """
    call, log = await archive.call(call_sid), await archive.log(call_sid)
    if call is None and not log:
        raise NoSuchRecording(
            f"there is no recording of {call_sid}: no such call, or it has expired"
        )
    call = call or Call()
    streams = [
        Stream(
            stream_sid,
            tuple(await archive.up(call_sid, stream_sid)),
            tuple(await archive.down(call_sid, stream_sid)),
        )
        for stream_sid in _in_order(call, log)
    ]
    return Recording(call_sid, call, tuple(log), tuple(streams))


def _in_order(call: Call, log: list[tuple[int, Entry]]) -> list[str]:
    """The streams as they were attached; those that the log lacks come last."""
    attached = [entry.stream_sid for _, entry in log if isinstance(entry, Attached)]
    return list(dict.fromkeys([*attached, *call.streams]))
