"""The phone as replays have it: when sound is heard, and which marks echo."""

from random import Random

import pytest

from replay.playback import Playback, Stretch, heard_from, heard_ms, quiet_since
from sim.phone.playback import Playback as Carrier


def played(playback: Playback) -> list[tuple[float, float]]:
    return [(each.start_ms, each.end_ms) for each in playback.stretches]


def test_sound_is_heard_in_order_and_without_a_pause() -> None:
    playback = Playback()
    playback.sound(1600, 100)
    playback.sound(800, 110)

    assert played(playback) == [(100, 400)]
    playback.sound(80, 400)
    assert played(playback) == [(100, 410)]
    playback.sound(80, 500)
    assert played(playback) == [(100, 410), (500, 510)]


def test_a_mark_is_echoed_when_the_sound_before_it_has_been_heard() -> None:
    playback = Playback()
    playback.sound(1600, 0)

    assert playback.mark("a", 10) == []
    assert playback.advance(199) == []
    assert playback.advance(200) == ["a"]
    assert playback.mark("b", 250) == ["b"]


def test_a_clear_forgets_what_was_not_heard_and_echoes_the_marks_that_are_left() -> None:
    playback = Playback()
    playback.sound(800, 0)
    playback.mark("a", 0)
    playback.sound(800, 0)
    playback.mark("b", 0)

    assert playback.clear(150) == ["a", "b"]
    assert played(playback) == [(0, 150)]
    assert not playback.is_playing
    playback.sound(80, 160)
    assert playback.is_playing
    assert playback.clear(160) == []
    assert played(playback) == [(0, 150)]


@pytest.mark.parametrize("seed", range(20))
def test_it_echoes_what_the_carrier_echoes(seed: int) -> None:
    random, now = Random(seed), 0.0
    ours, theirs = Playback(), Carrier()

    for number in range(200):
        now += random.choice((0, 1, 20, 20, 300))
        match random.randrange(6):
            case 0:
                assert ours.clear(now) == theirs.clear(now)
            case 1 | 2:
                assert ours.mark(str(number), now) == theirs.mark(str(number), now)
            case _:
                sound = b"\x10" * 160 * random.randint(1, 20)
                assert ours.sound(len(sound), now) == theirs.media(sound, now)
    heard = sum(each.end_ms - each.start_ms for each in ours.stretches)
    assert heard * 8 == theirs.played_bytes + theirs.buffered_bytes


STRETCHES = [Stretch(100, 200), Stretch(500, 900)]


@pytest.mark.parametrize(
    ("ms", "first"), [(0, 100), (100, 100), (150, 150), (200, 500), (899, 899), (900, None)]
)
def test_the_first_sound_from_a_moment_on(ms: float, first: float | None) -> None:
    assert heard_from(STRETCHES, ms) == first


@pytest.mark.parametrize(
    ("ms", "since"), [(50, None), (100, None), (199, None), (200, 200), (499, 200), (950, 900)]
)
def test_since_when_it_is_quiet(ms: float, since: float | None) -> None:
    assert quiet_since(STRETCHES, ms) == since


def test_how_much_was_heard() -> None:
    assert heard_ms(STRETCHES, 0, 1000) == 500
    assert heard_ms(STRETCHES, 150, 600) == 150
    assert heard_ms(STRETCHES, 250, 400) == 0
