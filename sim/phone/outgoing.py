"""The other end of a call that the server has placed: how long it rings, and who answers."""

from dataclasses import dataclass

ANSWERED = "answered"
CANCELED = "canceled"

NOT_ANSWERED = frozenset({"busy", CANCELED, "failed", "no-answer"})
"""What a call may come to, by the names of CallStatus, that nobody answers."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How it goes at the other end.

    `outcome` is "answered", or the CallStatus that the call comes to. With a `machine_url` the
    carrier listens who has answered, and tells it there as `answered_by` after so long.
    """

    rings_s: float = 0.2
    outcome: str = ANSWERED
    answered_by: str = "human"
    machine_url: str = ""
    machine_after_s: float = 1.0
