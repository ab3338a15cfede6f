"""An answering machine has taken the call: it is left a message, and the call ends.

    Twilio says so --> clear --> its greeting is over --> a session that says the message --> end

The agent that was talking to it has heard the machine's greeting as a caller's words and
may be about to answer them. So it goes, and the message is the greeting of a session of its
own, which has nothing to call and hears nothing but silence: nothing can come between.
"""

import json

from shared.causes import Cause
from shared.messages import Audio
from shared.sound import SILENCE, is_speech
from worker.goodbye import CAP_S, Goodbye
from worker.playout import BYTES_PER_MS

# What Twilio says of a machine that it has not heard to its end, and of one that takes no words.
STILL_GREETS = "machine_start"
FAX = "fax"

# A machine that is quiet for so long has greeted; one that goes on and on is talked over.
QUIET_MS = 2000
GREETS_AT_MOST_S = 30.0

# The slowest voice, to tell how long a message may take.
S_A_CHARACTER = 0.1


class Machine:
    """Whether there is one, and what it is told.

    Args:
        message: What it is told; empty: nothing.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        self._is_greeting = False
        self._quiet_ms = 0
        self.is_there = False

    def meet(self, answered_by: str) -> bool:
        """Twilio says who has answered. Returns whether there is a message for it."""
        self.is_there = True
        self._is_greeting = answered_by == STILL_GREETS
        return bool(self._message) and answered_by != FAX

    @property
    def patience_s(self) -> float:
        """How long to wait for the end of its greeting, at most."""
        return GREETS_AT_MOST_S if self._is_greeting else 0.0

    def falls_silent(self, frame: Audio) -> bool:
        """Whether its greeting has ended with this frame; it does so once."""
        frame_ms = len(frame.mulaw) // BYTES_PER_MS
        self._quiet_ms = 0 if is_speech(frame.mulaw) else self._quiet_ms + frame_ms
        is_over = self._is_greeting and self._quiet_ms >= QUIET_MS
        self._is_greeting = self._is_greeting and not is_over
        return is_over

    def settings(self, settings: str) -> str:
        """The Settings message of a session that says the message and no more."""
        told = json.loads(settings)
        agent = told["agent"]
        agent["greeting"] = self._message
        agent.pop("context", None)
        think = agent.get("think") or []
        for each in think if isinstance(think, list) else [think]:
            each.pop("functions", None)
        return json.dumps(told)

    def goodbye(self, now: float) -> Goodbye:
        """The message is the last that is said."""
        cap_s = CAP_S + len(self._message) * S_A_CHARACTER
        return Goodbye(Cause.ANSWERING_MACHINE, now, said_already=True, cap_s=cap_s)


def hushed(frame: Audio) -> Audio:
    """As much silence, at the same time."""
    return Audio(SILENCE * len(frame.mulaw), frame.timestamp)
