"""A call in figures."""

import platform
from datetime import UTC, datetime
from hashlib import sha256
from statistics import median
from typing import Any

from replay.masking import masked
from replay.recording import Recording
from replay.terminal import clock
from replay.timeline import Timeline
from shared.messages import Audio
from shared.record import Attached, Configured, Heard, Onset, Over, Taken

HOLDFAST = "0.1.0"
"""The product's version, as in pyproject.toml."""

VERSION = 1
"""Of the report's form. It grows with each change that a reader must know of."""


def report(recording: Recording, call: Timeline, *, numbers: bool = False) -> dict[str, Any]:
    """The figures of a call. Phone numbers are masked unless `numbers`."""
    known, show = recording.call, str if numbers else masked
    entries = [moment.entry for moment in call.moments]
    return {
        "call_sid": recording.call_sid,
        "from": show(known.caller),
        "to": show(known.called),
        "agent": known.agent,
        "started": started(recording),
        "duration_ms": round(call.duration_ms),
        "streams": len(recording.streams),
        "owners": sum(isinstance(entry, Taken) for entry in entries),
        "sound_bytes": sound_bytes(recording),
        "turns": len(call.turns),
        "sentences": len(call.spans),
        "sentences_cut": sum(span.was_cut for span in call.spans),
        "sentences_unheard": sum(not span.is_heard for span in call.spans),
        "barge_ins": len(call.barge_ins),
        "latency_ms": _spread([answer.latency_ms for answer in call.answers]),
        "silence_ms": _spread([answer.silence_ms for answer in call.answers]),
        "tools": len(call.tools),
        "troubles": [trouble.code for trouble in call.troubles],
        "end": cause(recording),
        "settings_sha256": [
            sha256(entry.settings.encode()).hexdigest()
            for entry in entries
            if isinstance(entry, Configured)
        ],
        "versions": {"holdfast": HOLDFAST, "report": VERSION, "python": platform.python_version()},
    }


def cause(recording: Recording) -> str | None:
    """Why the call ended; None while it has not."""
    said = (entry.cause for _, entry in recording.log if isinstance(entry, Over))
    return next(said, recording.call.cause or None)


def length_ms(recording: Recording) -> int:
    """How long the call was, from the phone's first word to the last of the log."""
    log = recording.log
    begun = next((ms for ms, entry in log if isinstance(entry, Attached)), None)
    return log[-1][0] - begun if begun is not None else 0


def turns(recording: Recording) -> int:
    """How often the caller was understood to say something."""
    return sum(isinstance(each, Heard) and bool(each.text.strip()) for _, each in recording.log)


def barge_ins(recording: Recording) -> int:
    """How often the caller interrupted."""
    return sum(isinstance(each, Onset) and each.barge_in for _, each in recording.log)


def take_overs(recording: Recording) -> int:
    """How often the call went from one owner to another, be it planned or not."""
    return max(0, sum(isinstance(each, Taken) for _, each in recording.log) - 1)


def sound_bytes(recording: Recording) -> int:
    """The sound that went up and down, mu-law."""
    return sum(
        len(message.mulaw)
        for stream in recording.streams
        for message in (*(m for _, m in stream.up), *stream.down)
        if isinstance(message, Audio)
    )


def started_ms(recording: Recording) -> int:
    """When the call began, ms since 1970; 0 if nothing is known."""
    return recording.call.started_ms or (recording.log[0][0] if recording.log else 0)


def started(recording: Recording) -> str | None:
    """When the call began, UTC."""
    ms = started_ms(recording)
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") if ms else None


def title(recording: Recording, call: Timeline) -> str:
    """A call in a line."""
    told = [
        recording.call_sid,
        clock(call.duration_ms),
        counted(len(call.turns), "turn"),
        counted(len(call.barge_ins), "barge-in"),
        cause(recording) or "going on",
    ]
    return "  |  ".join(told)


def counted(number: int, what: str) -> str:
    """So many of something."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _spread(values: list[int]) -> dict[str, int | None]:
    """The middle and the worst; None of nothing."""
    if not values:
        return {"p50": None, "max": None}
    return {"p50": round(median(values)), "max": max(values)}
