"""What a worker tells of itself: its calls, what was said in them when, and how agents fared.

Most of it is in a call's log, entry by entry: `Meters.note` reads what goes there. A call has
a few entries a turn, and none for a frame.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from shared import record
from shared.metrics import CAUSES, Running, bounded, counter, gauge
from worker.deepgram import FINAL_ERRORS

if TYPE_CHECKING:
    from worker.session import Session

# Seconds, from the caller's last word, or its confirmation, to the answer's first sound.
ANSWER_BUCKETS_S = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 15.0)

TROUBLES = FINAL_ERRORS | frozenset(
    {
        "ASR_CONNECTION_CLOSED",
        "ASR_DRIVER_TIMEOUT",
        "CLIENT_MESSAGE_TIMEOUT",
        "FAILED_TO_SPEAK",
        "FAILED_TO_START_LISTENING",
        "FAILED_TO_THINK",
        "FORCE_END_TURN_UNSUPPORTED",
        "FUNCTION_CALL_FAILED",
        "GPT_4O_STREAM_END_ERROR",
        "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH",
        "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH",
        "INTERNAL_SERVER_ERROR",
        "MAXIMUM_SESSION_LENGTH_APPROACHING",
        "MAXIMUM_SESSION_LENGTH_REACHED",
        "PROMPT_TOO_LONG",
        "SERVER_GOING_AWAY",
        "SLOW_SPEAK_REQUEST",
        "SLOW_THINK_REQUEST",
        "SPEAK_REQUEST_FAILED",
        "THINK_REQUEST_FAILED",
        "VOICE_PROMPT_ADDED",
        "agent not ready",
        "closed",
        "closed 1000",
        "closed 1006",
        "closed 1011",
        "connect TimeoutError",
        "connect ConnectionRefusedError",
        "http",
        "http 401",
        "http 403",
        "http 429",
        "http 500",
        "http 502",
        "http 503",
        "no answer",
        "no pong",
        "update refused",
    }
)
"""What an agent session is known to fail of: Deepgram's codes, and what ours says of a socket."""

STAGES = frozenset({"stt_latency", "ttt_token_latency", "tts_latency", "total_latency"})
"""Of a LatencyReport, what every turn has."""

LEFT = "another worker's"
"""How a call ended here that goes on elsewhere."""

SUMS = {
    "agent_connects": "Agent sockets that were asked for; more than calls: again.",
    "agent_dropped_bytes": "The caller's sound that an agent was too slow to take.",
    "agent_unknown_messages": "Messages of agents that this version does not know.",
    "late_bytes": "Sound of interrupted turns that came too late, and was dropped.",
}
"""What a call counts for itself, see `Session.sums`."""

ENTRIES: dict[type[record.Entry], tuple[str, str]] = {
    record.Configured: ("agent_sessions", "Agent sessions that took their settings."),
    record.Heard: ("caller_turns", "Turns of callers."),
    record.Lost: ("phones_lost", "Phone sockets that were lost in mid-call."),
    record.ToolAsked: ("functions_asked", "Functions that agents asked for."),
    record.ToolAnswered: ("functions_answered", "Functions that were answered."),
    record.ToolCancelled: ("functions_cancelled", "Functions that agents took back."),
    record.Transferring: ("transfers", "Transfers begun."),
}
"""Log entries of which the number tells something."""


class Meters(Collector):
    """A worker, as Prometheus reads it."""

    def __init__(self) -> None:
        self.running: Running[Session] = Running(lambda session: session.sums())
        self.places: Callable[[], int] = lambda: 0
        self._claimed = _counter("calls_claimed", "Calls that came to this worker.", "from")
        self._ended = _counter(
            "calls_ended", "Calls that this worker has no more, and why.", "cause"
        )
        self._troubles = _counter(
            "agent_troubles", "Agents' errors, warnings and losses.", "reason"
        )
        self._barge_ins = _counter("barge_ins", "Times a caller spoke into the agent's words.")
        self._entries = {kind: _counter(*each) for kind, each in ENTRIES.items()}
        self._answer = _timer("answer_seconds", "From the caller's confirmed words to first sound.")
        self._silence = _timer("silence_seconds", "From the caller's last loud frame to that.")
        self._stages = Histogram(
            "holdfast_agent_latency_seconds",
            "Deepgram's own account of a turn.",
            ["stage"],
            buckets=ANSWER_BUCKETS_S,
            registry=None,
        )
        for cause in (*CAUSES, LEFT):
            self._ended.labels(cause)  # from the first: 0 is told, too

    def claimed(self, *, is_takeover: bool) -> None:
        """A call is ours: a new one, or another worker's."""
        self._claimed.labels("another worker" if is_takeover else "an edge").inc()

    def ended(self, cause: str) -> None:
        """A call is not ours any more; "": somebody else's."""
        self._ended.labels(bounded(cause, CAUSES) if cause else LEFT).inc()

    def note(self, entries: Iterable[record.Entry]) -> None:
        """These go to a call's log."""
        for entry in entries:
            if (counted := self._entries.get(type(entry))) and not _is_noise(entry):
                counted.inc()
            self._note(entry)

    def _note(self, entry: record.Entry) -> None:
        match entry:
            case record.Onset(barge_in=True):
                self._barge_ins.inc()
            case record.Trouble("agent", code):
                self._troubles.labels(bounded(code, TROUBLES)).inc()
            case record.Answering(latency_ms, silence_ms):
                self._answer.observe(latency_ms / 1000)
                self._silence.observe(silence_ms / 1000)
            case record.Latency(seconds):
                for stage in STAGES & seconds.keys():
                    self._stages.labels(stage.removesuffix("_latency")).observe(seconds[stage])

    def collect(self) -> Iterator[Metric]:
        yield gauge("calls_live", "Calls that this worker serves.", len(self.running.live))
        yield gauge(
            "places", "Calls that it may serve at once; 0: it is told to stop.", self.places()
        )
        totals = self.running.totals()
        for name, what in SUMS.items():
            yield counter(name, what, totals[name])
        for each in (self._claimed, self._ended, self._troubles, self._barge_ins):
            yield from each.collect()
        for each in self._entries.values():
            yield from each.collect()
        for timer in (self._answer, self._silence, self._stages):
            yield from timer.collect()


def _is_noise(entry: record.Entry) -> bool:
    """Whether this is a turn that never was."""
    return isinstance(entry, record.Heard) and not entry.text.strip()


def _counter(name: str, what: str, *labels: str) -> Counter:
    return Counter(f"holdfast_{name}", what, labels, registry=None)


def _timer(name: str, what: str) -> Histogram:
    return Histogram(f"holdfast_{name}", what, buckets=ANSWER_BUCKETS_S, registry=None)
