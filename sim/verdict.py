"""Whether a conversation was complete, judged by what the carrier knows to have been heard."""

import json
from dataclasses import dataclass

from replay.recording import Recording
from shared.record import Heard, Over, ToolAnswered, Transferring
from shared.sound import FRAME_BYTES, is_speech
from sim.agent.script import Script
from sim.phone.playback import BYTES_MS, Cleared, Playback
from sim.phone.record import CallResult

# From the clear, sound must have stopped within this. What was in Twilio's hands is gone at once.
SILENT_WITHIN_MS = 100


# As the agent knows the functions of the product's own.
COLLECT_DIGITS = "collect_digits"
TRANSFER_CALL = "transfer_call"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that had to be so."""

    what: str
    is_good: bool


def judge(result: CallResult, recording: Recording, script: Script) -> list[Finding]:
    """All that must be true of the demonstration.

    Args:
        script: What caller and agent were to say and to do.
    """
    turns = len(script.turns)
    answered = _answered(result)
    playbacks = [stream.playback for stream in result.streams]
    heard = [entry for _, entry in recording.log if isinstance(entry, Heard) and entry.text]
    ends = [entry.cause for _, entry in recording.log if isinstance(entry, Over)]
    return [
        Finding(f"the agent understood {len(heard)} of {turns} turns", len(heard) == turns),
        Finding(f"the caller was answered {answered} times in {turns} turns", answered == turns),
        *_interruptions(playbacks, script),
        *_functions(recording, script),
        *_keys(recording, script),
        Finding("the goodbye was heard to its end", _is_heard_out(playbacks)),
        *_transfers(result, recording, script),
        Finding(f"the call ended: {', '.join(ends)}", len(ends) == 1),
        Finding(f"the carrier refused {len(result.rejections)} messages", not result.rejections),
    ]


def _interruptions(playbacks: list[Playback], script: Script) -> list[Finding]:
    if all(turn.interrupt_after_s is None for turn in script.turns):
        return []
    cuts = [(p, c) for p in playbacks for c in p.clears if c.discarded]
    stopped = [_silence_after(p, c) for p, c in cuts]
    return [
        Finding(f"{len(cuts)} barge-in(s)", len(cuts) >= 1),
        Finding(f"sound stopped {_most(stopped)} ms after the clear", _all_fast(stopped)),
    ]


def _functions(recording: Recording, script: Script) -> list[Finding]:
    """Each function that the script has called was run once, and did not fail."""
    names = [call.name for turn in script.turns for call in turn.call]
    findings = []
    for name in dict.fromkeys(names):
        ran = [answer for answer in _answers(recording, name) if '"error"' not in answer]
        is_good = len(ran) == len(_answers(recording, name)) == names.count(name)
        findings.append(Finding(f"{name} was called {len(ran)} time(s), and answered", is_good))
    return findings


def _keys(recording: Recording, script: Script) -> list[Finding]:
    """The keys that the caller pressed are what the function was told that waited for them."""
    pressed = [turn.press.rstrip("#") for turn in script.turns if turn.press]
    told = [json.loads(answer).get("digits") for answer in _answers(recording, COLLECT_DIGITS)]
    what = f"the keys {', '.join(pressed)} reached the function that waited for them"
    return [Finding(what, told == pressed)] if pressed else []


def _transfers(result: CallResult, recording: Recording, script: Script) -> list[Finding]:
    """The carrier has dialled whom the agent wanted."""
    names = [call.name for turn in script.turns for call in turn.call]
    if TRANSFER_CALL not in names:
        return []
    wanted = [entry.target for _, entry in recording.log if isinstance(entry, Transferring)]
    what = f"the carrier dialled {', '.join(result.dialled) or 'nobody'}"
    return [Finding(what, len(wanted) == 1 and result.dialled == wanted)]


def _answers(recording: Recording, name: str) -> list[str]:
    """What a function answered, each time that it was called."""
    log = [entry for _, entry in recording.log]
    return [e.content for e in log if isinstance(e, ToolAnswered) and e.name == name]


def _answered(result: CallResult) -> int:
    """Turns of the caller that were followed by an utterance of the agent before the next one."""
    starts = [u.start_ms for s in result.streams for u in s.playback.utterances]
    ends = [spoken.end_ms for spoken in result.spoken]
    until = [*(spoken.start_ms for spoken in result.spoken[1:]), float("inf")]
    return sum(
        any(end <= start < limit for start in starts)
        for end, limit in zip(ends, until, strict=False)
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
