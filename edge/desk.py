"""What all calls of one edge share, and the way in: which call a phone socket may have."""

import logging
from dataclasses import dataclass, field
from functools import partial

from edge.answers import Answers
from edge.counts import Counts
from edge.fleet import Fleet
from edge.twilio import Started
from shared.bus import Bus, Registry
from shared.calls import Admission, Call, Outcome, Ringing
from shared.logs import Seldom
from shared.settings import Settings

log = logging.getLogger("edge")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a phone call needs of its process."""

    bus: Bus
    registry: Registry
    settings: Settings
    fleet: Fleet
    answers: Answers = field(default_factory=Answers, repr=False)
    counts: Counts = field(default_factory=Counts)
    seldom: Seldom = field(default_factory=partial(Seldom, log), repr=False)
    """For what strangers may do as often as they like: it fills no disk."""

    async def offer(self, ringing: Ringing, token: str = "", *, is_back: bool = False) -> Outcome:
        """Offer a call to the workers; one that is back had been let in. Raises: BusError."""
        return await self.registry.dispatch(
            ringing,
            token,
            token_s=self.token_s(ringing.notice_s),
            max_sessions=self.settings.sessions_for_calls,
            max_per_caller=0 if is_back else self.settings.max_calls_per_caller,
            recording_ttl_s=self.settings.recording_ttl_s,
        )

    async def ring(self, ringing: Ringing, token: str = "", *, is_back: bool = False) -> Outcome:
        """A call comes: offer it, and count what became of that. Raises: BusError."""
        outcome = await self.offer(ringing, token, is_back=is_back)
        match outcome:
            case Outcome.FULL:
                self.counts.full += 1
            case Outcome.CROWDED:
                self.counts.crowded += 1
            case Outcome.NEW | Outcome.UNSERVED:
                self.counts.ringing += not is_back
            case Outcome.KNOWN:
                pass
        return outcome

    def token_s(self, notice_s: float = 0.0) -> float:
        """How long a token is good: Twilio says the notice before it opens the phone socket."""
        return self.settings.token_s + notice_s

    async def admit(self, started: Started) -> Ringing | None:
        """The call that this socket has now, or None; one that nobody announced is dispatched.

        Raises:
            BusError
        """
        call_sid, stream_sid = started.call_sid, started.stream_sid
        token, needs_token = started.parameters.get("token", ""), self.settings.require_token
        asking = (call_sid, stream_sid, token)
        admission, call = await self.registry.door.admit(*asking, needs_token=needs_token)
        ringing = _ringing(started, call)
        match admission:
            case Admission.ATTACHED:
                return ringing
            case Admission.NO_CALL:
                # No webhook announced it (a TwiML Bin), or its ringing took too long.
                if (await self.ring(ringing)).has_place:
                    self.registry.door.attach(call_sid, stream_sid)
                    return ringing
            case Admission.UNPROVEN:
                self.counts.sockets_without_token += 1
                self.seldom.warning("token refused")
            case Admission.DOUBLED:
                self.refused_second()
        return None

    def refused_second(self) -> None:
        """There is a socket for this stream or call already."""
        self.counts.sockets_doubled += 1
        self.seldom.warning("second socket refused")


def _ringing(started: Started, call: Call | None) -> Ringing:
    """The dispatch of a socket's call: as its webhook announced it, or by what `start` says."""
    given = started.parameters
    return Ringing(
        started.call_sid,
        caller=call.caller if call else given.get("from", ""),
        called=call.called if call else given.get("to", ""),
        agent=call.agent if call else given.get("agent", ""),
        direction=call.direction if call else "inbound",
        has_webhook=bool(call and call.has_webhook),
        parameters={
            **(call.parameters if call else {}),
            **{name: value for name, value in given.items() if name != "token"},
        },
    )
