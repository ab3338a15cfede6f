"""How the stand-in's sound comes: in a burst, in its own time, or as an echo of the client's."""

import time
from dataclasses import replace

from tests.sim.agent.talk import FAST, connected, quiet, server, settings, speech, talking

GREETING = "I am here to tell you of all of our cars."


async def test_a_paced_voice_takes_its_own_time_to_be_sent() -> None:
    async with server(timing=replace(FAST, pace=0.9)) as agent:
        began = time.monotonic()
        async with talking(agent, greeting=GREETING) as client:
            await client.until("AgentAudioDone")
            took_s = time.monotonic() - began

    assert took_s > 0.9 * len(client.sound()) / 8000 - 0.02
    assert len(client.sound()) == 80 * len(GREETING)


async def test_a_session_that_is_tagged_so_sends_all_sound_back_and_says_nothing() -> None:
    async with server() as agent, connected(agent) as client:
        await client.send({**settings(greeting=GREETING), "tags": ["echo"]})
        await client.until("SettingsApplied")
        await client.send(speech(60), quiet(20), {"type": "ForceEndTurn"})
        await client.until("Warning")

    assert client.sound() == speech(60) + quiet(20)
    assert client.texts("assistant") == []
