"""The phone of one call, as its owner reaches it: of the streams it has had the newest counts."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from shared.bus import BusError, Outlet
from shared.calls import Claim
from shared.messages import Down, Owned, Up
from worker import estate
from worker.means import Means
from worker.passages import Passages

log = logging.getLogger("worker")


class PhoneLine:
    """At most one stream at a time.

    Args:
        on_caller: Called with what the caller does, as (sequence number, message).
    """

    def __init__(
        self, means: Means, claim: Claim, on_caller: Callable[[list[tuple[int, Up]]], None]
    ) -> None:
        self._means = means
        self._bus = means.bus
        self._claim = claim
        self._call_sid = claim.ringing.call_sid
        self._on_caller = on_caller
        self._up: Outlet[Up] | None = None
        self._down: Outlet[Down] | None = None
        self._sent = 0
        self._passages = Passages(asyncio.get_running_loop().time)
        self.stream_sid = ""
        """The stream in use; "" before a phone has come."""
        self.streams: list[str] = []
        """All that the call has had, the newest last."""

    def add(self, streams: Iterable[str]) -> None:
        """The call has had these before."""
        self.streams += [each for each in streams if each not in self.streams]
        self._means.registry.keep(self._claim, self.streams)

    def use(self, stream_sid: str) -> None:
        """The phone is on this stream now: it is told whose the call is."""
        self.unfollow()
        self._passages.delete(self._down)
        self.stream_sid = stream_sid
        self.streams = [each for each in self.streams if each != stream_sid]
        self.add([stream_sid])
        self._up = self._bus.up(self._call_sid, stream_sid)
        self._down = self._bus.down(self._call_sid, stream_sid)
        self.send(Owned(self._bus.process, self._claim.epoch))

    async def inherit(self) -> None:
        """What a former owner has left of passages on the stream in use goes as ours does."""
        stream_sid = self.stream_sid
        try:
            left = await estate.hushed(self._bus, self._call_sid, stream_sid)
        except BusError as exc:
            extra = {"call_sid": self._call_sid, "error": type(exc).__name__}
            log.warning("sound of a passage stays", extra=extra)
            return
        if stream_sid == self.stream_sid:
            self._passages.inherit(left)

    def listen(self, after: int) -> None:
        """Read what the caller does, from after this entry."""
        if self.stream_sid:
            self.unfollow()
            self._bus.follow_up(self._call_sid, self.stream_sid, self._on_caller, after)

    def unfollow(self) -> None:
        """Read no more."""
        if self.stream_sid:
            self._bus.unfollow_up(self._call_sid, self.stream_sid)

    def send(self, message: Down) -> None:
        """Send to the phone; while there is none it goes nowhere."""
        if self._down:
            self._sent += 1
            entry_id = f"{self._claim.epoch}-{self._sent}"
            self._down.send(entry_id, message)
            self._passages.sent(entry_id, message)

    def forget(self, sequences: Iterable[int]) -> None:
        """Nobody may read these of the caller's entries again."""
        for sequence in sequences:
            if self._up:
                self._up.forget(f"{sequence}-0")

    def save(self, cursor: int) -> None:
        """Tell a successor up to where an agent was given what the caller said."""
        if self.stream_sid:
            self._means.registry.save_cursor(self._call_sid, self.stream_sid, cursor)

    def tidy(self, read: int, now: float) -> None:
        """Now and then: take back what need not stay. `read`: the newest entry of the caller's."""
        self._passages.delete(self._down, now)
        if self._up and self._down and not self._means.settings.recording:
            estate.trim(self._up, read, self._down, self._sent, self._claim.epoch)

    def close(self) -> None:
        """The call is over, or somebody else's."""
        self._passages.delete(self._down)
