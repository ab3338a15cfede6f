"""A real call through the real processes: the recording's sound against the carrier's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from replay.recording import load
from replay.timeline import Timeline, timeline
from shared.bus import Archive, open_bus
from shared.sound import RATE, SILENCE
from sim.faults.words import HEARD_OUT, LONG, say, turn
from sim.phone.caller import HangUp, Interrupt
from sim.phone.playback import Segment
from sim.phone.record import CallResult
from sim.redis import free_port
from sim.stack import Stack
from tests.e2e import kit

# It compares two clocks to 20 ms: beside other tests a process may wait longer for a core.
pytestmark = pytest.mark.alone

ASK, WAIT, FINE = "What cars do you have?", "Wait please.", "Fine I am listening."

NEAR_BYTES = 8 * 20
"""What the recording promises: 20 ms."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One call: what the carrier knows, and what the recording tells."""

    result: CallResult
    told: Timeline
    ttls: dict[str, int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Heard]:
    """A greeting, an answer that is interrupted, and one that is not."""
    port, folder = free_port(), tmp_path_factory.mktemp("stack")
    steps = (HEARD_OUT, say(ASK), Interrupt(kit.words(WAIT), 1.2, WAIT), HEARD_OUT)
    turns = (turn(ASK, LONG, "And more."), turn(WAIT, FINE))
    with kit.stack(folder, port, RECORDING_TTL_S="500") as stack:
        async with kit.agent(port, *turns):
            result = await kit.call(stack, *steps, HangUp()).run()
            await kit.until(lambda: not kit.live_calls(stack))
            async with open_bus(stack.redis.url, "test") as bus:
                told = timeline(await load(Archive(bus), result.call_sid))
            yield Heard(result, told, _ttls(stack, result))


def _ttls(stack: Stack, result: CallResult) -> dict[str, int]:
    """How long the call's keys stay, seconds."""
    with kit.redis_of(stack) as redis:
        sids = (result.call_sid, *(stream.stream_sid for stream in result.streams))
        names = [name.decode() for sid in sids for name in redis.keys(f"*{sid}")]
        return {name: redis.ttl(name) for name in names}


def is_near(ours: bytes, segment: Segment) -> bool:
    """Whether a segment lies within 20 ms of its place, but for an end that a clear cut off."""
    start = round(segment.start_ms * 8)
    sound = segment.sound[: max(NEAR_BYTES, len(segment.sound) - NEAR_BYTES)]
    window = ours[max(0, start - NEAR_BYTES) : start + len(sound) + NEAR_BYTES]
    return sound in window


@pytest.mark.asyncio(loop_scope="module")
async def test_all_that_the_carrier_played_is_within_20_ms_of_its_place(heard: Heard) -> None:
    (stream,) = heard.result.streams
    ours = heard.told.agent.render(heard.told.duration_ms)
    segments = [each for each in stream.playback.segments() if len(each.sound) > NEAR_BYTES]

    assert sum(len(each.sound) for each in segments) > 3 * RATE
    assert any(clear.discarded for clear in stream.playback.clears)
    assert [each for each in segments if not is_near(ours, each)] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_is_told_that_the_carrier_did_not_play(heard: Heard) -> None:
    (stream,) = heard.result.streams
    near = bytearray(round(heard.told.duration_ms * 8) + 8000)
    for each in stream.playback.segments():
        first = max(0, round(each.start_ms * 8) - NEAR_BYTES)
        last = round(each.end_ms * 8) + NEAR_BYTES
        near[first:last] = b"\x01" * (last - first)

    ours = heard.told.agent.render(heard.told.duration_ms)

    assert [at for at, byte in enumerate(ours) if byte != SILENCE[0] and not near[at]] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_the_caller_is_there_byte_for_byte(heard: Heard) -> None:
    spoken = heard.result.caller_track()
    ours = heard.told.caller.render(heard.told.duration_ms)

    # Twilio's timestamps are rounded, and a last frame may not have come before the line closed.
    assert abs(len(spoken) - len(ours)) < 8 * 200
    length = min(len(spoken), len(ours))
    assert ours[:length] == spoken[:length]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_recording_stays_as_long_as_it_is_told(heard: Heard) -> None:
    assert {name.split(":")[1] for name in heard.ttls} == {"call", "log", "up", "down"}
    assert all(400 < ttl <= 500 for ttl in heard.ttls.values())
