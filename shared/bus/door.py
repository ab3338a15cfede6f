"""The way in to a call: tokens, and which of a phone's streams has it.

A phone comes on a stream, at first and again after a lost socket, at any edge. One step at
Redis decides whether it has the call, and says so to all who need to know (see `scripts`).
"""

from collections.abc import Sequence

from shared import keys
from shared.bus import scripts
from shared.bus.bus import Bus
from shared.bus.callhash import call_in
from shared.bus.inbox import UNREAD, name_of
from shared.bus.outlet import LIVE_TTL_S
from shared.bus.wire import Argument
from shared.calls import Admission, Call
from shared.messages import NOTES, Attach
from shared.record import ENTRIES, Attached

# How long a token is good if nothing else is said.
TOKEN_S = 120.0


class Door:
    """Who may have a call, in this edge's name."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def grant(self, call_sid: str, token: str, good_s: float, *, again: bool = False) -> None:
        """Let in whoever shows this token, once, for so long.

        Args:
            again: Only if nobody has shown it yet.

        Raises:
            BusDown, Refused
        """
        arguments = (f"token:{token}", int(good_s * 1000), LIVE_TTL_S, int(again))
        await self._bus.run_script(scripts.GRANT, (self._bus.call_key(call_sid),), *arguments)

    async def add_token(self, call_sid: str, token: str, good_s: float = TOKEN_S) -> None:
        """Allow one more phone socket for a call, and count that the phone was asked back.

        Raises:
            BusDown, Refused
        """
        await self.grant(call_sid, token, good_s)
        await self._bus.link.ask("HINCRBY", self._bus.call_key(call_sid), "attempts", 1)

    async def renew_token(self, call_sid: str, token: str, good_s: float = TOKEN_S) -> None:
        """A token that nobody has shown yet is good for so long from now on.

        Raises:
            BusDown, Refused
        """
        await self.grant(call_sid, token, good_s, again=True)

    async def admit(
        self, call_sid: str, stream_sid: str, token: str = "", *, needs_token: bool = False
    ) -> tuple[Admission, Call | None]:
        """What becomes of a stream that asks for a call: it has it from now on, or why not.

        A call that its webhook announced asks for its token, which lets in once, and in time.

        Args:
            token: What the phone socket shows, if anything.
            needs_token: Whether without a token nobody gets in, announced or not.

        Raises:
            BusDown, Refused
        """
        attaching = self._attaching(call_sid, stream_sid)
        asking = (*attaching, f"token:{token}", int(needs_token))
        verdict, flat = await self._bus.run_script(scripts.ADMIT, *asking)
        admission = Admission(verdict.decode())
        if admission is Admission.ATTACHED:
            # Once more, for a Redis that comes back without it.
            self._bus.post_script(scripts.ATTACH, *attaching, repeats=True)
        return admission, call_in(flat)

    def attach(self, call_sid: str, stream_sid: str) -> None:
        """Make this the call's stream, whoever had it, and tell the owner, if there is one.

        The owner's name is read in one step with writing the stream, and a claimer reads the
        stream after writing its name: one of the two always sees the other.
        """
        self._bus.post_script_now(scripts.ATTACH, *self._attaching(call_sid, stream_sid))

    def _attaching(
        self, call_sid: str, stream_sid: str
    ) -> tuple[Sequence[str], *tuple[Argument, ...]]:
        """Keys and arguments of the script: the same each time that it is sent."""
        lane = self._bus.lane_of(call_sid)
        return (
            (self._bus.call_key(call_sid), keys.log(lane, call_sid)),
            stream_sid,
            name_of(self._bus.process, self._bus.take_numbers()),
            LIVE_TTL_S,
            ENTRIES.pack(Attached(stream_sid, self._bus.process)),
            keys.inbox(lane, ""),
            UNREAD,
            NOTES.pack(Attach(call_sid, stream_sid)),
        )

    def moved(self, call_sid: str) -> None:
        """The phone is asked back because its edge leaves: that is no failed attempt."""
        self._bus.link.post("HINCRBY", self._bus.call_key(call_sid), "attempts", -1)
