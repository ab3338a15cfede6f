"""Figures out of the carrier's ground truth: what was heard, and where there was silence.

Times are milliseconds on the caller's clock, as in `sim.phone.record`.
"""

from itertools import takewhile

from shared.sound import FRAME_BYTES, RATE, is_speech
from sim.phone.record import CallResult, StreamRecord
from sim.voice import speak

FRAME_MS = 1000 * FRAME_BYTES / RATE
BYTES_MS = RATE // 1000

BEGINNING = 1600
"""Bytes by which a sentence is known: no other begins like it."""


def played(stream: StreamRecord) -> bytes:
    """All sound that was played to the caller on a stream, without the silence between."""
    return b"".join(segment.sound for segment in stream.playback.segments())


def heard_whole(result: CallResult, *texts: str) -> bool:
    """Whether the caller heard these sentences of the agent, all of each, one after the other."""
    at = 0
    sound = b"".join(played(stream) for stream in result.streams)
    for text in texts:
        found = sound.find(speak(text), at)
        if found < 0:
            return False
        at = found + len(speak(text))
    return True


def length_ms(text: str) -> float:
    """How long the agent speaks to say this."""
    return len(speak(text)) / BYTES_MS


def longest_silence_ms(track: bytes, from_ms: float, to_ms: float) -> float:
    """The longest stretch of a track in which nobody speaks."""
    longest = current = 0
    first = int(from_ms / FRAME_MS) * FRAME_BYTES
    for at in range(first, min(int(to_ms * BYTES_MS), len(track)), FRAME_BYTES):
        current = 0 if is_speech(track[at : at + FRAME_BYTES]) else current + 1
        longest = max(longest, current)
    return longest * FRAME_MS


def next_speech_ms(track: bytes, after_ms: float) -> float | None:
    """When somebody next speaks."""
    first = int(after_ms / FRAME_MS) * FRAME_BYTES
    for at in range(first, len(track), FRAME_BYTES):
        if is_speech(track[at : at + FRAME_BYTES]):
            return at / BYTES_MS
    return None


def heard_of(sound: bytes, text: str) -> int:
    """How many bytes of a sentence of the agent there are where it first begins."""
    sentence = speak(text)
    start = sound.find(sentence[:BEGINNING])
    pairs = zip(sound[start:], sentence, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) if start >= 0 else 0


def next_sent_ms(stream: StreamRecord, after_ms: float) -> float | None:
    """When the caller hears the first sound that the bridge sent after this moment."""
    sent = 0
    for message in stream.messages:
        if not message.sent and '"media"' in str(message.frame[:200]):
            if message.ms > after_ms:
                break
            sent += 1
    segments = stream.playback.segments()
    return segments[sent].start_ms if sent < len(segments) else None


def answers_ms(result: CallResult) -> list[tuple[float, float]]:
    """When the caller had said each thing, and how long it was until the agent's next sound."""
    track = result.agent_track()
    ends = [spoken.end_ms for spoken in result.spoken]
    found = [(end, next_speech_ms(track, end)) for end in ends]
    return [(end, answered - end) for end, answered in found if answered is not None]
