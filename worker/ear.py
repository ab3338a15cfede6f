"""The caller's sound on its way to the agent.

Every frame goes on as it comes. Two things are mended on the way. What the
caller says before the agent is ready waits for it, and follows at twice the
speed of speech, since an agent need not take a minute in one gulp; and frames
that Twilio left out are put back as silence, because an agent that hears no
pause never ends a turn.

Time here is the caller's stream clock, milliseconds, read off his frames. A
session that listens again to what an agent had not understood reads frames that
it has read before: the clock does not go back for that.
"""

from collections import deque

from shared.messages import Audio
from shared.sound import FRAME_BYTES, FRAME_S, SILENCE, is_speech
from worker.playout import BYTES_PER_MS

# The caller's words kept until the agent is ready: a minute. Older ones are dropped.
WAITING_BYTES = 480_000

# How much faster than speech waiting frames follow.
RESUME_SPEED = 2

# A silence of which no more waits: enough for the agent to end a turn.
SILENCE_FRAMES = 75

# Speech frames among those waiting that make a turn of them: below, it is a click.
SPOKEN_FRAMES = 10

# So many loud ones of the frames that are newest are a click, or a car that goes by.
CLICK_FRAMES = 5

# A jump of the timestamps below this is a rounding; above, so much silence at most is put in.
GAP_MS = 60
FILL_AT_MOST_MS = 10_000

# Who was loud within this time is speaking.
SPOKE_MS = 500
SPOKE_FRAMES = round(SPOKE_MS / 1000 / FRAME_S)

# An utterance of so few loud frames that is then quiet for so long, with no word confirmed, was
# a cough. Whether a longer one is over the agent knows better: who dictates a number pauses.
COUGH_FRAMES = 25
QUIET_MS = 1200


class Ear:
    """What the caller's frames are turned into, and whether he is loud."""

    def __init__(self) -> None:
        self.clock = 0
        """Milliseconds of the caller's stream, up to the end of his newest frame."""
        self.last_loud = 0
        """The clock when he was last loud in this utterance."""
        self._end = 0
        self._fed_ms = 0
        self._waited_loud = -SPOKE_MS
        self._is_open = False
        self._loud_since_open = 0
        self._newest: deque[bytes] = deque(maxlen=SPOKE_FRAMES)
        self._is_ready = False
        self.given = 0
        """Sequence number of the newest frame that went on; those behind it wait or are to come."""
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._silent_frames = 0
        self._loud_frames = 0

    def attach(self) -> None:
        """A new stream, whose clock starts anew."""
        self.clock = self.last_loud = self._end = self._fed_ms = self.given = 0
        self._waited_loud = -SPOKE_MS
        self._newest.clear()
        # What waits has no number on this stream.
        self._waiting = deque((0, piece) for _, piece in self._waiting)

    def detach(self) -> None:
        """The stream is gone, and nobody is loud."""
        self._newest.clear()

    def listen_again(self) -> None:
        """Frames will come that have come before; until the agent is ready all wait for it."""
        self._is_ready = False
        self._is_open = False
        self._waiting.clear()
        self._waiting_bytes = self._silent_frames = self._loud_frames = self._end = 0

    def frame(self, frame: Audio, sequence: int = 0) -> list[bytes]:
        """One of the caller's frames, with its number. Returns what goes to the agent now."""
        mulaw = frame.mulaw
        if not mulaw:
            return []  # an empty message may mean the end to an agent
        pieces = [mulaw]
        gap_ms = frame.timestamp - self._end - self._fed_ms if self._end else 0
        self._fed_ms = 0
        if gap_ms > GAP_MS:
            missing = min(gap_ms, FILL_AT_MOST_MS) * BYTES_PER_MS
            pieces.insert(0, SILENCE * (missing - missing % FRAME_BYTES))
        self._end = frame.timestamp + len(mulaw) // BYTES_PER_MS
        self.clock = max(self.clock, self._end)
        self._newest.append(mulaw)
        if self._is_open and is_speech(mulaw):
            self._is_loud_now()
        if self._is_ready and not self._waiting:
            self.given = sequence
            return pieces
        sound = b"".join(pieces)
        for at in range(0, len(sound), FRAME_BYTES):  # a fill too waits, and follows, by frames
            self._wait(sound[at : at + FRAME_BYTES], sequence)
        return []

    def _is_loud_now(self) -> None:
        self.last_loud = self.clock
        self._loud_since_open += 1

    def fed(self, mulaw: bytes) -> bytes:
        """Silence that goes to the agent while no frame comes: it is not put in again for those."""
        self._fed_ms += len(mulaw) // BYTES_PER_MS
        return mulaw

    def _wait(self, piece: bytes, sequence: int) -> None:
        is_loud = is_speech(piece)
        self._loud_frames += is_loud
        self._waited_loud = self.clock if is_loud else self._waited_loud
        self._silent_frames = 0 if is_loud else self._silent_frames + 1
        if self._silent_frames > SILENCE_FRAMES:
            return
        self._waiting.append((sequence, piece))
        self._waiting_bytes += len(piece)
        while self._waiting_bytes > WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft()[1])

    def agent_is_ready(self) -> None:
        """From now on frames go through, behind those that wait."""
        self._is_ready = True

    @property
    def is_behind(self) -> bool:
        """Whether frames wait for their turn: `catch_up` is to be called each 20 ms."""
        return bool(self._waiting)

    @property
    def has_spoken(self) -> bool:
        """Whether somebody speaks in what waits."""
        return self._loud_frames >= SPOKEN_FRAMES

    def catch_up(self) -> list[bytes]:
        """The next of the waiting frames, as many as go in 20 ms."""
        count = min(RESUME_SPEED, len(self._waiting))
        pieces = []
        for _ in range(count):
            self.given, piece = self._waiting.popleft()
            self._waiting_bytes -= len(piece)
            pieces.append(piece)
        if self._is_open and any(map(is_speech, pieces)):
            self._is_loud_now()  # to the agent
        if not self._waiting:
            self._silent_frames = self._loud_frames = 0
        return pieces

    def open_utterance(self) -> None:
        """The caller began to speak."""
        self._is_open = True
        self._loud_since_open = 0
        self.last_loud = self.clock

    def close_utterance(self) -> None:
        """His words are confirmed, or somebody else's turn has come."""
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether an utterance has begun and no word of it is confirmed."""
        return self._is_open

    @property
    def spoke_lately(self) -> bool:
        """Whether he would be talked over, as far as that is known without an agent."""
        loud = max(self._waited_loud, self.last_loud if self._is_open else -SPOKE_MS)
        return self.clock - loud < SPOKE_MS

    @property
    def is_loud(self) -> bool:
        """Whether of his newest frames more are loud than click: an agent may soon hear him."""
        return sum(map(is_speech, self._newest)) > CLICK_FRAMES

    def take_cough(self) -> bool:
        """Whether an utterance without a word was short, and is long over; told once of each."""
        is_cough = self._loud_since_open <= COUGH_FRAMES and self.quiet_ms >= QUIET_MS
        if is_cough:
            self._loud_since_open = COUGH_FRAMES + 1
        return is_cough

    @property
    def quiet_ms(self) -> int:
        """For how long nothing has been loud in an open utterance; 0 while frames wait."""
        return self.clock - self.last_loud if self._is_open and not self._waiting else 0
