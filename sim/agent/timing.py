"""How long a healthy service takes for what it does, as measured on the real one or told of it.

What a service does wrong is in `faults`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """The pace of the stand-in, in seconds if it does not say otherwise."""

    think_s: float = 0.25
    """From the end of a turn to the first sentence. The real service needs about 1."""

    quiet_s: float = 0.7
    """Quiet that ends a turn."""

    eager_s: float = 0.3
    """Quiet that starts a speculative answer, if Settings has `eager_eot_threshold`."""

    hold: float = 1.0
    """Part of a sentence's duration for which the next one is held back."""

    pace: float = 0.0
    """Part of its own duration that each chunk takes to be sent: 1 real time, 0 all at once."""

    late_chunks: int = 2
    """Chunks of sound under way when the user cuts in, which therefore still arrive."""

    cut_done_s: tuple[float, float] = (0.12, 0.18)
    """From a barge-in to its AgentAudioDone."""

    server_call_s: float = 0.05
    """What a function takes that the service calls itself."""

    idle_s: float = 10.0
    """Silence of the client (no message at all) which the service bears."""

    cap_s: float = 7200.0
    """The longest session."""

    cap_warning_s: float = 300.0
    """How long before `cap_s` the client is warned."""
