"""One call, taken out of Redis or out of a bundle as plain values."""

from dataclasses import dataclass, field

from replay.errors import NoSuchRecording
from replay.passages import passages_of, without
from shared.bus.archive import Archive, Original, in_order, unpacked
from shared.calls import Call
from shared.messages import DOWN, UP, Down, Up, veiled
from shared.record import ENTRIES, Entry


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
        raise _nothing_of(call_sid)
    call = call or Call()
    # By pages and without the original: of an hour's call that would be 100 MB more.
    passages = passages_of(entry for _, entry in log)
    streams = [
        Stream(
            stream_sid,
            without(await archive.up(call_sid, stream_sid), passages.get(stream_sid, ())),
            tuple(veiled(await archive.down(call_sid, stream_sid))),
        )
        for stream_sid in in_order(call, log)
    ]
    return Recording(call_sid, call, tuple(log), tuple(streams))


async def load_original(archive: Archive, call_sid: str) -> Original:
    """The same, byte for byte, for a bundle. Raises as `load` does."""
    original = await archive.original(call_sid)
    if original is None:
        raise _nothing_of(call_sid)
    return original


def _nothing_of(call_sid: str) -> NoSuchRecording:
    return NoSuchRecording(f"there is no recording of {call_sid}: no such call, or it has expired")


def read(original: Original) -> Recording:
    """What an original says, without what this version cannot read of it."""
    log = tuple(unpacked(ENTRIES, original.log))
    passages = passages_of(entry for _, entry in log)
    streams = [
        Stream(
            each.stream_sid,
            without(unpacked(UP, each.up), passages.get(each.stream_sid, ())),
            tuple(veiled(message for _, message in unpacked(DOWN, each.down))),
        )
        for each in original.streams
    ]
    return Recording(original.call_sid, original.call, log, tuple(streams))
