"""A voice without words, in pure Python: each syllable is a buzz shaped by two formants.

A vowel is what the throat leaves of a buzz: two resonances, the formants, whose places tell
"ah" from "ee". Here the buzz is a sawtooth, a formant is a two-pole filter, and each group of
vowel letters is a syllable of its own colour. A word lasts as long as it would take to say it,
the pitch falls along a sentence, and punctuation makes a pause: by energy and rhythm this is
speech, and two sentences never sound alike.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.sound import RATE

CHARS_PER_S = 14.0
"""How fast English is read aloud, the spaces counted in."""

_FORMANTS_HZ = {
    "a": (730.0, 1090.0),
    "e": (530.0, 1840.0),
    "i": (270.0, 2290.0),
    "o": (570.0, 840.0),
    "u": (300.0, 870.0),
    "y": (300.0, 2000.0),
}
_BANDWIDTH_HZ = 90.0

_PAUSE_S = {",": 0.15, ";": 0.2, ":": 0.2, ".": 0.35, "!": 0.35, "?": 0.35}

# The silence between two words. A real speaker leaves none, but then there are no edges to hear.
_GAP_S = 0.03

# Each syllable lies a little lower than the one before it; a sentence's end takes it back.
_DECLINATION = 0.985

_TOKEN = re.compile(r"[^\W_]+|[.,;:!?]")
_NUCLEUS = re.compile(r"[aeiouy]+|\d")


@dataclass(frozen=True, slots=True)
class Speaker:
    """The pitch in Hz at which a sentence begins, and how much smaller than a man's the head is."""

    pitch: float
    formants: float


SPEAKERS = {"agent": Speaker(205.0, 1.15), "caller": Speaker(115.0, 1.0)}


def say(text: str, voice: str) -> list[float]:
    """Say `text`: samples at 8 kHz, of no particular level."""
    speaker = SPEAKERS[voice]
    pitch = speaker.pitch
    said: list[float] = []
    for token in _TOKEN.findall(text.lower()):
        if token in _PAUSE_S:
            said += _silence(_PAUSE_S[token])
            pitch = speaker.pitch
            continue
        for vowel, seconds in _syllables(token):
            said += _syllable(vowel, seconds, pitch, speaker.formants)
            pitch *= _DECLINATION
        said += _silence(_GAP_S)
    return said


def _syllables(word: str) -> Iterator[tuple[str, float]]:
    """The vowel that colours each syllable of a word, and how long it lasts.

    A digit is a syllable, and as long as a short word. What is spelt without vowels is one "e".
    """
    nuclei = _NUCLEUS.findall(word) or ["e"]
    letters = max(len(word) + 1, 4 * sum(nucleus.isdigit() for nucleus in nuclei))
    seconds = max(letters / CHARS_PER_S - _GAP_S, 0.1)
    for nucleus in nuclei:
        colour = "aeiouy"[int(nucleus) % 6] if nucleus.isdigit() else nucleus[0]
        yield colour, seconds / len(nuclei)


def _syllable(vowel: str, seconds: float, pitch: float, scale: float) -> list[float]:
    count = int(seconds * RATE)
    sound = [2.0 * (tick * pitch / RATE % 1.0) - 1.0 for tick in range(count)]
    for formant in _FORMANTS_HZ[vowel]:
        sound = _resonate(sound, formant * scale)
    # Rises and falls within the syllable, and is nothing at its ends.
    return [math.sin(math.pi * at / count) ** 0.5 * value for at, value in enumerate(sound)]


def _resonate(sound: list[float], hertz: float) -> list[float]:
    """A two-pole filter that rings at `hertz`; a constant passes unchanged."""
    radius = math.exp(-math.pi * _BANDWIDTH_HZ / RATE)
    back1, back2 = 2 * radius * math.cos(2 * math.pi * hertz / RATE), -radius * radius
    gain = 1.0 - back1 - back2
    rung = []
    last = before = 0.0
    for value in sound:
        last, before = gain * value + back1 * last + back2 * before, last
        rung.append(last)
    return rung


def _silence(seconds: float) -> list[float]:
    return [0.0] * int(seconds * RATE)
