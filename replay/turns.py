"""The recorded caller, utterance by utterance: what he did, and what he waited for before it.

An utterance is everything that he did without a word of the agent between: words,
their pauses, keys. Each is anchored to what it followed, so that it can be said
again to an agent that takes longer, or says other things:

    After(ms)   so long after the agent's turn had been heard to its end: his reaction time
    Into(ms)    over the agent's words, when so much of the turn's sound has been heard
    Then(ms)    so long after what he did before, or after the call's start, agent or no agent
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from replay.clock import BYTES_PER_MS, clocks
from replay.playback import Stretch, heard_from, heard_ms, quiet_since
from replay.recording import Recording, Stream
from replay.timeline import Timeline, timeline
from shared.messages import Digit, Ended
from shared.sound import FRAME_BYTES, SILENCE, is_speech

FRAME_MS = FRAME_BYTES // BYTES_PER_MS

# Speech of a click: shorter is none.
CLICK_MS = 60

# A pause in somebody's words.
PAUSE_MS = 400

# An agent that is interrupted is still heard for so long: it takes a while to notice.
NOTICE_MS = 700

# What is taken along before and after the loud part of an utterance: soft sounds.
BEFORE_MS = 200
BEHIND_MS = 300


@dataclass(frozen=True, slots=True)
class After:
    ms: float


@dataclass(frozen=True, slots=True)
class Into:
    ms: float


@dataclass(frozen=True, slots=True)
class Then:
    ms: float


Anchor = After | Into | Then


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the caller does, 20 ms after 20 ms, from when on. Keys come behind their frame."""

    anchor: Anchor
    frames: tuple[bytes, ...] = field(repr=False)
    keys: dict[int, str] = field(default_factory=dict, repr=False)  # index of the frame -> keys
    behind_ms: float = 0.0  # how much of it comes after his last word or key


@dataclass(frozen=True, slots=True)
class Script:
    """All that the caller did; `hang_up` is None if it was not he who ended the call."""

    utterances: tuple[Utterance, ...]
    hang_up: Anchor | None = None


@dataclass(slots=True)
class _Act:
    """Something that the caller did without a word of the agent between: from when to when, ms."""

    start: float
    end: float
    keys: list[tuple[float, str]] = field(default_factory=list)


def script(recording: Recording) -> Script:
    """What the caller of a recording did, and on what."""
    call = timeline(recording)
    agent = _stretches(call)
    sound = call.caller.render(call.duration_ms)
    acts = list(_joined([*_loud(sound), *_keys(recording)], agent))
    ends = [0.0, *(act.end for act in acts)]
    starts = [*(act.start for act in acts), call.duration_ms]
    anchors = [_anchor(start, end, agent) for start, end in zip(starts, ends, strict=True)]
    said = (
        _utterance(act, anchor, min(BEHIND_MS, after - act.end), sound)
        for act, anchor, after in zip(acts, anchors, starts[1:], strict=False)
    )
    hung_up = bool(recording.streams) and hung_up_by_caller(recording.streams[-1])
    return Script(tuple(said), anchors[-1] if hung_up else None)


def hung_up_by_caller(stream: Stream) -> bool:
    """Whether the caller ended this stream: an end that the edge wrote has no number of its own."""
    if not stream.up or not isinstance(stream.up[-1][1], Ended):
        return False
    return len(stream.up) == 1 or stream.up[-1][0] > stream.up[-2][0]


def _stretches(call: Timeline) -> list[Stretch]:
    """When the agent was heard. Sections of one sentence may lie a rounding apart."""
    found: list[Stretch] = []
    for segment in sorted(call.agent.segments, key=lambda each: each.start_ms):
        if found and segment.start_ms - found[-1].end_ms < FRAME_MS:
            found[-1].end_ms = max(found[-1].end_ms, segment.end_ms)
        else:
            found.append(Stretch(segment.start_ms, segment.end_ms))
    return found


def _loud(sound: bytes) -> Iterator[_Act]:
    """The caller's words, from loud frame to loud frame."""
    words: _Act | None = None
    for at in range(0, len(sound), FRAME_BYTES):
        ms = at / BYTES_PER_MS
        if words and ms - words.end > PAUSE_MS:
            if words.end - words.start >= CLICK_MS:
                yield words
            words = None
        if is_speech(sound[at : at + FRAME_BYTES]):
            words = words or _Act(ms, ms)
            words.end = ms + FRAME_MS
    if words and words.end - words.start >= CLICK_MS:
        yield words


def _keys(recording: Recording) -> Iterator[_Act]:
    streams = zip(recording.streams, clocks(recording).streams, strict=True)
    for stream, clock in streams:
        for sequence, message in stream.up:
            if isinstance(message, Digit):
                ms = clock.at(sequence) or clock.start_ms
                yield _Act(ms, ms + FRAME_MS, [(ms, message.digit)])


def _joined(acts: list[_Act], agent: Sequence[Stretch]) -> Iterator[_Act]:
    """Those between which the agent says nothing are one."""
    acts.sort(key=lambda act: act.start)
    for before, act in pairwise(acts):
        if _is_silent(agent, before, act):
            act.start, act.end = before.start, max(before.end, act.end)
            act.keys = before.keys + act.keys
        else:
            yield before
    yield from acts[-1:]


def _is_silent(agent: Sequence[Stretch], before: _Act, act: _Act) -> bool:
    """Whether the agent says nothing between two acts, but for what the first one interrupts."""
    between = (s for s in agent if s.end_ms > before.end and s.start_ms < act.start)
    return all(s.start_ms < before.end and s.end_ms < before.end + NOTICE_MS for s in between)


def _anchor(start: float, ended: float, agent: Sequence[Stretch]) -> Anchor:
    """What an act waits for that starts so, where the one before it ended so."""
    begun = heard_from(agent, ended)
    if begun is None or begun >= start:
        return Then(start - ended)
    quiet = quiet_since(agent, start)
    return Into(heard_ms(agent, begun, start)) if quiet is None else After(start - quiet)


def _utterance(act: _Act, anchor: Anchor, behind: float, sound: bytes) -> Utterance:
    before = min(BEFORE_MS, anchor.ms)
    begin = act.start - before
    first, last = (round(ms * BYTES_PER_MS) for ms in (begin, act.end + behind))
    pieces = [sound[at : at + FRAME_BYTES] for at in range(first, last, FRAME_BYTES)]
    keys: dict[int, str] = {}
    for ms, key in act.keys:
        index = int((ms - begin) // FRAME_MS)
        keys[index] = keys.get(index, "") + key
    frames = tuple(piece.ljust(FRAME_BYTES, SILENCE) for piece in pieces)
    return Utterance(type(anchor)(anchor.ms - before), frames, keys, behind)
