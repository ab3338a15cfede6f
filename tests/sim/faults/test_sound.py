"""Figures out of the carrier's ground truth."""

from shared.sound import SILENCE
from sim.faults import sound
from sim.phone.caller import Spoken
from sim.phone.playback import Playback
from sim.phone.record import CallResult, StreamRecord
from sim.voice import speak

TEXT = "It is noon."
LOUD = b"\x80" * 1600
"""0.2 s of speech."""

PAUSE = SILENCE * 8000
"""A second."""


def stream(*pieces: tuple[float, bytes], ended_ms: float = 60_000.0) -> StreamRecord:
    """A stream on which these were sent, each at its time."""
    record = StreamRecord("MZ", "ws://x", 0.0, ended_ms=ended_ms, playback=Playback())
    for at_ms, mulaw in pieces:
        record.playback.media(mulaw, at_ms)
    record.playback.advance(ended_ms)
    return record


def test_a_sentence_is_heard_whole_or_not() -> None:
    said = speak(TEXT)
    whole = CallResult("CA", streams=[stream((0, said))])
    cut = CallResult("CA", streams=[stream((0, said[:-800]))])

    assert sound.heard_whole(whole, TEXT)
    assert not sound.heard_whole(whole, TEXT, TEXT)
    assert not sound.heard_whole(cut, TEXT)


def test_what_was_heard_of_a_sentence_ends_where_it_was_cut() -> None:
    said = speak(TEXT)

    assert sound.heard_of(LOUD + said[:4000] + LOUD, TEXT) == 4000
    assert sound.heard_of(LOUD, TEXT) == 0


def test_the_longest_silence_lies_between_two_words() -> None:
    track = PAUSE + LOUD + PAUSE + PAUSE + LOUD

    assert sound.longest_silence_ms(track, 1000, 4000) == 2000
    assert sound.longest_silence_ms(track, 0, 1200) == 1000
    assert sound.next_speech_ms(track, 1250) == 3200
    assert sound.next_speech_ms(track, 3500) is None


def test_an_answer_is_timed_from_the_last_word() -> None:
    result = CallResult("CA", streams=[stream((1700, LOUD), ended_ms=5000)])
    result.spoken += [Spoken("", 0, 1300), Spoken("", 3000, 4000)]

    assert sound.answers_ms(result) == [(1300, 400)]
