"""The timeline's account of a call against the carrier's own: what the caller really heard."""

import re
from functools import cache
from random import Random

import pytest

from replay.timeline import Timeline, timeline
from tests.replay.world import World, talk

EDGE_MS = 20.0

# Pauses shorter than this within an utterance may or may not be told.
JOIN_BYTES = 8 * 60


def stretches(track: bytes) -> list[tuple[float, float]]:
    """Where there is sound, ms."""
    found: list[tuple[int, int]] = []
    for match in re.finditer(rb"[^\xff]+", track):
        if found and match.start() - found[-1][1] <= JOIN_BYTES:
            found[-1] = (found[-1][0], match.end())
        else:
            found.append(match.span())
    return [(start / 8, end / 8) for start, end in found]


@cache
def call(seed: int) -> tuple[World, Timeline]:
    world = talk(Random(seed), turns=6)
    return world, timeline(world.recording())


@pytest.mark.parametrize("seed", range(12))
def test_the_agent_was_heard_when_the_timeline_says(seed: int) -> None:
    world, told = call(seed)
    ours = told.agent.render(world.ms)

    pairs = zip(stretches(world.truth()), stretches(ours), strict=True)
    edges = [abs(a - b) for heard, told in pairs for a, b in zip(heard, told, strict=True)]
    assert max(edges) <= EDGE_MS


@pytest.mark.parametrize("seed", range(12))
def test_every_piece_of_sound_is_at_its_place(seed: int) -> None:
    world, told = call(seed)
    ours = told.agent.render(world.ms)

    for piece in world.playback.segments():
        # Sound cut off within a frame of its beginning may be missing; all else is there.
        if len(piece.sound) > 8 * EDGE_MS:
            at = ours.find(piece.sound[:64])
            assert at >= 0
            assert abs(at / 8 - piece.start_ms) <= EDGE_MS


@pytest.mark.parametrize("seed", range(4))
def test_sentences_begin_and_end_with_their_sound(seed: int) -> None:
    world, told = call(seed)
    spans = [span for span in told.spans if span.is_heard]

    heard = stretches(world.truth())
    assert spans
    for span in spans:
        assert any(
            start - EDGE_MS <= span.start_ms and span.end_ms <= end + EDGE_MS
            for start, end in heard
        )
