"""What all calls of one edge share, and the way in: which call a phone socket may have."""

import logging
from dataclasses import dataclass

from edge.fleet import Fleet
from edge.twilio import Started
from shared.bus import Bus, Registry
from shared.calls import Call, Outcome, Ringing, State
from shared.settings import Settings

log = logging.getLogger("edge")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a phone call needs of its process."""

    bus: Bus
    registry: Registry
    settings: Settings
    fleet: Fleet

    async def offer(self, ringing: Ringing, token: str = "") -> Outcome:
        """Offer a call to the workers. Raises: BusError."""
        return await self.registry.dispatch(
            ringing,
            token,
            max_sessions=self.settings.max_sessions,
            recording_ttl_s=self.settings.recording_ttl_s,
        )

    async def admit(self, started: Started) -> Ringing | None:
        """The call that this socket may have, or None; if nobody has it yet, somebody is found.

        Raises:
            BusError
        """
        call_sid = started.call_sid
        token = started.parameters.get("token", "")
        call = await self.registry.call(call_sid)
        if call and call.has_webhook:
            if not token or not await self.registry.take_token(call_sid, token):
                log.warning("token refused", extra={"call_sid": call_sid})
                return None
        elif call and call.state is State.LIVE:
            log.warning("second socket refused", extra={"call_sid": call_sid})
            return None
        ringing = _ringing(started, call)
        if call and call.state is not State.ENDED:
            return ringing
        # No webhook announced it (a TwiML Bin), or its ringing took too long.
        return ringing if await self.offer(ringing) is not Outcome.FULL else None


def _ringing(started: Started, call: Call | None) -> Ringing:
    """The dispatch of a socket's call: as its webhook announced it, or by what `start` says."""
    given = started.parameters
    return Ringing(
        started.call_sid,
        caller=call.caller if call else given.get("from", ""),
        called=call.called if call else given.get("to", ""),
        agent=call.agent if call else given.get("agent", ""),
        has_webhook=bool(call and call.has_webhook),
        parameters={name: value for name, value in given.items() if name != "token"},
    )
