"""Which stretch of the agent's sound says which sentence.

The log knows the sentences and the streams know the sound, and both know the
interruptions, so between two of these lie so many sentences and so much sound.
Of those that were cut the log holds the length, to the byte. For the others
there are the places at which an utterance began, since each sentence begins
one (not every utterance is a sentence: a lull ends one, too). Among these, each
sentence takes the place nearest to where its share of the letters would have it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from replay.clock import BYTES_PER_MS, Moment
from replay.heard import STEP_MS
from shared.record import Cut, Said


@dataclass(slots=True)
class Sentence:
    """A sentence from the log: when its text came, and what the log says of its sound."""

    said: Said
    ms: float
    cut: Cut | None = None
    start: int = field(default=0)
    end: int = field(default=0)  # of its sound, bytes; the same as `start` if there is none

    @property
    def is_silent(self) -> bool:
        """Whether the owner knew of no sound to it."""
        return self.cut is not None and self.cut.of_ms == 0


def sentences(moments: Sequence[Moment]) -> list[tuple[int, Sentence]]:
    """The log's sentences, each with its index in the log."""
    found: list[tuple[int, Sentence]] = []
    for index, moment in enumerate(moments):
        match moment.entry:
            case Said() as said:
                found.append((index, Sentence(said, moment.ms)))
            case Cut(number) as cut:
                same = (s for _, s in reversed(found) if s.said.sentence == number)
                sentence = next(same, None)
                if sentence:
                    sentence.cut = cut
    return found


def divide(
    told: Sequence[Sentence],
    first: int,
    last: int,
    starts: Sequence[int],
    heard_at: Callable[[int], float | None],
) -> None:
    """Share out the sound from `first` up to `last` among these sentences, in order.

    Args:
        starts: Positions at which utterances begin.
        heard_at: When the sound at a position was heard, if it was.
    """
    whole = [each for each in told if not each.is_silent]
    while whole and (cut := whole[-1].cut):
        whole[-1].end = last
        last = max(first, last - cut.of_ms * BYTES_PER_MS)
        whole.pop().start = last
    letters = sum(len(each.said.text) for each in whole) or 1
    begin, share = first, 0
    for number, each in enumerate(whole, 1):
        share += len(each.said.text)
        wanted = first + (last - first) * share // letters
        possible = [at for at in starts if begin < at < last]
        end = _end(possible, whole[number:], wanted, heard_at) or last
        each.start, each.end = begin, end
        begin = end


def _end(
    possible: Sequence[int],
    after: Sequence[Sentence],
    wanted: int,
    heard_at: Callable[[int], float | None],
) -> int | None:
    """Where a sentence ends, of the places at which those after it may begin."""
    if not after:
        return None
    timely = [at for at in possible if _is_timely(after[0], heard_at(at))]
    # The last places are needed by the last sentences.
    left = timely[: len(timely) - len(after) + 1] or timely
    return min(left, key=lambda at: abs(at - wanted), default=None)


def _is_timely(sentence: Sentence, heard_ms: float | None) -> bool:
    """Whether sound heard at this time can be the sentence's: text comes before sound."""
    return heard_ms is None or heard_ms >= sentence.ms - STEP_MS


def heard_words(text: str, heard: int, of: int) -> str:
    """The words that lie before this position, by their share of the sound."""
    if heard >= of > 0:
        return text
    cut = text[: int(len(text) * heard / of) + 1] if heard > 0 else ""
    return cut[: cut.rfind(" ")].rstrip() if " " in cut else ""
