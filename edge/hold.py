"""What a caller hears whom no worker serves: a line of ours now and then, never dead air.

Twilio may still be playing what a worker had sent before it died. That is heard to
its end: a mark asks Twilio whether it has been, and only then a line may follow.

    ask --mark--> ... --echo--> heard out --line, mark--> playing --echo--> heard out

So while our line plays, nothing else waits behind Twilio's ear, and a `clear` takes back
ours alone: when the caller speaks, or when a worker's sound comes after all.

No I/O and no clock: time is an argument, what to send is returned.
"""

from shared.messages import Audio, Clear, Down, Mark
from shared.sound import RATE, is_speech

# Since when nobody serves the call: the first line, the next ones, the last hope. Of an owner
# it is known only after three seconds that it is gone: then it is time.
FIRST_AFTER_S = 2.0
FIRST_AFTER_OWNER_S = 0.5
EVERY_S = 8.0
GIVE_UP_AFTER_S = 20.0

# How often such a call is offered to the workers again: Redis may have lost it.
OFFER_EVERY_S = 2.0

# Nobody is talked over: a line waits for so much quiet.
QUIET_S = 0.5

# So much speech of the caller's in one piece ends a line. Less is a click.
SPEECH_BYTES = RATE * 60 // 1000

# Our marks. A worker's begin with its epoch in hexadecimal, so no name is both.
PREFIX = "edge-"


def is_ours(mark: str) -> bool:
    """Whether a mark was made here; workers know nothing of these."""
    return mark.startswith(PREFIX)


class Hold:
    """The line of one call, and whether it may be said."""

    def __init__(self, sound: bytes) -> None:
        self.line = Audio(sound)
        self.is_playing = False
        """Whether Twilio has our line, and has not said that it was played."""
        self._since: float | None = None
        self._next_line = self._next_offer = 0.0
        self._is_heard_out = False
        self._marks = 0
        self._asked = ""  # the mark whose echo tells that all has been heard
        self._last_loud = 0.0
        self._speech = 0

    @property
    def is_on(self) -> bool:
        """Whether what the caller hears, and says, concerns this line."""
        return self.is_playing or self._since is not None

    def served(self) -> None:
        """A worker serves the call. A line that plays is for its first sound to end."""
        self._since = None

    def unserved(self, now: float, *, had_owner: bool) -> None:
        """No worker serves the call."""
        if self._since is None:
            self._since = now
            self._next_line = now + (FIRST_AFTER_OWNER_S if had_owner else FIRST_AFTER_S)
            self._next_offer = now + OFFER_EVERY_S
            self._is_heard_out = False  # what was known before, a worker has spoken since
            self._asked = self._asked if self.is_playing else ""

    def is_hopeless(self, now: float) -> bool:
        """Whether the caller has waited long enough."""
        return self._since is not None and now - self._since > GIVE_UP_AFTER_S

    def is_to_offer(self, now: float) -> bool:
        """Whether it is time to offer the call to the workers again."""
        if self._since is None or now < self._next_offer:
            return False
        self._next_offer = now + OFFER_EVERY_S
        return True

    def ask(self) -> list[Down]:
        """What asks Twilio whether all has been heard, if that is not known yet."""
        return [] if self._since is None or self._is_heard_out or self._asked else [self._mark()]

    def is_due(self, now: float) -> bool:
        """Whether it is time for the line, and nobody would be talked over."""
        is_quiet = self._is_heard_out and now - self._last_loud > QUIET_S
        return self._since is not None and now >= self._next_line and is_quiet

    def say(self, now: float) -> list[Down]:
        """The line, and what asks whether it has been heard."""
        self._next_line = now + EVERY_S
        self.is_playing, self._is_heard_out = True, False
        return [self.line, self._mark()]

    def _mark(self) -> Mark:
        self._marks += 1
        self._asked = f"{PREFIX}{self._marks}"
        return Mark(self._asked)

    def echo(self, name: str) -> None:
        """Twilio echoes one of our marks: the newest means that all has been heard."""
        if name == self._asked:
            self.cleared()

    def cleared(self) -> None:
        """Twilio has nothing left to play."""
        self._asked = ""
        self.is_playing, self._is_heard_out = False, True

    def hear(self, mulaw: bytes, now: float) -> bool:
        """A frame of the caller's. Returns whether our line is to stop for what he says."""
        if not is_speech(mulaw):
            self._speech = 0
            return False
        self._last_loud = now
        self._speech += len(mulaw)
        return self.is_playing and self._speech >= SPEECH_BYTES

    def before(self, message: Down) -> list[Clear]:
        """What must go to Twilio ahead of this message, when its turn has come."""
        if type(message) is not Audio or message is self.line:
            return []
        was_playing, self.is_playing = self.is_playing, False
        self._is_heard_out, self._asked = False, ""
        return [Clear()] if was_playing else []
