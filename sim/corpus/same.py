"""Whether a call was repeated: the same sound to the agent, and the same log up to times.

What an agent hears is silence until there is a phone, then the caller's frames. So of one agent
session its sound must be the recording's, byte for byte, but for the silence around it. Where a
phone was lost or a worker died, silence is also fed, and left out, in between: there it
must be the same in all frames that are not silent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from replay.recording import Recording
from shared import record
from shared.messages import Audio
from shared.record import Entry
from shared.sound import FRAME_BYTES, SILENCE, SILENT_FRAME


def caller_sound(recording: Recording) -> bytes:
    """All frames of the caller, end to end."""
    streams = recording.streams
    return b"".join(m.mulaw for each in streams for _, m in each.up if isinstance(m, Audio))


def is_same_sound(recording: Recording, heard: Sequence[bytes]) -> bool:
    """Whether these agent sessions heard the caller of the recording."""
    sound = caller_sound(recording)
    if len(heard) == 1 and len(recording.streams) == 1:
        return heard[0].strip(SILENCE) == sound.strip(SILENCE)
    whole, *sessions = (_voiced(each) for each in (sound, *heard))
    first, last = sessions[0], sessions[-1]
    covers = len(first) + len(last) >= len(whole)
    return covers and whole.startswith(first) and whole.endswith(last)


def _voiced(sound: bytes) -> bytes:
    frames = (sound[at : at + FRAME_BYTES] for at in range(0, len(sound), FRAME_BYTES))
    return b"".join(frame for frame in frames if frame != SILENT_FRAME)


def timeless(log: Iterable[tuple[int, Entry]]) -> list[tuple[Any, ...]]:
    """A log without times, and without names that are made anew in each call."""
    return [_timeless(entry) for _, entry in log]


def _timeless(entry: Entry) -> tuple[Any, ...]:
    kind = type(entry).__name__
    match entry:
        case record.Attached() | record.Taken() | record.Released() | record.Answering():
            return (kind,)
        case record.Configured(settings):
            return (kind, settings)
        case record.Onset(_, barge_in):
            return (kind, barge_in)
        case record.Cut(sentence):  # how much was heard is a time
            return (kind, sentence)
        case record.Latency(seconds):
            return (kind, *sorted(seconds))
        case record.ToolAsked(_, name, arguments, turn):
            return (kind, name, arguments, turn)
        case record.ToolAnswered(_, name, content):
            return (kind, name, content)
        case record.ToolCancelled(_, name):
            return (kind, name)
        case record.Lost(_, cause):
            return (kind, cause)
        case record.Said(sentence, text, _, behavior):
            return (kind, sentence, text, behavior)
        case record.Trouble(source, code, fatal):
            return (kind, source, code, fatal)
        case record.Heard(text) | record.Pressed(text) | record.Typed(text):
            return (kind, text)
        case record.Ending(cause) | record.Over(cause):
            return (kind, cause)
        case record.Finished():
            return (kind,)
        case _:
            return (kind, *astuple(entry))
