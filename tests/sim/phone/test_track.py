"""The caller's track on its way out, with and without faults."""

from random import Random

from shared.sound import SILENT_FRAME
from sim.phone.track import Impairments, Span, Track


def messages(impairments: Impairments, frames: int, seed: int = 1) -> list[list[tuple[int, bytes]]]:
    """What is sent at each of the frames' times; frame n is 160 times the byte n."""
    track = Track(impairments, Random(seed))
    return [track.push(20.0 * n, bytes([n]) * 160) for n in range(frames)]


def timestamps(impairments: Impairments, frames: int, seed: int = 1) -> list[int]:
    return [at for due in messages(impairments, frames, seed) for at, _ in due]


def test_the_first_timestamp_is_the_handshakes_length() -> None:
    firsts = {timestamps(Impairments(), 1, seed)[0] for seed in range(300)}

    assert min(firsts) >= 50
    assert max(firsts) <= 175
    assert len(firsts) > 50


def test_timestamps_go_on_by_20_with_an_occasional_rounding() -> None:
    stamps = timestamps(Impairments(first_timestamp_ms=100), 250)
    off = [at - (100 + 20 * n) for n, at in enumerate(stamps)]

    assert stamps[0] == 100
    assert set(off) == {-2, -1, 0, 1, 2}
    assert off.count(0) > 200


def test_the_same_seed_gives_the_same_track() -> None:
    assert timestamps(Impairments(), 100, 7) == timestamps(Impairments(), 100, 7)


def test_a_stall_holds_messages_back_and_then_sends_them_all() -> None:
    sent = messages(Impairments(stalls=(Span(0.02, 0.04),)), 5)

    assert [len(due) for due in sent] == [1, 0, 0, 3, 1]
    assert [sound[0] for due in sent for _, sound in due] == [0, 1, 2, 3, 4]


def test_a_gap_swallows_frames_and_lets_timestamps_jump() -> None:
    sent = messages(Impairments(first_timestamp_ms=50, gaps=(Span(0.04, 1.0),)), 60)
    due = [message for messages in sent for message in messages]

    assert [sound[0] for _, sound in due] == [0, 1, *range(52, 60)]
    assert abs(due[2][0] - (50 + 52 * 20)) <= 2


def test_odd_sizes_carry_the_same_sound() -> None:
    impairments = Impairments(frame_sizes=(160, 33, 400), first_timestamp_ms=50)
    due = [message for messages in messages(impairments, 12) for message in messages]

    assert [len(sound) for _, sound in due] == [160, 33, 400] * 3
    assert (
        b"".join(sound for _, sound in due)
        == b"".join(bytes([n]) * 160 for n in range(12))[: 593 * 3]
    )
    assert [at for at, _ in due] == sorted(at for at, _ in due)


def test_a_gap_drops_the_odd_rest_too() -> None:
    track = Track(
        Impairments(frame_sizes=(320,), gaps=(Span(0.02, 0.02),), first_timestamp_ms=0), Random(1)
    )
    for n in range(3):
        assert track.push(20.0 * n, SILENT_FRAME) == []

    assert track.push(60.0, SILENT_FRAME) == [(40, SILENT_FRAME * 2)]
