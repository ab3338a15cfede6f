"""Handshakes, faults, profiles: what a server does with its connections."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from sim.agent import AgentServer, Close, Dead, Faults, Turn
from sim.agent.script import ScriptedCall
from tests.sim.agent.talk import (
    CARS,
    UTTERANCE,
    connected,
    server,
    settings,
    speech,
    talking,
    thinks,
    voice,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"


async def rejected(agent: AgentServer, path: str = "", **headers: str) -> InvalidStatus:
    """Be refused."""
    with pytest.raises(InvalidStatus) as invalid:
        async with connect(agent.url + path, additional_headers=headers):
            pass
    return invalid.value


# Handshakes.


@pytest.mark.parametrize(
    ("headers", "offered", "chosen"),
    [
        ({"Authorization": "Token k1"}, None, None),
        ({"Authorization": f"Bearer {JWT}"}, None, None),
        ({}, ["token", "k1"], "token"),
        ({}, ["bearer", JWT], "bearer"),
    ],
)
async def test_there_are_four_ways_in(
    headers: dict[str, str], offered: Sequence[Subprotocol] | None, chosen: str | None
) -> None:
    async with (
        server(api_keys={"k1"}) as agent,
        connect(agent.url, additional_headers=headers, subprotocols=offered) as socket,
    ):
        assert socket.subprotocol == chosen
        assert json.loads(await socket.recv())["type"] == "Welcome"


async def test_where_no_key_is_needed_one_may_come_without() -> None:
    async with server(api_keys={""}) as agent, connect(agent.url) as socket:
        assert json.loads(await socket.recv())["type"] == "Welcome"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Token k2"}, {"Authorization": "Bearer k1"}]
)
async def test_nobody_else_comes_in(headers: dict[str, str]) -> None:
    async with server(api_keys={"k1"}) as agent:
        response = (await rejected(agent, **headers)).response

    body = json.loads(response.body or b"")
    assert (response.status_code, body["err_code"]) == (401, "INVALID_AUTH")
    assert response.headers["dg-request-id"] == body["request_id"]
    assert agent.sessions == []


async def test_there_is_one_path() -> None:
    async with server() as agent:
        refused = await rejected(agent, "/more", Authorization="Token k1")

    assert refused.response.status_code == 404


async def test_it_says_that_it_is_healthy() -> None:
    async with server() as agent:
        url = agent.url.replace("ws:", "http:").replace("/v1/agent/converse", "/healthz")
        answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())

    assert answer == b"ok"


# Faults that end a session.


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_handshake_can_be_rejected(status: int) -> None:
    async with server(faults=Faults(reject=status)) as agent:
        refused = await rejected(agent, Authorization="Token k1")

    assert refused.response.status_code == status


async def test_only_the_first_connections_may_suffer() -> None:
    async with server(faults=Faults(reject=429, first=1)) as agent:
        await rejected(agent, Authorization="Token k1")
        async with talking(agent):
            pass


async def test_faults_can_be_changed_while_it_runs() -> None:
    async with server() as agent:
        agent.faults = Faults(reject=429)
        await rejected(agent, Authorization="Token k1")
        agent.faults = Faults()
        async with talking(agent):
            pass


async def test_a_key_can_ask_for_a_fault() -> None:
    async with server(api_keys={"k1"}) as agent:
        refused = await rejected(agent, Authorization="Token fault-429")
        unknown = await rejected(agent, Authorization="Token fault-dorp")
        async with connected(agent, "fault-error=SERVER_GOING_AWAY") as client:
            await client.until("Error", code="SERVER_GOING_AWAY")

    assert (refused.response.status_code, unknown.response.status_code) == (429, 400)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(error="INTERNAL_SERVER_ERROR"), 1000),
        (Faults(close=1011), 1011),
        (Faults(drop=True), 1006),
        (Faults(drop=True, after_s=0.1), 1006),
    ],
)
async def test_a_session_can_end_by_itself(faults: Faults, code: int) -> None:
    async with server(faults=faults) as agent, connected(agent) as client:
        before = time.monotonic()

        assert await client.close_code() == code
        assert time.monotonic() - before >= faults.after_s - 0.02
        assert client.types()[0] == "Welcome"


async def test_a_session_can_end_after_a_turn() -> None:
    async with (
        server(CARS, faults=Faults(drop=True, after_turn=1)) as agent,
        talking(agent, greeting="Hello.") as client,
    ):
        await client.until("AgentAudioDone")
        await client.send(UTTERANCE)

        assert await client.close_code() == 1006
        assert (client.texts("user"), client.texts("assistant")) == (["What cars?"], ["Hello."])


async def test_a_session_can_end_in_the_middle_of_a_sentence() -> None:
    async with (
        server(CARS, faults=Faults(close=1011, after_turn=1, during_speech=True)) as agent,
        talking(agent) as client,
    ):
        await client.send(UTTERANCE)

        assert await client.close_code() == 1011
        assert 0 < len(client.sound()) < len(voice(CARS.say[0]))


async def test_a_dead_service_reads_and_answers_nothing() -> None:
    async with server() as agent, talking(agent) as client:
        agent.strike(Dead())
        await asyncio.sleep(0.05)
        heard = agent.sessions[0].heard_bytes
        pong = await client.socket.ping()
        await client.send(speech(100))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.1)

        assert agent.sessions[0].heard_bytes == heard
        assert not client.closed.is_set()
        client.socket.transport.abort()


async def test_a_dead_service_does_not_keep_the_server_from_closing() -> None:
    before = time.monotonic()
    async with server() as agent, connected(agent) as client:
        agent.strike(Dead())
        await asyncio.sleep(0.05)
        await agent.__aexit__()

        assert await client.close_code() == 1006
    assert time.monotonic() - before < 1


@pytest.mark.parametrize(("end", "code"), [(None, 1006), (Close(1011), 1011)])
async def test_live_sessions_can_be_ended_from_outside(end: Close | None, code: int) -> None:
    async with server() as agent, talking(agent) as client:
        assert agent.live == 1
        agent.strike(end)

        assert await client.close_code() == code


async def test_a_warning_can_be_sent_once() -> None:
    async with (
        server(faults=Faults(warning="SPEAK_REQUEST_FAILED")) as agent,
        talking(agent, greeting="Hello, how are you?") as client,
    ):
        await client.until("AgentAudioDone")

        assert client.types().count("Warning") == 1


# Faults that colour one.


async def test_the_welcome_may_never_come() -> None:
    async with server(faults=Faults(no_welcome=True)) as agent, talking(agent) as client:
        assert client.types() == ["SettingsApplied"]


async def test_settings_may_take_their_time_and_early_sound_is_lost() -> None:
    async with server(faults=Faults(applied_delay_s=0.1)) as agent, connected(agent) as client:
        before = time.monotonic()
        await client.send(settings(), speech(100))
        await client.until("SettingsApplied")

        assert time.monotonic() - before >= 0.09
        assert agent.sessions[0].early_bytes == 800


async def test_slow_thinking_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.agent.mind.SLOW_S", 0.05)
    async with server(CARS, faults=Faults(think_s=0.12)) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="assistant")

        assert client.types().count("Warning") == 2


async def test_the_end_of_sound_may_go_untold() -> None:
    async with (
        server(faults=Faults(no_audio_done=True)) as agent,
        talking(agent, greeting="Hello.") as client,
    ):
        await client.until("History")
        await asyncio.sleep(0.05)

        assert client.types()[-1] == "sound"


@pytest.mark.parametrize("size", [1, 333])
async def test_chunks_may_have_odd_sizes(size: int) -> None:
    async with (
        server(faults=Faults(chunk_bytes=size)) as agent,
        talking(agent, greeting="Hello, how are you?") as client,
    ):
        await client.until("AgentAudioDone")

        chunks = [seen for seen in client.seen if isinstance(seen, bytes)]
        assert {len(chunk) for chunk in chunks[:-1]} == {size}
        assert client.sound() == voice("Hello, how are you?")


async def test_messages_may_hold_what_nobody_has_heard_of() -> None:
    async with (
        server(faults=Faults(unknown_types=True, unknown_fields=True)) as agent,
        talking(agent) as client,
    ):
        assert client.types() == [
            "WeatherReport",
            "Welcome",
            "WeatherReport",
            "SettingsApplied",
        ]
        assert all("weather" in s for s in client.seen[1::2] if isinstance(s, dict))


async def test_latencies_may_be_strings() -> None:
    async with server(CARS, faults=Faults(latency_strings=True)) as agent, talking(agent) as client:
        await client.send(UTTERANCE)

        assert (await client.until("LatencyReport"))["stt_latency"] == "0.100"


async def test_a_turn_may_be_recognised_as_nothing() -> None:
    async with server(CARS, faults=Faults(empty_turn=1)) as agent, talking(agent) as client:
        await client.send(UTTERANCE * 2)
        await client.until("ConversationText", role="assistant")

        assert client.texts("user") == ["", "What cars?"]


async def test_a_text_of_the_cut_turn_may_come_late() -> None:
    async with server(CARS, faults=Faults(late_text=True)) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="assistant")
        await client.send(speech(100))
        await client.until("UserStartedSpeaking")
        await client.until("ConversationText", role="assistant")


async def test_the_end_of_a_turn_may_be_told() -> None:
    listen: dict[str, Any] = {
        "provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
    }
    async with (
        server(CARS, faults=Faults(end_of_turn=True)) as agent,
        talking(agent, listen=listen) as client,
    ):
        await client.send(UTTERANCE)
        await client.until("EndOfTurn", trigger="model")


@pytest.mark.parametrize("separate", [False, True])
async def test_parallel_calls_come_together_or_one_by_one(separate: bool) -> None:
    both = Turn(heard="Both.", call=(ScriptedCall("f"), ScriptedCall("g")))
    think = thinks({"name": "f"}, {"name": "g"})
    async with (
        server(both, faults=Faults(separate_calls=separate)) as agent,
        talking(agent, think=think) as client,
    ):
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        if separate:
            request["functions"] += (await client.until("FunctionCallRequest"))["functions"]

        assert [call["name"] for call in request["functions"]] == ["f", "g"]


@pytest.mark.parametrize(("ms", "refused"), [(1400, False), (1600, True)])
async def test_sound_faster_than_real_time_may_be_refused(ms: int, refused: bool) -> None:
    async with server(faults=Faults(realtime_only=True)) as agent, talking(agent) as client:
        await client.send(speech(ms))
        await client.until("Error" if refused else "UserStartedSpeaking")


# Profiles, and what is kept.


async def test_the_echo_profile_sends_every_sound_back() -> None:
    async with server(profile="echo") as agent, talking(agent, greeting="Hello.") as client:
        await client.send(UTTERANCE, {"type": "UpdatePrompt", "prompt": ""})
        await client.until("PromptUpdated")

        assert client.sound() == UTTERANCE
        assert client.types() == ["Welcome", "SettingsApplied", "sound", "PromptUpdated"]


async def test_without_record_nothing_is_kept() -> None:
    async with server(record=False) as agent:
        async with talking(agent, greeting="Hello.") as client:
            await client.until("AgentAudioDone")
            record = agent.sessions[0]
        assert (record.frames, record.spoken_bytes) == ([], len(voice("Hello.")))

    assert agent.sessions == []


async def test_many_calls_at_once() -> None:
    async def call() -> None:
        async with talking(agent, greeting="Hello.") as client:
            await client.until("AgentAudioDone")
            await client.send(UTTERANCE)
            await client.until("AgentAudioDone")

    async with server(CARS) as agent, asyncio.TaskGroup() as calls:
        for _ in range(30):
            calls.create_task(call())


async def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    async with server(CARS) as agent:
        async with talking(agent) as client:
            await client.send(UTTERANCE)
            await client.until("ConversationText", role="assistant")
            client.socket.transport.abort()
            await client.closed.wait()
        await asyncio.sleep(0.05)

        assert agent.live == 0
        assert agent.sessions[0].close_code == 1006
