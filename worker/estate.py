"""What a call's former owner has left on the bus, and whether there is still a call to serve."""

import time
from collections.abc import Iterator
from dataclasses import replace

from shared.bus import Archive, Bus, Outlet, Registry
from shared.bus.archive import Entries, in_order
from shared.calls import Call, Claim, State
from shared.messages import DOWN, Audio, Digit, Down, Mark, Owned, Up, veiled
from shared.record import Entry
from shared.vocabulary import BadMessage
from worker.passages import Hushed
from worker.terms import Inherited, Terms

# What a successor reads of each stream: a minute of frames.
KEPT_ENTRIES = 3000

# A call older than this, of whose phone nothing has come for so long, is yesterday's.
OLD_S = 30.0
SILENT_S = 5.0

# Nobody talks longer than this to whom he was transferred and is then still remembered.
TRANSFER_S = 3600


def trim(up: Outlet[Up], read: int, down: Outlet[Down], sent: int, epoch: int) -> None:
    """Without a recording only the last minute stays, for a successor.

    Args:
        read: Number of the newest entry on the caller's side.
        sent: Number of the newest entry of this epoch on the agent's side.
    """
    up.trim(f"{max(0, read - KEPT_ENTRIES)}-0")
    down.trim(f"{epoch}-{max(0, sent - KEPT_ENTRIES)}")


async def inherit(bus: Bus, claim: Claim, call: Call | None) -> Inherited:
    """What the former owner has left; nothing, if the call is new.

    Raises:
        BusDown, Refused
    """
    archive = Archive(bus)
    call_sid = claim.ringing.call_sid
    entries = await archive.log(call_sid)
    if call is None or not call.stream_sid or not claim.is_takeover:
        return Inherited(log=entries, age_s=_age_s(claim, call))
    down = await archive.tail_down(call_sid, call.stream_sid, KEPT_ENTRIES)
    down = [m for m in down if m != Owned(bus.process, claim.epoch)]  # what fences him off is ours
    if not down:
        return await _inherit_unserved(archive, claim, call, entries)
    up = await archive.tail_up(call_sid, call.stream_sid, KEPT_ENTRIES)
    spoken = [number for number, m in up if isinstance(m, Audio | Digit)]
    return Inherited(
        log=entries,
        down=veiled(down),
        echoes=_echoes(up),
        cursor=call.cursor,
        spoken=spoken,
        newest=up[-1][0] if up else 0,
        has_hushed=any(map(Hushed(), down)),
        age_s=_age_s(claim, call),
    )


async def _inherit_unserved(
    archive: Archive, claim: Claim, call: Call, log: list[tuple[int, Entry]]
) -> Inherited:
    """Of a call whose phone came when nobody was there: what went to the phone before it."""
    call_sid = claim.ringing.call_sid
    streams = in_order(call, log)
    former = streams[: streams.index(call.stream_sid)][-1:]
    down = [m for each in former for m in await archive.tail_down(call_sid, each, KEPT_ENTRIES)]
    up = [m for each in former for m in await archive.tail_up(call_sid, each, KEPT_ENTRIES)]
    return Inherited(
        log=log, down=veiled(down), echoes=_echoes(up), age_s=_age_s(claim, call), is_unserved=True
    )


def _echoes(up: list[tuple[int, Up]]) -> list[tuple[str, int]]:
    return [(m.name, m.timestamp) for _, m in up if isinstance(m, Mark)]


async def hushed(bus: Bus, call_sid: str, stream_sid: str) -> list[str]:
    """Ids of the latest sound down a stream that is for the caller alone.

    Reads the whole call, since nothing less tells ids.

    Raises:
        BusDown, Refused
    """
    original = await Archive(bus).original(call_sid)
    streams = original.streams if original else ()
    latest = [each.down[-KEPT_ENTRIES:] for each in streams if each.stream_sid == stream_sid]
    is_hushed = Hushed()
    return [id_.decode() for each in latest for id_, m in _read(each) if is_hushed(m)]


def _read(entries: Entries) -> Iterator[tuple[bytes, Down]]:
    for entry_id, payload in entries:
        try:
            message = DOWN.unpack(payload)
        except BadMessage:
            continue
        if message is not None:
            yield entry_id, message


def _age_s(claim: Claim, call: Call | None) -> float:
    """How long there has been this call. Its dispatch may be a later one: see `reinstate`."""
    began_ms = (call and call.started_ms) or int(claim.entry_id.partition("-")[0])
    return max(0.0, time.time() - began_ms / 1000)


def end_before_us(claim: Claim, call: Call | None) -> str:
    """Why the call had ended before it was ours, or "".

    Nobody had it yet, or its owner came no further, or its end was known before it rang. A call
    that ended and then rang again is none of these.
    """
    if call is None or call.state is not State.ENDED:
        return ""
    rang_ms = int(claim.entry_id.partition("-")[0])
    rings_again = call.started_ms > 0 and call.ended_ms <= rang_ms
    return "" if rings_again and not claim.is_takeover else call.cause


def as_it_rings(claim: Claim, call: Call | None) -> Call | None:
    """The call as its claimer finds it. One that ended and rang again has its phone still to come.

    Its hash says so a moment after its dispatch, and may be read before.
    """
    if call is None or call.state is not State.ENDED or end_before_us(claim, call):
        return call
    return replace(call, state=State.RINGING, stream_sid="", cause="", transfer="", ended_ms=0)


async def is_stale(registry: Registry, claim: Claim, call: Call | None, terms: Terms) -> bool:
    """Whether this is yesterday's call, whose phone has long gone, or never came.

    To be asked before its streams are read, which would make them look alive.

    Raises:
        BusDown, Refused
    """
    if call is None:
        return False
    age_s = time.time() - int(claim.entry_id.partition("-")[0]) / 1000
    if not call.stream_sid:
        return age_s > terms.ring_s + OLD_S
    idle_s = await registry.idle_s(claim.ringing.call_sid, call.stream_sid)
    return age_s > OLD_S and (idle_s or 0.0) > max(SILENT_S, terms.reattach_s)
