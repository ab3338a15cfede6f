"""Sound that says what it is."""

from base64 import b64decode

import pytest

from sim.load import tag
from sim.load.tag import Tag


def test_a_frame_is_twenty_milliseconds_and_tells_its_tag() -> None:
    sound = tag.frame(tag.CALLER, 7, 3, 70_000)

    assert len(sound) == 160
    assert list(tag.read(sound)) == [Tag(tag.CALLER, 7, 3, 70_000)]


def test_base64_says_the_same() -> None:
    assert b64decode(tag.frame_base64(tag.AGENT, 7, 3, 9)) == tag.frame(tag.AGENT, 7, 3, 9)


@pytest.mark.parametrize("frames", [1, 6, 20])
def test_frames_that_were_joined_are_read_apart(frames: int) -> None:
    sound = b"".join(tag.frame(tag.AGENT, 1, 1, number) for number in range(frames))

    assert [found.number for found in tag.read(sound) if found] == list(range(frames))


def test_silence_that_the_bridge_put_in_is_not_ours() -> None:
    silence = b"\xff" * 160

    assert list(tag.read(silence + tag.frame(tag.CALLER, 1, 0, 5))) == [
        None,
        Tag(tag.CALLER, 1, 0, 5),
    ]


def test_a_tag_that_was_cut_off_is_none() -> None:
    assert list(tag.read(tag.frame(tag.CALLER, 1, 0, 5)[:10])) == [None]
