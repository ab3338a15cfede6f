"""Turn taking by energy: mu-law in, the beginnings and ends of a user's turns out.

No clock: time is counted in bytes heard, as a recogniser does it. Therefore sound may come in
chunks of any size and faster than real time, and a stream that stops never ends a turn.

    quiet --60 ms of speech/Onset--> open --quiet_s of quiet/TurnEnded--> quiet
                                      |  ^
              eager_s of quiet/Paused v  | speech again/Onset
                                     paused

A turn with less than 200 ms of speech in it is a noise: nobody is sure that it was one, so it
ends at the timeout and not before. So does every turn when turns are ended by hand.
"""

from dataclasses import dataclass

from shared.sound import FRAME_BYTES, FRAME_S, is_speech

ONSET_S = 0.06
"""Speech without a gap that makes a turn begin: shorter is a click on the line."""

WORDS_S = 0.2
"""Speech in a turn below which no word can be made out."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The user speaks: a turn begins, or one that seemed over goes on."""

    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Paused:
    """The turn may be over; whoever bets on it must be ready to take the bet back."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over."""

    words: bool
    """False for a noise."""
    trigger: str = "model"
    """What ended it: "model" or "timeout"."""


Heard = Onset | Paused | TurnEnded


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a quiet means what."""

    quiet_s: float = 0.7
    """Ends a turn."""
    eager_s: float | None = None
    """Makes a turn seem over; None never."""
    timeout_s: float = 5.0
    """Ends a turn that may have been a noise."""
    manual: bool = False
    """Only the timeout, or `Hearing.force`, ends a turn."""


class Hearing:
    """The ears of one session."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._rest = b""
        self._forget()
        self._run_s = 0.0

    def __repr__(self) -> str:
        state = "in a turn" if self.talking else "quiet"
        return f"<Hearing {state} speech={self._speech_s:.2f}s quiet={self._quiet_s:.2f}s>"

    def _forget(self) -> None:
        self.talking = False
        self._paused = False
        self._speech_s = self._quiet_s = 0.0

    def feed(self, mulaw: bytes) -> list[Heard]:
        """Hear a piece of sound of any length."""
        sound = self._rest + mulaw
        whole = len(sound) - len(sound) % FRAME_BYTES
        self._rest = sound[whole:]
        frames = (sound[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        return [event for frame in frames if (event := self._frame(is_speech(frame)))]

    def force(self) -> TurnEnded | None:
        """End the turn now; None if there is none."""
        return self._end("model") if self.talking else None

    def _frame(self, speech: bool) -> Heard | None:
        return self._loud() if speech else self._silent()

    def _loud(self) -> Heard | None:
        self._run_s += FRAME_S
        self._speech_s += FRAME_S
        self._quiet_s = 0.0
        if self._run_s < ONSET_S - FRAME_S / 2 or (self.talking and not self._paused):
            return None
        resumed, self._paused, self.talking = self._paused, False, True
        return Onset(resumed)

    def _silent(self) -> Heard | None:
        self._run_s = 0.0
        if not self.talking:
            self._speech_s = 0.0
            return None
        self._quiet_s += FRAME_S
        return self._judge()

    def _judge(self) -> Heard | None:
        """What a quiet of this length means."""
        patience, quiet = self.patience, self._quiet_s + FRAME_S / 2
        sure = self._has_words() and not patience.manual
        if quiet >= patience.timeout_s:
            return self._end("timeout")
        if sure and quiet >= patience.quiet_s:
            return self._end("model")
        if sure and not self._paused and patience.eager_s and quiet >= patience.eager_s:
            self._paused = True
            return Paused()
        return None

    def _has_words(self) -> bool:
        return self._speech_s + FRAME_S / 2 >= WORDS_S

    def _end(self, trigger: str) -> TurnEnded:
        ended = TurnEnded(self._has_words(), trigger)
        self._forget()
        return ended
