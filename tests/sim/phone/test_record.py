"""What is said of a call afterwards."""

from shared.sound import SILENCE
from sim.phone.caller import Spoken
from sim.phone.playback import Playback
from sim.phone.record import CallResult, Lateness, StreamRecord
from sim.phone.wire import Rejection

LOUD = b"\x10" * 160


def stream(start_ms: float, ended_ms: float, *sounds: tuple[float, bytes]) -> StreamRecord:
    record = StreamRecord("MZ", "wss://h/x", 0.0, start_ms, ended_ms, playback=Playback(start_ms))
    for at_ms, sound in sounds:
        record.playback.media(sound, at_ms)
    record.playback.advance(ended_ms)
    return record


def test_both_tracks_have_one_clock_and_one_length() -> None:
    result = CallResult("CA", words=bytearray(LOUD * 2))
    result.streams = [stream(0.0, 30.0, (20.0, LOUD)), stream(60.0, 100.0, (60.0, LOUD))]

    assert result.caller_track() == LOUD * 2 + SILENCE * 160 * 3
    assert result.agent_track() == (
        SILENCE * 160 + LOUD[:80] + SILENCE * 240 + LOUD + SILENCE * 160
    )


def test_a_call_without_a_stream_has_empty_tracks() -> None:
    assert CallResult("CA").caller_track() == b""
    assert CallResult("CA").agent_track() == b""


def test_unanswered_is_what_the_agent_was_not_heard_after() -> None:
    said = [Spoken("a", 0.0, 20.0), Spoken("b", 200.0, 220.0), Spoken("c", 600.0, 620.0)]
    result = CallResult("CA", spoken=said)
    result.streams = [stream(0.0, 900.0, (40.0, LOUD), (700.0, LOUD))]

    assert result.unanswered() == [said[1]]


def test_sound_that_was_cut_off_by_the_end_is_no_answer() -> None:
    result = CallResult("CA", spoken=[Spoken("a", 0.0, 20.0)])
    result.streams = [stream(0.0, 100.0, (40.0, SILENCE * 800 + LOUD))]

    assert len(result.unanswered()) == 1


def test_a_code_is_reported_once_a_stream() -> None:
    record = stream(0.0, 0.0)

    assert record.reject(Rejection(31951, "not JSON"))
    assert not record.reject(Rejection(31951, "no event"))
    assert record.reject(Rejection(31950, "binary frame"))
    assert [rejection.why for rejection in record.rejections] == ["not JSON", "binary frame"]


def test_lateness_has_a_mean_and_a_worst() -> None:
    lateness = Lateness()
    assert lateness.mean_ms == 0.0
    for late in (1.0, 3.0, 2.0):
        lateness.add(late)

    assert (lateness.mean_ms, lateness.max_ms) == (2.0, 3.0)
