"""What the caller has heard: the agent's sound on its way to the ear, as a ledger of bytes.

Sound goes out far faster than it is played, so "sent" says nothing. Twilio
echoes a mark when all sound before it has been played, and that is the only
news there is. Positions count bytes of the agent's sound through the call; times
are milliseconds of the caller's stream clock.

      confirmed          heard            sent
         |                 |                |
    =====|=================|----------------|
         ^ last echo       ^ plus the time since, never beyond what was sent

Sound that follows silence starts to play at a moment nobody tells, so until its
first mark is echoed none of it counts. Therefore the first mark goes right after
an utterance's first piece, then one each half second, and one at its end.

After a `clear` Twilio echoes the marks that are left at once. Those say nothing,
so a clear settles the ledger first: what was heard by then is heard, the rest is
gone, and an echo of a forgotten mark is not news.

Whatever is not confirmed is kept, in order. A phone that comes (or comes back)
is sent exactly that: a greeting held for the phone is the same thing.

A ledger is lost with its worker, but all of it lies on the bus: `restore` makes
it again from what went down and which marks came up.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared import messages
from shared.messages import Audio, Clear, Down, Mark
from shared.sound import FRAME_BYTES, SILENCE

BYTES_PER_MS = 8

# Sound between marks: half a second.
MARK_EVERY = 4000

# No agent speaks faster than this.
MS_A_CHARACTER_AT_LEAST = 40

# Sound kept for a phone that has not confirmed it: five minutes. More is not kept, and
# such a phone, when it comes back, will miss the oldest.
KEEP_BYTES = 300 * 1000 * BYTES_PER_MS


@dataclass(slots=True)
class Sentence:
    """A sentence and the stretch of sound that says it: bytes from `start` up to `end`."""

    number: int
    text: str = field(repr=False)
    start: int
    end: int

    @property
    def is_silent(self) -> bool:
        """Whether no sound came for it (yet): such a sentence has not been heard."""
        return self.start == self.end

    @property
    def sounded_ms(self) -> int:
        return (self.end - self.start) // BYTES_PER_MS

    @property
    def is_short(self) -> bool:
        """Whether this is too little sound to be all of it, though it has stopped."""
        return self.is_silent or self.sounded_ms < len(self.text) * MS_A_CHARACTER_AT_LEAST

    def heard_text(self, heard: int) -> str:
        """The words that lie before this position, by their share of the sound."""
        if heard <= self.start or self.is_silent:
            return ""
        if heard >= self.end:
            return self.text
        return whole_words(self.text, (heard - self.start) / (self.end - self.start))


def whole_words(text: str, share: float) -> str:
    """The beginning of a text, as much as this share of it, cut at a whole word."""
    cut = text[: int(len(text) * share) + 1]
    return cut[: cut.rfind(" ")].rstrip() if " " in cut else ""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What an interruption did to a sentence: how much of it was heard."""

    sentence: int
    heard_ms: int
    of_ms: int
    text: str = field(repr=False)


