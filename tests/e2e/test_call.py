"""Whole calls, as the caller hears them."""

import random
from typing import Any

from redis import Redis

from shared import keys
from shared.record import Cut, Heard, Onset, Over, Said
from sim.agent import Faults
from sim.faults.sound import heard_whole
from sim.faults.words import BYE, GREETING, HEARD_OUT, goodbye, say, turn
from sim.phone.caller import HangUp, Say, Wait
from sim.stack import Stack
from sim.voice import speak
from tests.e2e.kit import agent, call, closed, live_calls, log_of, redis_of, until, words

ASK = "What time is it?"
NOON = "It is noon."
THANKS = "Thank you that is all."


def quiet_noise(seconds: float) -> bytes:
    """Sound that is no speech, each piece of it unlike any other, and no byte of it silence."""
    return bytes(random.Random(1).choices(range(0xF0, 0xFF), k=int(8000 * seconds)))


def mortal_and_not(redis: Redis) -> tuple[set[Any], set[Any]]:
    names = set(redis.keys())
    eternal = {name for name in names if redis.ttl(name) < 0}
    return names - eternal, eternal


async def test_a_call_from_the_greeting_to_the_goodbye(house: Stack, port: int) -> None:
    async with agent(port, turn(ASK, NOON), goodbye(THANKS)) as server:
        result = await call(
            house, HEARD_OUT, say(ASK), HEARD_OUT, say(THANKS), Wait(15), HangUp()
        ).run()
        (session,) = server.sessions
        code = await closed(session)

    assert result.ended == "hangup verb"
    assert result.rejections == []
    assert heard_whole(result, GREETING, NOON, BYE)
    (stream,) = result.streams
    assert (stream.ended, stream.close_code) == ("server closed", 1000)
    assert stream.playback.discarded_bytes == 0
    assert stream.playback.buffered_bytes == 0
    assert code == 1000
    assert session.errors == []
    assert session.user_turns == [ASK, THANKS]
    assert [answer.name for answer in session.answered] == ["end_call"]

    log = [entry for _, entry in log_of(house, result.call_sid)]
    assert [entry.text for entry in log if isinstance(entry, Said)] == [GREETING, NOON, BYE]
    assert [entry.text for entry in log if isinstance(entry, Heard)] == [ASK, THANKS]
    assert [entry.barge_in for entry in log if isinstance(entry, Onset)] == [False, False]
    assert not any(isinstance(entry, Cut) for entry in log)
    assert isinstance(log[-1], Over)
    assert log[-1].cause == "agent ended the call"


async def test_after_a_hang_up_nothing_is_left_but_the_recording(house: Stack, port: int) -> None:
    async with agent(port) as server:
        result = await call(house, HEARD_OUT, HangUp()).run()
        assert await closed(server.sessions[0], within_s=0.5) == 1000
    await until(lambda: live_calls(house) == 0)

    with redis_of(house) as redis:
        mortal, eternal = mortal_and_not(redis)
        assert {name for name in eternal if not name.startswith(b"{calls}:")} == set()
        assert redis.hget(keys.EPOCHS, result.call_sid) is None
        stream_sid = result.streams[0].stream_sid
        recording = [
            *(keys.call(0, result.call_sid), keys.log(0, result.call_sid)),
            *(keys.up(0, stream_sid), keys.down(0, stream_sid)),
        ]
        assert {name.encode() for name in recording} <= mortal


async def test_the_caller_s_frames_reach_the_agent_byte_for_byte(house: Stack, port: int) -> None:
    spoken = quiet_noise(1.0)
    async with agent(port) as server:
        # The notice takes half a second, in which the agent must hear something, too.
        result = await call(house, Say(spoken), Wait(0.5), HangUp(), verb_speed=5.0).run()
        (session,) = server.sessions
        await closed(session)

    heard = bytes(session.heard)
    fed = len(heard) - len(heard.lstrip(b"\xff"))
    assert spoken == result.caller_track()[: len(spoken)]
    assert 0.1 < fed / 8000 < 2.0
    track = result.caller_track()
    assert heard[fed:] == track[: len(heard) - fed]
    assert len(track) - (len(heard) - fed) <= 8000 * 0.2


async def test_a_call_from_a_twiml_bin(house: Stack, port: int) -> None:
    async with agent(port, turn(ASK, NOON)) as server:
        phone = call(house, HEARD_OUT, say(ASK), HEARD_OUT, HangUp(), is_bin=True)
        result = await phone.run()
        (session,) = server.sessions
        code = await closed(session, within_s=0.5)

    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert heard_whole(result, GREETING, NOON)
    assert code == 1000


async def test_what_is_said_before_the_agent_is_ready_is_heard(house: Stack, port: int) -> None:
    faults = Faults(applied_delay_s=1.5)
    async with agent(port, turn(ASK, NOON), faults=faults) as server:
        result = await call(
            house, Say(quiet_noise(0.2)), say(ASK), Wait(1.5), HEARD_OUT, HangUp(), is_bin=True
        ).run()
        (session,) = server.sessions
        await closed(session)

    assert session.early_bytes == 0
    assert session.errors == []
    assert session.user_turns == [ASK]
    assert words(ASK) in bytes(session.heard)
    assert bytes(session.heard) == result.caller_track()[: len(session.heard)]
    assert speak(NOON) in result.agent_track()
