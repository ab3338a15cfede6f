"""Speech for the stand-ins: a sentence in, 8 kHz mu-law out.

Two backends speak, and the better one that is installed does:

    espeak     espeak-ng, in this process: words that a person and a recogniser understand.
               GPL, hence an optional extra and not in the production image.
    syllables  built in, pure Python: the rhythm, pitch and level of speech without its words.
               Enough for everything that hears speech by its energy.

Both are deterministic, the same text being the same bytes in every process, so that a test
may ask whether what was said is what arrived. What is spoken stays in a cache.
"""

from functools import lru_cache
from importlib.util import find_spec

from sim.voice import espeak, syllables
from sim.voice.pcm import finish

VOICES = ("agent", "caller")
"""The speakers: a woman with an American accent, a man with a British one."""

# Sentences kept. One of 3 s is 24 kB, so this is some 12 MB.
_CACHED = 512


@lru_cache(maxsize=1)
def backend() -> str:
    """Which backend speaks in this process: "espeak" or "syllables"."""
    return "espeak" if find_spec("espeakng_loader") else "syllables"


def speak(text: str, voice: str = "agent") -> bytes:
    """Say `text`: mu-law at 8 kHz, with at most 40 ms of silence before and after.

    Not rounded up to whole frames. Text in which nothing can be said is b"".

    Raises:
        ValueError: If there is no such voice.
        OSError: If espeak-ng is installed but does not start.
    """
    if voice not in VOICES:
        raise ValueError(f"no voice {voice!r}: there are {' and '.join(VOICES)}")
    return _speak(text, voice)


@lru_cache(maxsize=_CACHED)
def _speak(text: str, voice: str) -> bytes:
    say = espeak.say if backend() == "espeak" else syllables.say
    return finish(say(text, voice))
