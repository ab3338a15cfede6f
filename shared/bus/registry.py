"""Which calls there are, and whose they are.

A call's dispatch is one entry of the stream `{calls}:new`; the worker for which
that entry is pending owns the call, for as long as it renews. See `scripts`.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shared import keys
from shared.bus import scripts
from shared.bus.beats import SILENT_MS, beats_of
from shared.bus.bus import Bus
from shared.bus.callhash import call_in, described
from shared.bus.commands import expect_success
from shared.bus.door import TOKEN_S, Door
from shared.bus.errors import Refused
from shared.bus.outlet import LIVE_TTL_S
from shared.bus.wire import Answer, Argument
from shared.calls import DISPATCHES, Call, Claim, Outcome, Ringing, State
from shared.messages import Dispatched
from shared.vocabulary import BadMessage

log = logging.getLogger("bus")

# A claimer that has not heard from Redis for this long has stalled: its wish to claim is stale.
STALE_MS = 700

# Twilio ends a call after a day, if nobody does before.
LONGEST_CALL_S = 24 * 3600

# Who has a call that its owner let go of, unless it was left to somebody.
NOBODY = "released"


@dataclass(frozen=True, slots=True)
class Renewal:
    """Of the dispatches served, by their entry ids: which are not ours any more."""

    lost: set[str]  # another's: let go at once
    missing: set[str]  # nobody's, Redis has forgotten them: reinstate


class Registry:
    """Dispatch, claim, renew and end calls, in this process's name."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._server_ms = 0
        self.door = Door(bus)

    # -- the edge's side ------------------------------------------------------

    async def dispatch(
        self,
        ringing: Ringing,
        token: str = "",
        *,
        token_s: float = TOKEN_S,
        max_sessions: int,
        max_per_caller: int = 0,
        recording_ttl_s: int,
    ) -> Outcome:
        """Offer a call to the workers, once per CallSid however often it is asked.

        A call that was offered before and whose dispatch Redis has lost is offered again.

        Args:
            token: What the phone socket must show, once; empty for a call without a webhook.
            token_s: How long it may do so.
            max_per_caller: Calls that one number may have at once; 0: no limit.

        Raises:
            BusDown, Refused
        """
        names = (keys.DISPATCH, keys.EPOCHS, keys.WORKERS, keys.INDEX)
        answer, worker, again, entry_id = await self._bus.run_script(
            scripts.DISPATCH,
            names,
            ringing.call_sid,
            DISPATCHES.pack(ringing),
            max_sessions,
            SILENT_MS,
            # Listed by its start, but kept from its end.
            (recording_ttl_s + LONGEST_CALL_S) * 1000,
            ringing.counted_as,
            max_per_caller,
        )
        outcome = Outcome(answer.decode())
        if outcome.has_place:
            # Known is also what a call is if the first answer was lost: then it is not described.
            is_described = await self._describe(ringing, entry_id.decode(), again)
            if is_described and token:
                await self.door.grant(ringing.call_sid, token, token_s)
            if not is_described and not again:
                self._take_off(ringing.call_sid)  # its end came first
        if worker:
            self._bus.note(worker.decode(), ringing.call_sid, Dispatched())
        return outcome

    async def _describe(self, ringing: Ringing, entry_id: str, again: int) -> bool:
        """Say what call it is that rings. Returns whether nobody had, and it is not over yet.

        Whoever reads it before finds no call, or an ended one of before.
        """
        fields = [part for pair in described(ringing).items() for part in pair]
        rang_ms, began_ms = entry_id.partition("-")[0], int(time.time() * 1000)
        arguments: list[Argument] = [rang_ms, again, began_ms, LIVE_TTL_S, *fields]
        names = (self._bus.call_key(ringing.call_sid),)
        return bool(await self._bus.run_script(scripts.DESCRIBE, names, *arguments))

    async def alive(self) -> list[str]:
        """The workers that have renewed lately, also those that take no more calls."""
        return [beat.worker for beat in await beats_of(self._bus)]

    async def edge_peers(self, draining: bool) -> list[str]:
        """Say that this edge lives. Returns the other edges that do, and take calls.

        Raises:
            BusDown, Refused
        """
        arguments = (self._bus.process, int(draining), SILENT_MS)
        names = await self._bus.run_script(scripts.EDGE_BEAT, (keys.EDGES,), *arguments)
        return [name.decode() for name in names]

    async def live(self) -> int:
        """How many calls there are."""
        return int(await self._bus.link.ask("XLEN", keys.DISPATCH))

    async def is_unclaimed(self, call_sid: str) -> bool:
        """Whether it rings and nobody has had it, though its hash may not say yet that it rings.

        Raises:
            BusDown, Refused
        """
        return bool(await self._bus.link.ask("HGET", keys.EPOCHS, call_sid) == b"0")

    def abandon(self, call_sid: str, cause: str) -> None:
        """End a call that no worker serves. One that none has ever had takes no place any more."""
        fields = ("state", State.ENDED, "cause", cause, "ended", int(time.time() * 1000))
        self._write(self._bus.call_key(call_sid), *fields)
        self._take_off(call_sid)

    def _take_off(self, call_sid: str) -> None:
        self._bus.post_script(scripts.ABANDON, (keys.DISPATCH, keys.EPOCHS), call_sid, keys.GROUP)

    # -- the worker's side ----------------------------------------------------

    async def claim(self, *, takeover_after_ms: int = -1, wants_new: bool = True) -> Claim | None:
        """Take one call that nobody serves, or None.

        Args:
            takeover_after_ms: Take others' calls, too, if not renewed for so long; negative: never.
            wants_new: Whether there is room for a call that nobody has had yet.

        Raises:
            BusDown, Refused
        """
        names = (keys.DISPATCH, keys.EPOCHS)
        answer = await self._bus.run_script(
            scripts.CLAIM,
            names,
            self._bus.process,
            keys.GROUP,
            self._server_ms,
            STALE_MS,
            takeover_after_ms,
            int(wants_new),
        )
        self._server_ms = int(answer[0])
        if len(answer) == 1:
            return None
        entry_id, call_sid, payload, epoch, taken = answer[1:]
        try:
            ringing = DISPATCHES.unpack(payload)
        except BadMessage:
            ringing = None
        if ringing is None:
            log.error("unreadable dispatch", extra={"call_sid": call_sid.decode()})
            self._forget(entry_id.decode(), call_sid.decode())
            return None
        return Claim(entry_id.decode(), ringing, int(epoch), taken == b"1")

    async def renew(self, served: Iterable[str], *, places: int, draining: bool) -> Renewal:
        """Say that this worker lives and serves these entries.

        Raises:
            BusDown, Refused
        """
        ids = list(served)
        names = (keys.DISPATCH, keys.WORKERS)
        beat, lost, missing = await self._bus.run_script(
            scripts.RENEW,
            names,
            self._bus.process,
            keys.GROUP,
            places,
            len(ids),
            int(draining),
            *ids,
        )
        self._server_ms = int(beat)
        return Renewal({each.decode() for each in lost}, {each.decode() for each in missing})

    async def reinstate(self, claim: Claim, streams: Sequence[str] = ()) -> Claim | None:
        """Own a call again whose dispatch Redis has lost. None: somebody else owns it by now.

        Args:
            streams: The call's streams so far, the newest last.

        Raises:
            BusDown, Refused
        """
        ringing, began_ms = claim.ringing, claim.entry_id.partition("-")[0]
        entry_id = await self._bus.run_script(
            scripts.REINSTATE,
            (keys.DISPATCH, keys.EPOCHS, keys.INDEX),
            ringing.call_sid,
            DISPATCHES.pack(ringing),
            claim.epoch,
            self._bus.process,
            keys.GROUP,
            NOBODY,
            began_ms,
            ringing.counted_as,
        )
        if not entry_id:
            return None
        fields = {"started": began_ms, "state": State.LIVE if streams else State.RINGING}
        fields |= {f"stream:{stream_sid}": "1" for stream_sid in streams}
        fields |= {"stream": streams[-1]} if streams else {}
        name = self._bus.call_key(ringing.call_sid)
        for field, value in (described(ringing) | fields).items():
            self._bus.link.post("HSETNX", name, field, value)
        self._bus.link.post("EXPIRE", name, LIVE_TTL_S, "NX")
        return replace(claim, entry_id=entry_id.decode())

    def release(self, claim: Claim, to: str = "") -> None:
        """Let others take this call at once; `to` is the worker that is expected to, and is told.

        By then all that its owner wrote of it is at Redis: on a cluster it lies elsewhere.
        """
        own = self._bus.link.of(self._bus.call_key(claim.ringing.call_sid))
        if own is self._bus.link.of(keys.DISPATCH):
            self._release(claim, to)
        else:
            own.post("PING", answer=lambda _: self._release(claim, to))

    def _release(self, claim: Claim, to: str) -> None:
        def tell(answer: Answer) -> None:
            expect_success(answer)
            if to:
                self._bus.note(to, claim.ringing.call_sid, Dispatched())

        arguments = (claim.entry_id, self._bus.process, keys.GROUP, to or NOBODY)
        self._bus.post_script(scripts.RELEASE, (keys.DISPATCH,), *arguments, answer=tell)

    async def peers(self) -> list[str]:
        """The other workers that take calls and have room, most room first."""
        beats = [
            beat
            for beat in await beats_of(self._bus)
            if beat.worker != self._bus.process and not beat.is_draining and beat.room > 0
        ]
        return [beat.worker for beat in sorted(beats, key=lambda beat: -beat.room)]

    def retire(self) -> None:
        """This worker takes no part any more, nor do those that died long ago."""
        names = (keys.DISPATCH, keys.WORKERS)
        arguments = (self._bus.process, keys.GROUP)
        self._bus.post_script(scripts.RETIRE, names, *arguments, answer=lambda _: None)

    def save_cursor(self, call_sid: str, stream_sid: str, up: int) -> None:
        """Note how far the owner has read on a stream, for a successor."""
        self._write(self._bus.call_key(call_sid), "cursor", f"{stream_sid} {up}")

    async def idle_s(self, call_sid: str, stream_sid: str) -> float | None:
        """Seconds since the caller's side of a stream was written to; None if Redis cannot tell.

        To Redis reading is use, too, and so is keeping a key alive: ask before either. A restart
        begins anew, so a stream is idle for at least so long.
        """
        name = keys.up(self._bus.lane_of(call_sid), stream_sid)
        try:
            idle = await self._bus.link.ask("OBJECT", "IDLETIME", name)
        except Refused:  # it counts uses instead of time (an LFU policy)
            return None
        return None if idle is None else float(idle)

    def close(self, claim: Claim, cause: str, transfer: str = "") -> None:
        """Say that a call is over, so that `/twilio/after` knows. Comes before its `Ended`.

        Args:
            transfer: Whom the caller goes to now, if to anybody.
        """
        names = (self._bus.call_key(claim.ringing.call_sid),)
        arguments = (claim.epoch, cause, int(time.time() * 1000), LIVE_TTL_S, transfer)
        self._bus.post_script(scripts.CLOSE, names, *arguments, repeats=True)

    def finish(
        self, claim: Claim, streams: Sequence[str], *, keep_for_s: int, remember_for_s: int = 0
    ) -> None:
        """Leave nothing of a call but its recording, and that for so long.

        Args:
            remember_for_s: What was said and done is remembered for so long, though sound may not.
        """
        call_key, log_key, *sound = self._names(claim, streams)
        self._bus.release(call_key, log_key, *sound)
        words_s = max(keep_for_s, remember_for_s)
        kept_s = {call_key: words_s, log_key: words_s} | dict.fromkeys(sound, keep_for_s)
        for name, seconds in kept_s.items():
            arguments = (claim.epoch, seconds)
            self._bus.post_script(scripts.LEAVE, (call_key, name), *arguments, repeats=True)
        self._forget(claim.entry_id, claim.ringing.call_sid)

    def keep(self, claim: Claim, streams: Sequence[str]) -> None:
        """Keep all keys of a call from expiring while it lives."""
        self._bus.keep(*self._names(claim, streams))

    def let_go(self, claim: Claim, streams: Sequence[str]) -> None:
        """Another worker looks after the call now."""
        self._bus.release(*self._names(claim, streams))

    def _names(self, claim: Claim, streams: Sequence[str]) -> list[str]:
        call_sid = claim.ringing.call_sid
        lane = self._bus.lane_of(call_sid)
        names = [self._bus.call_key(call_sid), keys.log(lane, call_sid)]
        for stream_sid in streams:
            names += [keys.up(lane, stream_sid), keys.down(lane, stream_sid)]
        return names

    def _forget(self, entry_id: str, call_sid: str) -> None:
        names, process = (keys.DISPATCH, keys.EPOCHS), self._bus.process
        self._bus.post_script(scripts.FINISH, names, call_sid, entry_id, process, keys.GROUP)

    # -- both -----------------------------------------------------------------

    async def call(self, call_sid: str) -> Call | None:
        """What is known of a call, or None.

        Raises:
            BusDown, Refused
        """
        flat = await self._bus.link.ask("HGETALL", self._bus.call_key(call_sid))
        return call_in(flat)

    def _write(self, name: str, *fields: str | int) -> None:
        """Set fields of a call's hash; one that Redis had forgotten must not stay for ever."""
        self._bus.link.post("HSET", name, *fields)
        self._bus.link.post("EXPIRE", name, LIVE_TTL_S, "NX")
