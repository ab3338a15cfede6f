"""espeak-ng in this process, through ctypes.

espeak hands its sound over in pieces, to a callback, while espeak_Synth runs (its mode is
"synchronous": no thread, no sound card). It is one global machine, hence the lock.

It is not deterministic by itself, in two ways. The phase of its vibrato runs on from sentence
to sentence, and neither espeak_Initialize nor espeak_Terminate resets it: so the library is
loaded anew for every sentence and unloaded after. Its breath noise is drawn from a generator of
its own and from the C library's, seeded by the clock: so both are seeded here. Together with
the loading, 3 s of speech take some 10 ms.
"""

import ctypes
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from sim.voice.pcm import resample

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3

_SEED = 1

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

_lock = Lock()


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of espeak's with a variant of it, words a minute, and a pitch of 0 to 99."""

    name: str
    rate: int
    pitch: int


SPEAKERS = {
    "agent": Speaker("en-us+f3", rate=165, pitch=50),
    "caller": Speaker("en-gb-x-rp+m3", rate=175, pitch=42),
}


def say(text: str, voice: str) -> list[float]:
    """Say `text`: samples at 8 kHz, of no particular level.

    Raises:
        ImportError: If espeakng_loader is not installed.
        OSError: If the library or its data cannot be loaded.
    """
    heard = array("h")

    def hear(samples: int | None, count: int, _events: int | None) -> int:
        if samples:
            heard.frombytes(ctypes.string_at(samples, count * heard.itemsize))
        return 0

    callback = _Callback(hear)  # named, so that it lives as long as espeak may call it
    with _lock, _loaded() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        _choose(library, SPEAKERS[voice])
        _synthesize(library, text.encode() + b"\0")
    return resample(heard, rate)


@contextmanager
def _loaded() -> Iterator[tuple[ctypes.CDLL, int]]:
    """A fresh copy of the library, and the rate in Hz at which it speaks."""
    import espeakng_loader  # noqa: PLC0415 - an optional extra

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        yield library, _initialize(library, espeakng_loader.get_data_path())
    finally:
        library.espeak_Terminate()
        _unload(library)


def _initialize(library: ctypes.CDLL, data: str) -> int:
    rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DO_NOT_EXIT))
    if rate < 0:
        raise OSError(f"espeak-ng does not start with the data in {data}")
    ctypes.CDLL(None).srand(_SEED)
    library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
    return rate


def _choose(library: ctypes.CDLL, speaker: Speaker) -> None:
    if library.espeak_SetVoiceByName(speaker.name.encode()):
        # With a path that it cannot read, espeak starts all the same, and then knows no voices.
        raise OSError(f"espeak-ng has no voice {speaker.name}: is its path above 160 characters?")
    library.espeak_SetParameter(_RATE, speaker.rate, 0)
    library.espeak_SetParameter(_PITCH, speaker.pitch, 0)


def _synthesize(library: ctypes.CDLL, text: bytes) -> None:
    status = library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, _UTF8, None, None)
    if status:
        raise OSError(f"espeak-ng refuses to speak: status {status}")


def _unload(library: ctypes.CDLL) -> None:
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = [ctypes.c_void_p]
    dlclose(library._handle)
