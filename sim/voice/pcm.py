"""From a synthesizer's samples to a telephone's mu-law: rate, edges, level, code.

Halving a rate without a filter folds what lay above the new band back into it as whistles.
`resample` therefore weighs, for each sample it makes, the 48 old ones around that instant with
a windowed sinc, which is a low-pass. 22,050 and 8,000 Hz meet only at every 160th new sample;
the 160 places that a new sample can have between two old ones (the phases) each have their
weights, computed once. That is 48 multiplications a sample, which needs no numpy.

A synthesizer leaves 40 dB between a vowel and the murmur beside it; a telephone, with its
automatic gain, half of that. `finish` presses the peaks together as an overdriven amplifier
does, and that lifts the rest.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import mul

from shared.sound import RATE, encode_table

CUTOFF_HZ = 3300.0
"""Middle of the filter's slope, which is 1.5 kHz wide: its foot is at the 4 kHz limit."""

HALF_TAPS = 24
"""Old samples that count, on each side of a new one."""

PEAK = 28_000
"""The loudest sample of an utterance, to 1 %. Mu-law clips at 32,635."""

DRIVE = 3.0
"""How far the amplifier is overdriven: quiet sound gains up to this factor, the peak nothing."""

EDGE_SAMPLES = RATE * 40 // 1000
"""Silence left before and after: 40 ms, enough not to clip a soft consonant."""

# Below this part of the peak (-40 dB) the edge of an utterance is silence.
_QUIET = 0.01


def resample(samples: Sequence[float], rate: int) -> list[float]:
    """Bring samples taken at `rate` Hz to 8 kHz."""
    phases, step = _kernel(rate)
    margin = [0.0] * HALF_TAPS
    padded = [*margin, *map(float, samples), *margin]
    made = []
    for tick in range(0, len(samples) * len(phases), step):
        old, phase = divmod(tick, len(phases))
        # Old sample n lies at n + HALF_TAPS of `padded`, and the window begins before it.
        window = padded[old + 1 : old + 1 + 2 * HALF_TAPS]
        made.append(sum(map(mul, phases[phase], window)))
    return made


def finish(samples: Sequence[float]) -> bytes:
    """Trim the edges of an 8 kHz utterance, bring it to level, and encode it.

    Its loudest sample becomes PEAK. Without any sound it is b"".
    """
    peak = max(map(abs, samples), default=0.0)
    if not peak:
        return b""
    return _encode(PEAK * math.tanh(DRIVE * s / peak) for s in _trim(samples, peak * _QUIET))


def _encode(samples: Iterable[float]) -> bytes:
    views = memoryview(array("h", map(round, samples))).cast("B").cast("H")
    return bytes(map(_codes().__getitem__, views))


def _trim(samples: Sequence[float], quiet: float) -> Sequence[float]:
    loud = [at for at, sample in enumerate(samples) if abs(sample) > quiet]
    return samples[max(0, loud[0] - EDGE_SAMPLES) : loud[-1] + 1 + EDGE_SAMPLES]


@lru_cache(maxsize=1)
def _codes() -> bytes:
    return encode_table()


@lru_cache(maxsize=4)
def _kernel(rate: int) -> tuple[list[list[float]], int]:
    """The weights of each phase, and how many phases lie between two new samples."""
    common = math.gcd(rate, RATE)
    count = RATE // common
    return [_weights(phase / count, rate) for phase in range(count)], rate // common


def _weights(offset: float, rate: int) -> list[float]:
    """How the old samples around a new one count, `offset` (0 to 1) after the middle one.

    They sum to one in each phase; else a constant would come out with a ripple.
    """
    distances = [offset - tap for tap in range(1 - HALF_TAPS, HALF_TAPS + 1)]
    raw = [_sinc(2 * CUTOFF_HZ / rate * far) * _hamming(far / HALF_TAPS) for far in distances]
    total = sum(raw)
    return [weight / total for weight in raw]


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


def _hamming(x: float) -> float:
    return 0.54 + 0.46 * math.cos(math.pi * x)
