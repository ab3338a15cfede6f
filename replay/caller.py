"""The recorded caller speaks again: on tape, or turn by turn. Decides, without clock or socket.

A caller is asked every 20 ms of his own time what he does, and is shown what he
hears. On tape he listens to nothing. Turn by turn he waits for what he had waited for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from replay.clock import origin
from replay.playback import Playback, heard_from, heard_ms, quiet_since
from replay.recording import Stream
from replay.turns import FRAME_MS, After, Into, Script, Then, hung_up_by_caller
from shared.causes import Cause
from shared.messages import Audio, Detached, Digit, Ended, Up
from shared.sound import SILENT_FRAME

# An agent that says nothing for so long will not: the caller goes on.
PATIENCE_MS = 20_000

# Quiet that ends the agent's turn though nobody has said that it is over.
LINGER_MS = 3000

# Where the agent's turn was over before it could be interrupted: a pause before a new turn.
TOO_LATE_MS = 400


@dataclass(slots=True)
class Scene:
    """What the caller hears."""

    playback: Playback = field(default_factory=Playback)
    is_answered: bool = False
    """Whether the agent has said that its turn is over, and nothing is under way."""
    speed: float = 1.0
    """How much faster than ours the caller's time runs. What the agent does takes our time."""


class Caller(Protocol):
    """Somebody who speaks."""

    def due(self, now_ms: float, scene: Scene) -> list[Up]:
        """What he does by now: asked every 20 ms. Behind an `Ended` or `Detached` comes nothing."""
        ...


class Tape:
    """One stream as it was, to the byte and to the millisecond.

    Then, since where the agent ended the call it must do so again, silence; and one that does
    not end it in good time is left. Where another stream follows, this one is lost at its end.
    """

    def __init__(self, stream: Stream, *, is_last: bool = True) -> None:
        self._entries = list(_own(stream))
        self._is_last = is_last
        self._next = 0
        self._shift = origin(stream)
        self._clock = self._shift - FRAME_MS
        self._last_ms = self._entries[-1][0] if self._entries else 0.0

    def due(self, now_ms: float, scene: Scene) -> list[Up]:
        done: list[Up] = []
        while self._next < len(self._entries) and self._entries[self._next][0] <= now_ms:
            done.append(self._entries[self._next][1])
            self._next += 1
        clocks = [message.timestamp for message in done if isinstance(message, Audio)]
        self._clock = clocks[-1] if clocks else self._clock
        is_over = self._next == len(self._entries)
        return done or (self._after(now_ms) if is_over else [])

    def _after(self, now_ms: float) -> list[Up]:
        """What follows all that was recorded."""
        if not self._is_last:
            return [Detached(Cause.PHONE_LOST)]
        if now_ms - self._last_ms > PATIENCE_MS:
            return [Ended(Cause.CALLER_HUNG_UP)]
        self._clock += FRAME_MS
        return [Audio(SILENT_FRAME, self._clock)]


def _own(stream: Stream) -> Iterator[tuple[float, Up]]:
    """What a stream has of the caller's own doing, and its loss, each with its time on it.

    That the agent's side ended the call is for the agent's side to do again.
    """
    ms, zero = 0.0, origin(stream)
    for _, message in stream.up:
        match message:
            case Audio():
                ms = message.timestamp - zero
                yield ms, message
            case Digit() | Detached():
                yield ms, message
            case Ended() if hung_up_by_caller(stream):
                yield ms, message


class TurnByTurn:
    """The utterances of a script, each when what it waits for has come."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._frame = 0
        self._turn = 0
        self._said_ms = 0.0  # when the last word was said
        self.unanswered = 0
        """Utterances to which the agent said nothing."""
        self._begun: int | None = None  # the frame of the utterance that is being said

    @property
    def unsaid(self) -> int:
        """Utterances that were not begun."""
        return len(self._script.utterances) - self._turn - (self._begun is not None)

    def due(self, now_ms: float, scene: Scene) -> list[Up]:
        clock = self._frame * FRAME_MS
        self._frame += 1
        if self._begun is None and self._is_time(now_ms, scene):
            if self._turn == len(self._script.utterances):
                return [Audio(SILENT_FRAME, clock), Ended(Cause.CALLER_HUNG_UP)]
            self._begun = 0
        if self._begun is None:
            return [Audio(SILENT_FRAME, clock)]
        return self._say(self._begun, clock, now_ms)

    def _say(self, index: int, clock: int, now_ms: float) -> list[Up]:
        utterance = self._script.utterances[self._turn]
        done: list[Up] = [Audio(utterance.frames[index], clock)]
        done += [Digit(key, clock) for key in utterance.keys.get(index, "")]
        self._begun = index + 1
        if self._begun == len(utterance.frames):
            self._turn, self._begun = self._turn + 1, None
            self._said_ms = now_ms + FRAME_MS - utterance.behind_ms
        return done

    def _is_time(self, now_ms: float, scene: Scene) -> bool:
        """Whether the next utterance begins now, or after the last one, whether to hang up."""
        is_last = self._turn == len(self._script.utterances)
        anchor = self._script.hang_up if is_last else self._script.utterances[self._turn].anchor
        if isinstance(anchor, Then):
            return now_ms >= self._said_ms + anchor.ms
        stretches = scene.playback.stretches
        begun = heard_from(stretches, self._said_ms)
        if begun is None or begun > now_ms:
            return self._has_waited_in_vain(now_ms, scene)
        quiet = quiet_since(stretches, now_ms)
        if quiet is not None and not scene.is_answered and now_ms - quiet < LINGER_MS * scene.speed:
            quiet = None
        match anchor:
            case Into(ms):
                is_far = heard_ms(stretches, begun, now_ms) >= ms
                return is_far or _passed(quiet, TOO_LATE_MS, now_ms)
            case After(ms):
                return _passed(quiet, ms, now_ms)
            case None:  # the agent is to end the call; one that does not is left
                return _passed(quiet, PATIENCE_MS * scene.speed, now_ms)

    def _has_waited_in_vain(self, now_ms: float, scene: Scene) -> bool:
        """Whether the agent has said nothing since the last utterance, for too long."""
        if now_ms - self._said_ms < PATIENCE_MS * scene.speed:
            return False
        self.unanswered += 1
        return True


def _passed(since: float | None, ms: float, now_ms: float) -> bool:
    return since is not None and now_ms - since >= ms
