"""What the caller does: a script driven by what the caller hears.

The caller's track never stops: every 20 ms there is a frame, 0xFF between the words. A step decides
from the time and from the playback what the next frame is. Each step is a generator of frames, and
a script is their concatenation, so a step reads as the behaviour it describes. No clock, no socket:
`frame(now_ms, playback)` is called once for every 20 ms, with the caller's clock.

An answer is agent speech that began after the caller began to speak and outlasted it: neither the
sentence that was interrupted nor one that a clear cut short. Keys that are pressed want an answer
as words do.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol

from shared.sound import FRAME_BYTES, SILENCE, SILENT_FRAME, is_speech
from sim.phone.playback import BYTES_MS, Playback

FRAME_MS = FRAME_BYTES / BYTES_MS

FRAMES_A_DIGIT = 10
"""A key held for 100 ms and as much between two: what phones send when they dial for you."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait until the agent has answered and then been quiet, with nothing left to play.

    A caller who takes the turn before PAUSE_MS are over interrupts an utterance, and what the agent
    says next may be the rest of it.
    """

    quiet_s: float = 0.6
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Say:
    mulaw: bytes = field(repr=False)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Speak over the agent, once it has been audible that long in the current utterance."""

    mulaw: bytes = field(repr=False)
    after_s: float
    label: str = ""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Say nothing for a while, whatever is heard."""

    s: float


Silence = Wait
"""A Wait that is the caller's answer reads better by this name."""


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


@dataclass(frozen=True, slots=True)
class Drop:
    """The network between carrier and server breaks: no stop, and the caller is still there."""


Step = Listen | Say | Interrupt | Wait | Press | HangUp | Drop


