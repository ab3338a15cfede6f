"""Whether a conversation was complete, judged by what the carrier knows to have been heard."""

from dataclasses import dataclass

from replay.recording import Recording
from shared.record import Heard, Over
from shared.sound import FRAME_BYTES, is_speech
from sim.phone.playback import BYTES_MS, Cleared, Playback
from sim.phone.record import CallResult

# From the clear, sound must have stopped within this. What was in Twilio's hands is gone at once.
SILENT_WITHIN_MS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that had to be so."""

    what: str
    is_good: bool


def judge(result: CallResult, recording: Recording, turns: int) -> list[Finding]:
    """All that must be true of the demonstration.

    Args:
        turns: How often the caller was to speak.
    """
    answered = _answered(result)
    playbacks = [stream.playback for stream in result.streams]
    cuts = [(p, c) for p in playbacks for c in p.clears if c.discarded]
    stopped = [_silence_after(p, c) for p, c in cuts]
    heard = [entry for _, entry in recording.log if isinstance(entry, Heard) and entry.text]
    ends = [entry.cause for _, entry in recording.log if isinstance(entry, Over)]
    return [
        Finding(f"the agent understood {len(heard)} of {turns} turns", len(heard) == turns),
        Finding(f"the caller was answered {answered} times in {turns} turns", answered == turns),
        Finding(f"{len(cuts)} barge-in(s)", len(cuts) >= 1),
        Finding(f"sound stopped {_most(stopped)} ms after the clear", _all_fast(stopped)),
        Finding("the goodbye was heard to its end", _is_heard_out(playbacks)),
        Finding(f"the call ended: {', '.join(ends)}", len(ends) == 1),
        Finding(f"the carrier refused {len(result.rejections)} messages", not result.rejections),
    ]


def _answered(result: CallResult) -> int:
    """Turns of the caller that were followed by an utterance of the agent before the next one."""
    starts = [u.start_ms for s in result.streams for u in s.playback.utterances]
    ends = [spoken.end_ms for spoken in result.spoken]
    until = [*(spoken.start_ms for spoken in result.spoken[1:]), float("inf")]
    return sum(
        any(end <= start < limit for start in starts)
        for end, limit in zip(ends, until, strict=True)
    )


def _silence_after(playback: Playback, clear: Cleared) -> float:
    """Milliseconds of the agent's voice after a clear, before its next turn."""
    spoken = 0.0
    for segment in playback.segments():
        if clear.ms <= segment.start_ms < clear.ms + SILENT_WITHIN_MS:
            frames = range(0, len(segment.sound), FRAME_BYTES)
            loud = sum(is_speech(segment.sound[i : i + FRAME_BYTES]) for i in frames)
            spoken += loud * FRAME_BYTES / BYTES_MS
    return spoken


def _most(stopped: list[float]) -> str:
    return f"{max(stopped):.0f}" if stopped else "-"


def _all_fast(stopped: list[float]) -> bool:
    return bool(stopped) and max(stopped) <= SILENT_WITHIN_MS


def _is_heard_out(playbacks: list[Playback]) -> bool:
    """Whether the last thing that the agent said was played whole, and its last mark echoed so."""
    last = playbacks[-1] if playbacks else None
    if last is None or not last.echoes:
        return False
    return last.buffered_bytes == 0 and last.echoes[-1].genuine
