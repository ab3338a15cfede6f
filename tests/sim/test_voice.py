"""Speech for the stand-ins: both backends, and what the telephone gets of them."""

import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import espeakng_loader
import pytest

from shared.sound import DECODE, FRAME_BYTES, RATE, SILENCE, is_speech, loudness
from sim import voice
from sim.voice import backend, espeak, pcm, speak, syllables

SENTENCE = "Good morning, this is the front desk. How can I help you today?"
BACKENDS = [espeak, syllables]


def say(with_backend: ModuleType, text: str = SENTENCE, by: str = "agent") -> bytes:
    return pcm.finish(with_backend.say(text, by))


def frames(mulaw: bytes) -> list[bytes]:
    whole = len(mulaw) - len(mulaw) % FRAME_BYTES
    return [mulaw[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]


def power(mulaw: bytes, hertz: float) -> float:
    """How much of a sound lies at one frequency."""
    turn = 2j * math.pi * hertz / RATE
    return abs(sum(DECODE[code] * math.e ** (turn * at) for at, code in enumerate(mulaw)))


def tone(hertz: float, rate: int, count: int) -> list[float]:
    return [10_000 * math.sin(2 * math.pi * hertz * at / rate) for at in range(count)]


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        voice.backend.cache_clear()
        voice._speak.cache_clear()

    monkeypatch.setattr(voice, "find_spec", lambda _name: None)
    forget()
    yield
    forget()


@pytest.mark.parametrize("spoken", BACKENDS)
@pytest.mark.parametrize("by", voice.VOICES)
def test_a_sentence_takes_as_long_as_to_say_it(spoken: ModuleType, by: str) -> None:
    assert 3.0 < len(say(spoken, by=by)) / RATE < 6.0


@pytest.mark.parametrize("spoken", BACKENDS)
@pytest.mark.parametrize("by", voice.VOICES)
def test_most_frames_of_a_sentence_are_speech(spoken: ModuleType, by: str) -> None:
    heard = frames(say(spoken, by=by))

    assert sum(map(is_speech, heard)) > 0.6 * len(heard)
    assert sorted(map(loudness, heard))[len(heard) * 3 // 4] > 65


@pytest.mark.parametrize("spoken", BACKENDS)
@pytest.mark.parametrize("by", voice.VOICES)
def test_nothing_clips(spoken: ModuleType, by: str) -> None:
    assert 26_000 < max(abs(DECODE[code]) for code in say(spoken, by=by)) < 30_000


@pytest.mark.parametrize("spoken", BACKENDS)
def test_silence_around_speech_is_at_most_40_ms(spoken: ModuleType) -> None:
    heard = say(spoken)

    assert any(DECODE[code] > 500 for code in heard[: RATE * 60 // 1000])
    assert any(DECODE[code] > 500 for code in heard[-RATE * 60 // 1000 :])


@pytest.mark.parametrize("spoken", BACKENDS)
def test_the_same_text_is_the_same_sound_whatever_was_said_between(spoken: ModuleType) -> None:
    first = say(spoken)
    say(spoken, "No.", by="caller")

    assert say(spoken) == first


@pytest.mark.parametrize("spoken", BACKENDS)
def test_the_two_voices_differ(spoken: ModuleType) -> None:
    assert say(spoken, by="agent") != say(spoken, by="caller")


@pytest.mark.parametrize("spoken", BACKENDS)
@pytest.mark.parametrize("text", ["", "   ", "...", "\0"])
def test_what_cannot_be_said_is_no_sound(spoken: ModuleType, text: str) -> None:
    assert say(spoken, text) == b""


@pytest.mark.parametrize("spoken", BACKENDS)
@pytest.mark.parametrize("text", ["a", "hmm", "4417", "naïve café, 東京", "x" * 300])
def test_whatever_is_said_is_sound(spoken: ModuleType, text: str) -> None:
    assert is_speech(max(frames(say(spoken, text)), key=loudness))


@pytest.mark.parametrize("spoken", BACKENDS)
def test_each_backend_has_every_voice(spoken: ModuleType) -> None:
    assert set(spoken.SPEAKERS) == set(voice.VOICES)


def test_threads_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: say(espeak, "One at a time."), range(8)))) == 1


def test_another_process_says_the_same() -> None:
    program = "from sim.voice import *; import sys; sys.stdout.buffer.write(speak('Hello there.'))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert other.stdout == speak("Hello there.")


def test_words_are_spoken_where_espeak_is_installed() -> None:
    assert backend() == "espeak"
    assert speak(SENTENCE) == say(espeak)
    assert speak(SENTENCE) is speak(SENTENCE, voice="agent")


@pytest.mark.usefixtures("without_wheel")
def test_syllables_are_spoken_where_espeak_is_not() -> None:
    assert backend() == "syllables"
    assert speak(SENTENCE) == say(syllables)


def test_an_unknown_voice_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no voice 'robot': there are agent and caller"):
        speak("Hello.", voice="robot")


def test_a_broken_espeak_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: "/nowhere")

    with pytest.raises(OSError, match="no voice en-us"):
        espeak.say("Hello.", "agent")


def test_the_telephone_band_passes_and_what_lies_above_does_not_fold_back() -> None:
    kept = pcm.resample(tone(1000, 22_050, 22_050), 22_050)[200:-200]
    folded = pcm.resample(tone(5000, 22_050, 22_050), 22_050)[200:-200]

    assert 9_900 < max(kept) < 10_100
    assert max(folded) < 100  # -40 dB


def test_resampling_keeps_the_time_and_the_pitch() -> None:
    made = pcm.finish(pcm.resample(tone(440, 22_050, 22_050), 22_050))

    assert abs(len(made) - RATE) <= 1
    assert power(made, 440) > 100 * power(made, 220)


def test_finishing_trims_to_40_ms_and_keeps_what_is_between() -> None:
    loud, pause = tone(400, RATE, 800), [0.0] * 4000
    made = pcm.finish([*pause, *loud, *pause, *loud, *pause])

    assert made[: RATE * 38 // 1000] == SILENCE * (RATE * 38 // 1000)
    assert abs(len(made) - (2 * 320 + 800 + 4000 + 800)) <= 4


def test_a_longer_word_has_more_syllables() -> None:
    assert len(say(syllables, "conversation")) > 2 * len(say(syllables, "talk"))
    assert len(say(syllables, "4417")) > 3 * len(say(syllables, "4"))


def test_punctuation_makes_a_pause() -> None:
    with_stop, without = say(syllables, "yes. no"), say(syllables, "yes no")

    assert len(with_stop) - len(without) == 0.35 * RATE