@dataclass(frozen=True, slots=True)
class Did:
    """Something the caller did: say, said, interrupt, heard, unanswered, press, drop, hang up."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """When the words of a Say began and ended, without the silence around them.

    The end is when they were due to end; a call that is over sooner cuts them.
    """

    label: str
    start_ms: float
    end_ms: float


class Turn(Protocol):
    """One turn of a written conversation."""

    @property
    def caller(self) -> str: ...

    @property
    def interrupt_after_s(self) -> float | None: ...

    @property
    def press(self) -> str: ...


class Caller:
    """One caller, in the middle of a script."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.spoken: list[Spoken] = []
        self.track = bytearray()
        self._steps = deque(steps)
        self._acted = (
            -math.inf,
            -math.inf,
        )  # when the caller last began and ceased to do something
        self._now = 0.0
        self._playback = Playback()
        self._did: list[Did] = []
        self._frames = self._follow()

    def then(self, *steps: Step) -> None:
        """Add steps to the script, also while it runs."""
        self._steps.extend(steps)

    def frame(self, now_ms: float, playback: Playback) -> tuple[bytes, list[Did]]:
        """The caller's next 20 ms, and what the caller did in them."""
        self._now, self._playback, self._did = now_ms, playback, []
        frame = next(self._frames)
        self.track += frame
        return frame, self._did

    def rejoin(self, now_ms: float) -> list[Did]:
        """Live through the time since the last frame, in which no stream was open.

        The words of that time are said, and nobody hears them.
        """
        did: list[Did] = []
        nothing = Playback()
        while (at_ms := len(self.track) / BYTES_MS) + FRAME_MS <= now_ms:
            did += self.frame(at_ms, nothing)[1]
        self.track += SILENCE * (int(now_ms * BYTES_MS) - len(self.track))
        return did

    def _follow(self) -> Iterator[bytes]:
        while True:
            while self._steps:
                yield from self._take(self._steps.popleft())
            yield SILENT_FRAME

    def _take(self, step: Step) -> Iterator[bytes]:
        match step:
            case Listen():
                return self._listen(step)
            case Say():
                return self._say(step)
            case Interrupt():
                return self._interrupt(step)
            case Wait(s):
                return self._silent_until(self._now + 1000 * s)
            case Press(digits):
                return self._press(digits)
            case HangUp():
                return self._once("hang up")
            case Drop():
                return self._once("drop")

    def _listen(self, step: Listen) -> Iterator[bytes]:
        until = self._now + 1000 * step.timeout_s
        quiet_since = math.inf
        while self._now - quiet_since < 1000 * step.quiet_s:
            if self._now >= until:
                self._note("unanswered")
                return
            yield SILENT_FRAME
            quiet_since = self._answer_end(quiet_since)
        self._note("heard")

    def _answer_end(self, before: float) -> float:
        """When the agent's answer ends, as far as it is known; infinity before it has begun.

        A new stream has a playback of its own: what was heard on the old one still counts.
        """
        began, ended = self._own_words()
        since = takewhile(lambda u: u.start_ms >= began, reversed(self._playback.utterances))
        answers = [utterance for utterance in since if utterance.end_ms > ended]
        if answers and answers[-1].start_ms <= self._now:
            return answers[0].end_ms
        return before if math.isinf(before) else min(before, self._now)

    def _own_words(self) -> tuple[float, float]:
        """When the caller last began and ceased to speak, or to press keys."""
        return self._acted

    def _say(self, step: Say | Interrupt) -> Iterator[bytes]:
        first, last = _words(step.mulaw)
        self._acted = self._now + first, self._now + last
        self.spoken.append(Spoken(step.label, *self._acted))
        self._note("say", step.label)
        for offset in range(0, len(step.mulaw), FRAME_BYTES):
            yield step.mulaw[offset : offset + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)
        self._note("said", step.label)

    def _interrupt(self, step: Interrupt) -> Iterator[bytes]:
        until = self._now + 1000 * step.timeout_s
        while self._audible_ms() < 1000 * step.after_s:
            if self._now >= until:
                self._note("unanswered")
                break
            yield SILENT_FRAME
        else:
            self._note("interrupt", step.label)
        yield from self._say(step)

    def _audible_ms(self) -> float:
        """How long the agent has been speaking to a caller who was not."""
        since = self._playback.speaking_since(self._now)
        return -1.0 if since is None else self._now - max(since, self._own_words()[1])

    def _silent_until(self, until_ms: float) -> Iterator[bytes]:
        while self._now < until_ms:
            yield SILENT_FRAME

    def _press(self, digits: str) -> Iterator[bytes]:
        began = self._now
        for digit in digits:
            self._acted = began, self._now
            self._note("press", digit)
            for _ in range(FRAMES_A_DIGIT):
                yield SILENT_FRAME

    def _once(self, kind: str) -> Iterator[bytes]:
        self._note(kind)
        yield SILENT_FRAME

    def _note(self, kind: str, detail: str = "") -> None:
        self._did.append(Did(kind, detail))


def caller_steps(
    turns: Iterable[Turn], speak: Callable[[str], bytes], patience_s: float = 15.0
) -> list[Step]:
    """A written conversation as steps: greeting, turns, then the agent may hang up first.

    A turn without words for the caller is none of the caller's.
    """
    steps: list[Step] = []
    for turn in turns:
        if not (words := speak(turn.caller)):
            continue
        if turn.interrupt_after_s is None:
            steps += [Listen(), Say(words, turn.caller)]
        else:
            steps.append(Interrupt(words, turn.interrupt_after_s, turn.caller))
        if turn.press:
            steps += [Listen(), Press(turn.press)]
    return [*steps, Listen(), Wait(patience_s), HangUp()]


def _words(mulaw: bytes) -> tuple[float, float]:
    """Where in a piece of sound the speech begins and ends, in ms; all of it if none is found."""
    loud = [
        offset
        for offset in range(0, len(mulaw), FRAME_BYTES)
        if is_speech(mulaw[offset : offset + FRAME_BYTES])
    ]
    if not loud:
        return 0.0, len(mulaw) / BYTES_MS
    return loud[0] / BYTES_MS, min(loud[-1] + FRAME_BYTES, len(mulaw)) / BYTES_MS