class Playout:
    """The ledger. Methods that return messages return what to send down to the phone now.

    Args:
        prefix: Makes mark names unique among all that owned the call.
        sentences: Number of the call's last sentence so far.
    """

    def __init__(self, prefix: str, sentences: int = 0) -> None:
        self._prefix = prefix
        self._marks_made = 0
        self._remainder = b""
        self._since_mark = 0
        self._in_utterance = False
        self._kept: deque[tuple[int, Down]] = deque()  # (end position, message)
        self._kept_bytes = 0
        self._unsent: list[Down] = []  # what has come since the phone went
        self._marks: dict[str, int] = {}  # those not echoed yet: name -> position
        self._sentences: deque[Sentence] = deque()
        self._sentences_made = sentences
        self._newest = 0  # of the sentences that a restored ledger tells of
        self._confirmed = 0
        self._confirmed_at: int | None = None  # None: what plays now is not confirmed to play
        self.sent = 0
        self.is_attached = False

    # -- the agent speaks -----------------------------------------------------

    def text(self, text: str) -> tuple[int, list[Down]]:
        """A sentence comes; its sound follows. Returns its number, and what ends the one before."""
        ending = self.end()
        self._sentences_made += 1
        self._sentences.append(Sentence(self._sentences_made, text, self.sent, self.sent))
        return self._sentences_made, ending

    def unheard_text(self) -> int:
        """A sentence comes whose sound nobody will hear. Returns its number."""
        self._sentences_made += 1
        return self._sentences_made

    def sound(self, mulaw: bytes) -> list[Down]:
        """A piece of sound comes, of any length; it goes on in multiples of 160 bytes."""
        whole = self._remainder + mulaw
        length = len(whole) - len(whole) % FRAME_BYTES
        self._remainder = whole[length:]
        # A piece longer than the distance between marks is cut up, to have its marks in it.
        out: list[Down] = []
        for at in range(0, length, MARK_EVERY):
            self._send(whole[at : min(at + MARK_EVERY, length)], out)
        return out

    def end(self) -> list[Down]:
        """No more sound for now: what is left over goes out, and a mark behind all."""
        out: list[Down] = []
        if self._remainder:
            padded = self._remainder + SILENCE * (FRAME_BYTES - len(self._remainder))
            self._remainder = b""
            self._send(padded, out)
        if self._since_mark:
            self._mark(out)
        self._in_utterance = False
        return out

    def _send(self, mulaw: bytes, out: list[Down]) -> None:
        if not self._marks and not self._since_mark:
            # The phone has played all there was: when it starts on this, its echo will tell.
            self._confirmed, self._confirmed_at = self.sent, None
        start = self.sent
        self.sent += len(mulaw)
        self._since_mark += len(mulaw)
        if self._sentences:
            self._number(self._sentences[-1], start, out)
        self._keep(Audio(mulaw), out)
        self._kept_bytes += len(mulaw)
        while self._kept_bytes > KEEP_BYTES:
            self._forget_first()
        if not self._in_utterance or self._since_mark >= MARK_EVERY:
            self._in_utterance = True
            self._mark(out)

    def _number(self, sentence: Sentence, start: int, out: list[Down]) -> None:
        """Before a sentence's first sound, its number, for those who read the stream back."""
        if sentence.is_silent:
            sentence.start = start
            self._keep(messages.Sentence(sentence.number), out)
        sentence.end = self.sent

    def _mark(self, out: list[Down]) -> None:
        self._since_mark = 0
        self._marks_made += 1
        mark = Mark(f"{self._prefix}-{self._marks_made}")
        self._marks[mark.name] = self.sent
        self._keep(mark, out)

    def _keep(self, message: Down, out: list[Down]) -> None:
        self._kept.append((self.sent, message))
        (out if self.is_attached else self._unsent).append(message)

    def _forget_first(self) -> None:
        _, message = self._kept.popleft()
        if isinstance(message, Audio):
            self._kept_bytes -= len(message.mulaw)

    # -- the phone answers ----------------------------------------------------

    def attach(self) -> list[Down]:
        """A phone is there: all that no phone has confirmed goes out."""
        self.is_attached = True
        self._confirmed_at = None
        self._unsent.clear()
        return [message for _, message in self._kept]

    def resume(self) -> list[Down]:
        """The phone that seemed gone is there, and has what it had: the rest goes out."""
        self.is_attached = True
        unsent, self._unsent = self._unsent, []
        return unsent

    def restore(
        self, down: Iterable[Down], echoes: Iterable[tuple[str, int]], texts: Mapping[int, str]
    ) -> None:
        """Take over the ledger of a phone that is attached.

        Args:
            down: What was sent to it, or the end of that.
            echoes: Names and times of the marks that it has echoed.
            texts: What the sentences say, by number.
        """
        self.is_attached = True
        for message in down:
            self._account(message, texts)
        # An utterance's first piece has its mark behind it: sound that has none is in the middle.
        self._in_utterance = self._in_utterance or self._since_mark > 0
        for name, clock in echoes:
            self.echo(name, clock)

    def expect(self, said: Mapping[int, str]) -> None:
        """Of these sentences the newest may have come, and no sound of them: nobody heard those."""
        for number in sorted(said):
            if number > self._newest:
                self._sentences.append(Sentence(number, said[number], self.sent, self.sent))

    def _account(self, message: Down, texts: Mapping[int, str]) -> None:
        match message:
            case Audio(mulaw):
                self.sent += len(mulaw)
                self._since_mark += len(mulaw)
                if self._sentences:
                    self._sentences[-1].end = self.sent
            case Mark(name):
                # A mark that is neither the first of an utterance nor due is the one at its end.
                self._in_utterance = not self._in_utterance or self._since_mark >= MARK_EVERY
                self._since_mark = 0
                self._marks[name] = self.sent
            case Clear():
                self._settle()
            case messages.Sentence(number):
                self._in_utterance = False
                self._newest = number
                text = texts.get(number, "")
                self._sentences.append(Sentence(number, text, self.sent, self.sent))
                self._kept.append((self.sent + 1, message))  # it goes with the sound behind it
        if isinstance(message, Audio | Mark):
            self._kept.append((self.sent, message))
            self._kept_bytes += len(message.mulaw) if isinstance(message, Audio) else 0

    def sounded_ms(self) -> dict[int, int]:
        """How much sound there is of those sentences whose end has not come, by their numbers."""
        last = self._sentences[-1].number if self._in_utterance and self._sentences else 0
        return {
            each.number: each.sounded_ms
            for each in self._sentences
            if each.number == last or each.is_short
        }

    def detach(self) -> None:
        """The phone is gone; what it had not confirmed waits for the next."""
        self.is_attached = False

    def echo(self, name: str, clock: int) -> bool:
        """Twilio echoes a mark. Returns whether it is news: not of a mark that a clear settled."""
        position = self._marks.get(name)
        if position is None:
            return False
        self._confirmed, self._confirmed_at = position, clock
        for earlier in [each for each, at in self._marks.items() if at <= position]:
            del self._marks[earlier]
        while self._kept and self._kept[0][0] <= position:
            self._forget_first()
        while len(self._sentences) > 1 and self._sentences[0].end <= position:
            self._sentences.popleft()
        return True

    def take_silent(self) -> list[int]:
        """The numbers of sentences for which no sound has come, and none will."""
        silent = [each.number for each in self._sentences if each.is_silent]
        self._sentences = deque(each for each in self._sentences if not each.is_silent)
        return silent

    def dropped(self, name: str) -> None:
        """This mark never reached the phone: nothing can be learnt from it."""
        self._marks.pop(name, None)

    def heard(self, clock: int) -> int:
        """The position that the caller has heard by now."""
        if self._confirmed_at is None:
            return self._confirmed
        elapsed = max(0, clock - self._confirmed_at)
        return min(self.sent, self._confirmed + elapsed * BYTES_PER_MS)

    @property
    def is_heard_out(self) -> bool:
        """Whether the phone has confirmed every sound that was sent."""
        return not self._marks and not self._since_mark and not self._remainder

    def clear(self, clock: int) -> tuple[list[Down], list[Cleared]]:
        """Forget what has not been heard. Returns the clear, and what it did to each sentence."""
        heard = self.heard(clock)
        cut = [
            Cleared(
                each.number,
                max(0, min(heard, each.end) - each.start) // BYTES_PER_MS,
                (each.end - each.start) // BYTES_PER_MS,
                each.heard_text(heard),
            )
            for each in self._sentences
            if each.end > heard or each.is_silent
        ]
        self._settle()
        if self.is_attached:
            return [Clear()], cut
        self._unsent = [Clear()]
        return [], cut

    def _settle(self) -> None:
        self._remainder = b""
        self._since_mark = 0
        self._in_utterance = False
        self._kept.clear()
        self._kept_bytes = 0
        self._marks.clear()
        self._sentences.clear()
        self._confirmed, self._confirmed_at = self.sent, None
