"""8 kHz mu-law sound (ITU-T G.711): the one format from the phone to the agent and back.

Nothing in the bridge transcodes; what stands here is for hearing whether
somebody speaks, and for those who turn recordings into PCM or PCM into speech.
"""

RATE = 8000
"""Bytes, and samples, a second."""

FRAME_BYTES = 160
"""One of Twilio's media frames: 20 ms."""

FRAME_S = FRAME_BYTES / RATE

SILENCE = b"\xff"
"""Positive zero in mu-law."""

SILENT_FRAME = SILENCE * FRAME_BYTES

SPEECH_LEVEL = 45.0
"""`loudness` above which a frame is speech: line noise lies below 30, a quiet voice above 60."""


def _decode(byte: int) -> int:
    """One mu-law byte as a 16-bit sample."""
    inverted = ~byte & 0xFF
    exponent, mantissa = (inverted >> 4) & 7, inverted & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return -magnitude if inverted & 0x80 else magnitude


def _encode(sample: int) -> int:
    """One 16-bit sample as a mu-law byte."""
    sign = 0x80 if sample < 0 else 0
    biased = min(abs(sample), 32635) + 0x84
    exponent = biased.bit_length() - 8
    return ~(sign | exponent << 4 | (biased >> (exponent + 3)) & 0x0F) & 0xFF


DECODE = tuple(_decode(byte) for byte in range(256))
"""Mu-law byte to signed 16-bit sample."""

# Mu-law is logarithmic: its seven magnitude bits already are a loudness, 0 to 127.
_LEVEL = bytes(~byte & 0x7F for byte in range(256))


def encode_table() -> bytes:
    """Mu-law bytes for the 65,536 unsigned 16-bit views of a sample, in that order."""
    return bytes(_encode(view - 0x10000 if view & 0x8000 else view) for view in range(0x10000))


def loudness(mulaw: bytes) -> float:
    """How loud a piece of sound is: the mean logarithmic magnitude, 0 (silence) to 127."""
    return sum(mulaw.translate(_LEVEL)) / len(mulaw) if mulaw else 0.0


def is_speech(mulaw: bytes) -> bool:
    """Whether a frame is loud enough to be somebody's voice."""
    return loudness(mulaw) >= SPEECH_LEVEL
