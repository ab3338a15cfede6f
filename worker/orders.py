"""What operators order in mid-call: notes in this worker's inbox, each answered once."""

from collections.abc import Mapping

from shared.bus import Bus
from shared.messages import NOT_HERE, Order, Outcome
from worker.changes import CHANGES
from worker.outcomes import name_of
from worker.session import Session

UNKNOWN = "this worker does not know how"


def give(order: Order, sessions: Mapping[str, Session], bus: Bus) -> None:
    """To the call's session, if the call is ours."""
    session = sessions.get(order.call_sid)
    change = CHANGES.get(order.what)  # a newer version may know more
    if session is None or session.is_over:
        bus.note(order.sender, order.call_sid, Outcome(order.number, NOT_HERE))
    elif change is None:
        bus.note(order.sender, order.call_sid, Outcome(order.number, UNKNOWN))
    else:
        session.change(change(order.text), name_of(order))
