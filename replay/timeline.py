"""One call on one clock: who was heard when, which words, which interruptions.

The clock counts milliseconds from the caller's first frame. The caller's frames
lie end to end, and only a jump of the timestamps opens a gap; the agent's sound
lies where the caller heard it (see `heard`), its sentences where their sound does.
All of it is worked out from the recording alone, without I/O.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from replay.clock import Moment, clocks
from replay.recording import Recording
from replay.tracks import Segment, Track, caller_track, frames, last_loud
from replay.voice import Span, spans, voice
from shared import record


@dataclass(frozen=True, slots=True)
class Turn:
    """What the caller said, from his onset to his last loud frame."""

    text: str = field(repr=False)
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The first sound of an answer going out, and how long the caller had waited for it."""

    ms: int
    latency_ms: int  # since the agent confirmed his words
    silence_ms: int  # since his last loud frame


@dataclass(frozen=True, slots=True)
class Digits:
    """Keys that the caller pressed."""

    ms: int
    digits: str = field(repr=False)


@dataclass(slots=True)
class Tool:
    """A function that the agent asked for, and what became of it."""

    ms: int
    name: str
    arguments: str = field(repr=False)
    content: str | None = field(default=None, repr=False)  # None: never answered
    answered_ms: int | None = None
    was_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A warning or an error."""

    ms: int
    source: str
    code: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class End:
    """The end of the call, and why."""

    ms: int
    cause: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A call on the caller's clock. Lists are in order of time."""

    duration_ms: float
    caller: Track = field(repr=False)
    agent: Track = field(repr=False)
    turns: tuple[Turn, ...]
    spans: tuple[Span, ...]
    barge_ins: tuple[int, ...]  # ms
    answers: tuple[Answer, ...]
    digits: tuple[Digits, ...]
    tools: tuple[Tool, ...]
    troubles: tuple[Trouble, ...]
    end: End | None  # None: still going on, or nobody was left to write it
    moments: tuple[Moment, ...] = field(repr=False)
    """The log itself, each entry at its time."""


def timeline(recording: Recording) -> Timeline:
    """Work out what happened when."""
    times = clocks(recording)
    whole = voice(recording, times)
    heard = [list(frames(*each)) for each in zip(recording.streams, times.streams, strict=True)]
    return Timeline(
        duration_ms=max((clock.end_ms for clock in times.streams), default=0.0),
        caller=caller_track(recording.streams, times.streams),
        agent=Track(tuple(Segment(piece.ms, piece.mulaw) for piece in whole.pieces)),
        turns=tuple(_turns(times.moments, heard)),
        spans=tuple(spans(whole, times)),
        barge_ins=tuple(
            round(m.ms)
            for m in times.moments
            if isinstance(m.entry, record.Onset) and m.entry.barge_in
        ),
        answers=tuple(_answers(times.moments)),
        digits=tuple(
            Digits(round(m.ms), m.entry.digits)
            for m in times.moments
            if isinstance(m.entry, record.Pressed)
        ),
        tools=tuple(_tools(times.moments)),
        troubles=tuple(_troubles(times.moments)),
        end=_end(times.moments),
        moments=times.moments,
    )


def _turns(
    moments: Sequence[Moment], heard: Sequence[Sequence[tuple[float, bytes]]]
) -> Iterator[Turn]:
    """Each confirmed text with the onset it began with. An empty text is a turn that never was.

    Of several onsets the first is a turn's, unless the agent spoke in between.
    """
    onset: float | None = None
    for moment in moments:
        match moment.entry:
            case record.Onset(_, barge_in) if barge_in or onset is None:
                onset = moment.ms
            case record.Heard(text):
                start = moment.ms if onset is None else onset
                onset = None
                if text.strip():
                    sound = heard[moment.stream] if moment.stream >= 0 else ()
                    end = last_loud(sound, start, moment.ms)
                    yield Turn(text, round(start), round(end))


def _answers(moments: Sequence[Moment]) -> Iterator[Answer]:
    for moment in moments:
        if isinstance(moment.entry, record.Answering):
            latency_ms, silence_ms = moment.entry.latency_ms, moment.entry.silence_ms
            yield Answer(round(moment.ms), latency_ms, silence_ms)


def _tools(moments: Sequence[Moment]) -> list[Tool]:
    tools: dict[str, Tool] = {}
    for moment in moments:
        match moment.entry:
            case record.ToolAsked(each, name, arguments):
                tools[each] = Tool(round(moment.ms), name, arguments)
            case record.ToolAnswered(each, _, content) if each in tools:
                tools[each].content, tools[each].answered_ms = content, round(moment.ms)
            case record.ToolCancelled(each) if each in tools:
                tools[each].was_cancelled = True
    return list(tools.values())


def _troubles(moments: Sequence[Moment]) -> Iterator[Trouble]:
    for moment in moments:
        match moment.entry:
            case record.Trouble(source, code, fatal):
                yield Trouble(round(moment.ms), source, code, fatal)


def _end(moments: Sequence[Moment]) -> End | None:
    for moment in moments:
        if isinstance(moment.entry, record.Over):
            return End(round(moment.ms), moment.entry.cause)
    return None
