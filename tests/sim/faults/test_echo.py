"""Frames that go all the way and back, told by their bytes."""

import base64

from shared.sound import FRAME_BYTES
from sim.faults.echo import check_untouched, doubled, first_trip_after, lost, noise, trips
from sim.faults.finding import Finding
from sim.load.statistics import Spread
from sim.phone.record import Exchanged, StreamRecord


def media(sound: bytes) -> str:
    return f'{{"event":"media","media":{{"payload":"{base64.b64encode(sound).decode()}"}}}}'


def stream(*messages: tuple[float, bool, bytes]) -> StreamRecord:
    """(ms, whether the carrier sent it, sound)."""
    exchanged = [Exchanged(ms, sent, media(sound)) for ms, sent, sound in messages]
    return StreamRecord("MZ", "ws://x", 0.0, messages=exchanged)


ONE, TWO, THREE = (bytes([value]) * FRAME_BYTES for value in (1, 2, 3))


def test_a_trip_is_from_the_phone_and_back() -> None:
    found = trips(stream((0, True, ONE), (20, True, TWO), (25, False, ONE), (60, False, TWO)))

    assert [trip.ms for trip in found] == [25, 40]


def test_frames_that_come_back_joined_are_told_apart() -> None:
    found = trips(stream((0, True, ONE), (20, True, TWO), (50, False, ONE + TWO)))

    assert [trip.ms for trip in found] == [50, 30]


def test_what_never_comes_back_is_lost_and_what_comes_twice_is_doubled() -> None:
    record = stream(
        *((0, True, ONE), (20, True, TWO), (40, True, THREE)),
        *((50, False, ONE), (60, False, THREE), (70, False, THREE)),
    )

    assert lost(record, 100) == 1
    assert doubled(record) == 1


def test_the_first_trip_after_a_moment_belongs_to_a_frame_sent_after_it() -> None:
    record = stream((0, True, ONE), (20, True, TWO), (30, False, ONE), (45, False, TWO))

    assert first_trip_after(record, 10) == 45
    assert first_trip_after(record, 30) is None


def test_every_frame_of_the_noise_is_unlike_any_other() -> None:
    mulaw = noise(2.0).mulaw
    frames = {mulaw[at : at + FRAME_BYTES] for at in range(0, len(mulaw), FRAME_BYTES)}

    assert len(frames) == 100


def test_others_are_touched_when_their_worst_frames_are_far_later_than_before() -> None:
    calm, finding = Spread(100, p99=10.0), Finding()
    check_untouched(finding, calm, Spread(100, p99=34.0))
    assert finding.failures == []

    check_untouched(finding, calm, Spread(100, p99=36.0))
    assert finding.failures == ["others' p99 36 ms, promised 35"]
