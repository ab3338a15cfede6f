"""Calls that we place: when they ring, when they come to nothing, and who answers them.

Twilio asks for the TwiML of an outbound call only when somebody has answered. So a worker is
found at the status callback before that, `ringing`, and the greeting is ready for the "hello?".
"""

import logging
import secrets
from collections.abc import Mapping

from edge.desk import Desk
from shared.calls import Ringing, State, is_machine
from shared.causes import Cause
from shared.messages import Answered
from shared.record import AnsweredBy

log = logging.getLogger("edge")

AGENT = "agent"
"""In a webhook's query: the agent file."""

PARAMETER = "param."
"""In a webhook's query: this and a name, for a placeholder of that name in the agent file."""

# What `AnsweredBy` may say.
ANSWERERS = frozenset(
    {
        "human",
        "machine_start",
        "machine_end_beep",
        "machine_end_silence",
        "machine_end_other",
        "fax",
        "unknown",
    }
)


def parameters_in(query: Mapping[str, str]) -> dict[str, str]:
    """What a webhook's query gives to the agent file's placeholders."""
    return {
        name.removeprefix(PARAMETER): value
        for name, value in query.items()
        if name.startswith(PARAMETER)
    }


def is_ours(form: Mapping[str, str]) -> bool:
    """Whether we placed this call."""
    return form.get("Direction") == "outbound-api"


def end_of(form: Mapping[str, str]) -> str:
    """Why a call is over, as its last status says; one that nobody has taken, in Twilio's word."""
    status = form["CallStatus"]
    return status if is_ours(form) and status != "completed" else Cause.CALLER_HUNG_UP


async def rings(desk: Desk, ringing: Ringing) -> None:
    """It rings at the other end: find it a worker, unless it is known. Raises: BusError."""
    call_sid = ringing.call_sid
    if await desk.registry.call(call_sid) is None:  # else this callback is late, or comes twice
        outcome = await desk.ring(ringing, secrets.token_urlsafe(16))
        log.info("outbound call rings", extra={"call_sid": call_sid, "outcome": outcome.value})


async def ends_early(desk: Desk, call_sid: str, cause: str) -> None:
    """It came to nothing before it rang: a `ringing` that comes later is late. Raises: BusError."""
    if await desk.registry.call(call_sid) is None:
        desk.registry.abandon(call_sid, cause)


async def answered(desk: Desk, call_sid: str, by: str) -> None:
    """Twilio says who has answered: the log is told, and of a machine the owner, too.

    The log comes first: should the owner be gone, its successor reads it there. Raises: BusError.
    """
    call = await desk.registry.call(call_sid) if by in ANSWERERS else None
    if call is None or call.state is State.ENDED:
        return
    log.info("call answered", extra={"call_sid": call_sid, "reason": by})
    desk.bus.journal(call_sid).write(AnsweredBy(by))
    await desk.bus.flush()
    if not is_machine(by):
        return
    call = await desk.registry.call(call_sid)  # it may have been claimed by another meanwhile
    if call and call.owner:
        desk.bus.note(call.owner, call_sid, Answered(call_sid, by))
