"""8 kHz mu-law: the code is G.711's, and loudness tells speech from line noise."""

import random

import pytest

from shared.sound import (
    DECODE,
    FRAME_BYTES,
    FRAME_S,
    SILENCE,
    SILENT_FRAME,
    encode_table,
    is_speech,
    loudness,
)

CODES = encode_table()


def encode(samples: list[int]) -> bytes:
    return bytes(CODES[sample & 0xFFFF] for sample in samples)


# Table 2 of ITU-T G.711, scaled from its 14 bits to 16.
@pytest.mark.parametrize(
    ("code", "sample"),
    [
        (0x80, 32124),
        (0x8F, 16764),
        (0x9F, 8316),
        (0xAF, 4092),
        (0xBF, 1980),
        (0xCF, 924),
        (0xDF, 396),
        (0xEF, 132),
        (0xFE, 8),
        (0xFF, 0),
        (0x00, -32124),
        (0x7E, -8),
    ],
)
def test_a_code_is_the_sample_that_g711_says(code: int, sample: int) -> None:
    assert DECODE[code] == sample
    assert encode([sample]) == bytes([code])


def test_every_code_comes_back_from_its_sample() -> None:
    codes = [code for code in range(256) if code != 0x7F]

    assert encode([DECODE[code] for code in codes]) == bytes(codes)


def test_negative_zero_comes_back_as_silence() -> None:
    assert encode([DECODE[0x7F]]) == SILENCE


def test_a_sample_is_encoded_within_half_a_step() -> None:
    for sample in range(-32124, 32125, 7):
        assert abs(DECODE[CODES[sample & 0xFFFF]] - sample) <= max(4, (abs(sample) + 132) >> 5)


@pytest.mark.parametrize(("sample", "code"), [(32767, 0x80), (-32768, 0x00)])
def test_what_is_too_loud_is_clipped(sample: int, code: int) -> None:
    assert encode([sample]) == bytes([code])


def test_a_frame_is_20_ms() -> None:
    assert len(SILENT_FRAME) == FRAME_BYTES
    assert FRAME_S == 0.02


def test_silence_and_nothing_have_no_loudness() -> None:
    assert loudness(SILENT_FRAME) == 0
    assert loudness(b"") == 0
    assert not is_speech(SILENT_FRAME)


def test_loudness_does_not_depend_on_the_sign() -> None:
    assert loudness(b"\x00") == loudness(b"\x80") == 127


def test_line_noise_is_not_speech() -> None:
    noise = random.Random(1)

    assert loudness(encode([noise.randint(-80, 80) for _ in range(FRAME_BYTES)])) < 30


def test_a_tone_18_db_below_the_loudest_is_speech() -> None:
    assert is_speech(encode([4000, 2800, 0, -2800, -4000, -2800, 0, 2800] * 20))
