"""The playback buffer, with times and bytes written out: 8 bytes are a millisecond."""

from hypothesis import given
from hypothesis import strategies as st

from shared.sound import SILENCE
from sim.phone.playback import CAP_BYTES, Cleared, Echo, Playback, Segment, Utterance

QUIET = SILENCE * 160
LOUD = b"\x10" * 160
"""20 ms each."""


def test_a_mark_on_an_empty_queue_is_echoed_at_once() -> None:
    playback = Playback()

    assert playback.mark("a", 5.0) == ["a"]
    assert playback.echoes == [Echo("a", 5.0, genuine=True)]


def test_a_mark_is_echoed_when_the_sound_before_it_was_played() -> None:
    playback = Playback()
    playback.media(LOUD, 10.0)

    assert playback.mark("a", 10.0) == []
    assert playback.next_event_ms() == 30.0
    assert playback.advance(29.9) == []
    assert playback.advance(30.0) == ["a"]
    assert playback.next_event_ms() is None


def test_marks_keep_their_order_among_the_sound() -> None:
    playback = Playback()
    for name in ("a", "b", "c"):
        playback.mark(name, 0.0) if name == "c" else playback.media(LOUD, 0.0)
        playback.mark(name, 0.0)

    assert playback.advance(20.0) == ["a"]
    assert playback.advance(40.0) == ["b", "c", "c"]


def test_an_echo_has_the_moment_it_was_due_not_the_one_it_was_noticed() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.mark("a", 0.0)
    playback.advance(1000.0)

    assert playback.echoes == [Echo("a", 20.0, genuine=True)]


def test_media_and_marks_tell_what_became_due_before_them() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.mark("a", 0.0)

    assert playback.media(LOUD, 25.0) == ["a"]
    assert playback.mark("b", 25.0) == []
    assert playback.mark("c", 50.0) == ["b", "c"]


def test_clear_drops_sound_and_echoes_every_waiting_mark() -> None:
    playback = Playback()
    playback.mark("now", 0.0)
    playback.media(LOUD + LOUD, 0.0)
    playback.mark("a", 0.0)
    playback.media(LOUD, 0.0)
    playback.mark("b", 0.0)

    assert playback.clear(10.0) == ["a", "b"]
    assert playback.clears == [Cleared(10.0, 400)]
    assert [(echo.name, echo.genuine) for echo in playback.echoes] == [
        ("now", True),
        ("a", False),
        ("b", False),
    ]
    assert playback.buffered_bytes == 0
    assert playback.next_event_ms() is None


def test_clear_lets_a_mark_that_was_due_count_as_genuine() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.mark("a", 0.0)

    assert playback.clear(20.0) == ["a"]
    assert playback.echoes[0].genuine


def test_clear_of_nothing_is_noted_and_harmless() -> None:
    playback = Playback()
    playback.clear(7.0)
    playback.media(LOUD, 8.0)
    playback.advance(28.0)

    assert playback.clears == [Cleared(7.0, 0)]
    assert playback.heard(28.0) == SILENCE * 64 + LOUD


def test_sound_after_a_clear_is_played_at_once() -> None:
    playback = Playback()
    playback.media(LOUD * 10, 0.0)
    playback.clear(10.0)
    playback.media(b"\x20" * 80, 12.0)
    playback.advance(30.0)

    assert playback.heard(30.0) == LOUD[:80] + SILENCE * 16 + b"\x20" * 80 + SILENCE * 64


def test_heard_has_silence_where_nothing_was_played() -> None:
    playback = Playback()
    playback.media(LOUD, 20.0)
    playback.media(LOUD, 60.0)
    playback.advance(100.0)

    assert playback.heard(100.0) == QUIET + LOUD + QUIET + LOUD + QUIET


def test_heard_is_cut_where_it_is_asked_to_be_and_where_time_stands() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.advance(10.0)

    assert playback.heard(5.0) == LOUD[:40]
    assert playback.heard(15.0) == LOUD[:80] + SILENCE * 40


