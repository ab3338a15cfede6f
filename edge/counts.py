"""What an edge counts of those who ring and knock, for whoever asks (never who they were)."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Totals since the process began."""

    ringing: int = 0
    """Calls that got a place, by webhook or by a TwiML Bin's socket."""
    full: int = 0
    """Calls that came while all places were taken."""
    crowded: int = 0
    """Calls of a number that had as many as one may have."""
    webhooks_forged: int = 0
    """Refused: no signature, or one that does not match."""
    webhooks_malformed: int = 0
    """Refused: a body too large, too slow, or without a CallSid."""
    webhooks_replayed: int = 0
    """Of a call whose phone has been here: sent on, with no token."""
    sockets_forged: int = 0
    """Refused: no signature, or one that does not match."""
    sockets_too_many: int = 0
    """Refused: too many others had come and not said yet for which call."""
    sockets_unstarted: int = 0
    """Closed: no `start` in time, or nothing but rubbish."""
    sockets_without_token: int = 0
    """Closed: no token, or one that is used, expired, or another call's."""
    sockets_doubled: int = 0
    """Closed: a second one for a call of a TwiML Bin's."""
    messages_malformed: int = 0
    """Of phone sockets, ignored: no JSON, or an event that lacks what its name promises."""
    bus_away: int = 0
    """Webhooks and sockets that were turned away because Redis could not be asked."""

    @property
    def refused(self) -> int:
        """All that were let in nowhere because of what they were."""
        webhooks = self.webhooks_forged + self.webhooks_malformed + self.webhooks_replayed
        sockets = self.sockets_forged + self.sockets_too_many + self.sockets_unstarted
        return webhooks + sockets + self.sockets_without_token + self.sockets_doubled