def test_bursts_are_played_without_a_seam() -> None:
    playback = Playback()
    for _ in range(3):
        playback.media(b"\x10" * 7, 0.3)
    playback.advance(50.0)

    assert playback.heard(5.0) == SILENCE * 2 + b"\x10" * 21 + SILENCE * 17


def test_a_later_stream_counts_from_its_first_frame() -> None:
    playback = Playback(1000.0)
    playback.media(LOUD, 1020.0)
    playback.advance(1100.0)

    assert playback.heard(1060.0) == QUIET + LOUD + QUIET
    assert playback.segments() == [Segment(1020.0, LOUD)]


def test_segments_hold_only_what_was_played() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.media(LOUD, 0.0)
    playback.media(LOUD, 0.0)
    playback.advance(30.0)

    assert playback.segments() == [Segment(0.0, LOUD), Segment(20.0, LOUD[:80])]
    assert playback.segments()[1].end_ms == 30.0


def test_what_exceeds_ten_minutes_is_discarded() -> None:
    playback = Playback()
    playback.media(b"\xff" * CAP_BYTES, 0.0)
    assert not playback.overflowed

    playback.media(b"\xff" * 100, 10.0)

    assert playback.overflowed
    assert playback.discarded_bytes == 20
    assert playback.buffered_bytes == CAP_BYTES


def test_a_mark_on_a_full_queue_is_still_queued() -> None:
    playback = Playback()
    playback.media(b"\xff" * (CAP_BYTES + 1), 0.0)
    playback.mark("a", 0.0)

    assert playback.next_event_ms() == 600_000.0


def test_time_does_not_run_backwards() -> None:
    playback = Playback()
    playback.advance(100.0)
    playback.media(LOUD, 50.0)

    assert playback.speaking_since(101.0) == 100.0


def test_utterances_end_at_a_long_pause_only() -> None:
    playback = Playback()
    playback.media(LOUD, 0.0)
    playback.media(QUIET * 20, 0.0)
    playback.media(LOUD, 0.0)
    playback.media(QUIET * 21, 0.0)
    playback.media(LOUD, 0.0)

    assert playback.utterances == [Utterance(0.0, 440.0), Utterance(860.0, 880.0)]


def test_an_utterance_ends_where_it_is_cleared() -> None:
    playback = Playback()
    playback.media(LOUD * 50, 0.0)
    playback.clear(100.0)
    playback.media(LOUD, 200.0)

    assert playback.utterances == [Utterance(0.0, 100.0), Utterance(200.0, 220.0)]


def test_an_utterance_cleared_before_it_began_never_was() -> None:
    playback = Playback()
    playback.media(QUIET * 2 + LOUD, 0.0)
    playback.clear(30.0)

    assert playback.utterances == []


def test_speaking_since_is_the_start_of_the_utterance_being_heard() -> None:
    playback = Playback()
    playback.media(QUIET + LOUD, 0.0)

    assert playback.speaking_since(10.0) is None
    assert playback.speaking_since(20.0) == 20.0
    assert playback.speaking_since(40.0) is None


STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 50.0),
        st.binary(max_size=700) | st.sampled_from(["mark", "clear"]),
    )
)


@given(STEPS)
def test_every_byte_is_played_waiting_or_discarded_and_every_mark_echoed_once(
    steps: list[tuple[float, bytes | str]],
) -> None:
    playback, now, marks = Playback(), 0.0, 0
    for after, what in steps:
        now += after
        match what:
            case bytes():
                playback.media(what, now)
            case "clear":
                playback.clear(now)
            case _:
                playback.mark(str(marks), now)
                marks += 1

    assert sum(len(segment.sound) for segment in playback.segments()) == playback.played_bytes
    playback.advance(now + 10_000_000.0)
    assert [echo.name for echo in playback.echoes] == [str(mark) for mark in range(marks)]
    assert playback.played_bytes + playback.discarded_bytes == playback.sent_bytes
