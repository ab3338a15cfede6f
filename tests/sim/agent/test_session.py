"""Conversations with the stand-in over a real socket."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from sim.agent import AgentServer, Script, ScriptedCall, Timing, Turn
from tests.sim.agent.talk import (
    CARS,
    FAST,
    FLUX,
    KEY,
    UTTERANCE,
    Client,
    connected,
    quiet,
    server,
    settings,
    speech,
    talking,
    thinks,
    voice,
)

WAIT = Turn(heard="Wait.", say=("Of course.",))
BYE = Turn(heard="Bye.", call=(ScriptedCall("end_call", then=("Goodbye: {response}",)),))
EAGER = {"provider": FLUX["provider"] | {"eager_eot_threshold": 0.4}}
END_CALL = {"name": "end_call", "parameters": {}}


def response(request: dict[str, Any], content: str = "ok") -> dict[str, Any]:
    call = request["functions"][0]
    return {
        "type": "FunctionCallResponse",
        "id": call["id"],
        "name": call["name"],
        "content": content,
    }


# The skeleton.


async def test_it_welcomes_at_once_and_names_the_request() -> None:
    async with server() as agent, connected(agent) as client:
        welcome = await client.until("Welcome")

        assert welcome["request_id"] == agent.sessions[0].request_id
        assert client.socket.response is not None
        assert client.socket.response.headers["dg-request-id"] == welcome["request_id"]


async def test_it_greets_in_text_history_and_a_burst() -> None:
    async with server() as agent, talking(agent, greeting="Hello, how are you?") as client:
        await client.until("AgentAudioDone")

        assert client.types()[1:] == [
            "SettingsApplied",
            "ConversationText",
            "History",
            "sound",
            "AgentAudioDone",
        ]
        assert client.sound() == voice("Hello, how are you?")
        assert {len(s) for s in client.seen[4:-2]} == {960}


async def test_every_text_says_how_it_is_meant() -> None:
    async with server() as agent, talking(agent, greeting="Hello.") as client:
        text = await client.until("ConversationText")

        assert text["conversational_behavior"] == "default"


async def test_history_can_be_off() -> None:
    async with server(WAIT) as agent, connected(agent) as client:
        await client.send(settings(greeting="Hello.") | {"flags": {"history": False}})
        await client.until("AgentAudioDone")
        await client.send(UTTERANCE)
        await client.until("AgentAudioDone")

        assert "History" not in client.types()


async def test_an_experimental_session_is_told_when_sound_starts() -> None:
    async with server() as agent, connected(agent) as client:
        await client.send(settings(greeting="Hello.") | {"experimental": True})

        assert (await client.until("AgentStartedSpeaking"))["total_latency"] == 0.5


async def test_a_long_prompt_is_cut_with_a_warning() -> None:
    async with (
        server() as agent,
        talking(agent, think=thinks() | {"prompt": "x" * 25001}) as client,
    ):
        assert (await client.until("Warning"))["code"] == "PROMPT_TOO_LONG"


# Turns.


async def test_a_turn_is_heard_and_answered() -> None:
    async with server(WAIT) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("AgentAudioDone")

        assert [t for t in client.types()[2:] if t != "LatencyReport"] == [
            "UserStartedSpeaking",
            "ConversationText",
            "History",
            "ConversationText",
            "History",
            "sound",
            "AgentAudioDone",
        ]
        assert (client.texts("user"), client.texts("assistant")) == (["Wait."], ["Of course."])


async def test_latencies_come_one_by_one() -> None:
    async with server(WAIT) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("AgentAudioDone")
        reports = [s for s in client.seen if isinstance(s, dict) and s["type"] == "LatencyReport"]

        assert {len(report) for report in reports} == {2}
        assert "stt_latency" in reports[0]


async def test_the_next_sentence_waits_for_the_one_before() -> None:
    async with server(CARS) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("AgentAudioDone")
        said = [f.at for f in agent.sessions[0].frames if f.json().get("role") == "assistant"][::2]

        first = len(voice(CARS.say[0])) / 8000
        assert first * 0.9 < said[1] - said[0] < first + 0.4


async def test_beyond_the_script_it_goes_on_talking() -> None:
    script = Script((), heard=("Hm.",), say=("Yes.",))
    async with (
        AgentServer(script=script, speak=voice, timing=FAST) as agent,
        talking(agent) as client,
    ):
        for _ in range(2):
            await client.send(UTTERANCE)
            await client.until("AgentAudioDone")

        assert (client.texts("user"), client.texts("assistant")) == (["Hm."] * 2, ["Yes."] * 2)


async def test_turns_in_the_context_count() -> None:
    context = {"messages": [{"type": "History", "role": "user", "content": "What cars?"}]}
    async with server(CARS, WAIT) as agent, talking(agent, context=context) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="user")

        assert client.texts("user") == ["Wait."]


# Barge-in.


async def interrupt(client: Client) -> None:
    """Cut in while the second sentence of CARS is held back."""
    await client.send(UTTERANCE)
    await client.until("ConversationText", role="assistant")
    await asyncio.sleep(0.03)
    await client.send(speech(100))
    await client.until("UserStartedSpeaking")


async def test_a_barge_in_stops_it_and_late_sound_trails_in() -> None:
    async with server(CARS) as agent, talking(agent) as client:
        await interrupt(client)
        await client.until("AgentAudioDone")

        assert client.types()[-3:] == ["UserStartedSpeaking", "sound", "AgentAudioDone"]
        assert client.sound()[-1920:] == voice(CARS.say[1])[:1920]
        assert client.texts("assistant") == [CARS.say[0]]


async def test_no_sound_need_be_late() -> None:
    timing = Timing(think_s=0.01, quiet_s=0.2, late_chunks=0, cut_done_s=(0, 0))
    async with server(CARS, timing=timing) as agent, talking(agent) as client:
        await interrupt(client)
        await client.until("AgentAudioDone")

        assert client.types()[-2:] == ["UserStartedSpeaking", "AgentAudioDone"]


async def test_after_a_barge_in_the_next_turn_is_answered() -> None:
    async with server(CARS, WAIT) as agent, talking(agent) as client:
        await interrupt(client)
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="assistant")

        assert client.texts("assistant") == [CARS.say[0], "Of course."]


async def test_speech_in_silence_is_no_barge_in() -> None:
    async with server() as agent, talking(agent) as client:
        await client.send(speech(100))
        await client.until("UserStartedSpeaking")
        await asyncio.sleep(0.05)

        assert "AgentAudioDone" not in client.types()


async def test_a_noise_is_an_empty_turn_and_the_agent_takes_up_what_it_broke_off() -> None:
    listen = {"provider": FLUX["provider"] | {"eot_timeout_ms": 500}}
    async with server(CARS) as agent, talking(agent, listen=listen) as client:
        await interrupt(client)
        await client.send(quiet(500))
        await client.until("ConversationText", role="user", content="")
        await client.until("ConversationText", role="assistant", content=CARS.say[0])
        await client.until("ConversationText", role="assistant", content=CARS.say[1])


async def test_a_noise_while_it_thinks_costs_no_answer() -> None:
    timing = Timing(think_s=0.5, quiet_s=0.2)
    async with server(WAIT, timing=timing) as agent, talking(agent, listen=FLUX) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="user")
        await client.send(speech(100), {"type": "ForceEndTurn"})
        await client.until("ConversationText", role="user", content="")

        assert (await client.until("ConversationText"))["content"] == "Of course."


# Functions.


async def test_a_function_is_called_and_its_response_said() -> None:
    async with server(BYE) as agent, talking(agent, think=thinks(END_CALL)) as client:
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        await client.send(response(request, "seen"))
        history = await client.until(
            "History", function_calls=[request["functions"][0] | {"response": "seen"}]
        )
        await client.until("AgentAudioDone")

        assert history["function_calls"][0]["client_side"] is True
        assert client.texts("assistant") == ["Goodbye: seen"]
        assert [answer.content for answer in agent.sessions[0].answered] == ["seen"]


async def test_a_language_model_s_thought_signature_goes_with_its_call() -> None:
    signed = replace(BYE, call=(replace(BYE.call[0], thought_signature="c2ln"),))
    async with server(signed) as agent, talking(agent, think=thinks(END_CALL)) as client:
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        await client.send(response(request, "seen"))
        await client.until(
            "History", function_calls=[request["functions"][0] | {"response": "seen"}]
        )

        assert request["functions"][0]["thought_signature"] == "c2ln"


async def test_a_function_that_nobody_declared_is_skipped() -> None:
    async with server(BYE) as agent, talking(agent, think=thinks()) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", content="Goodbye: ")

        assert "FunctionCallRequest" not in client.types()


async def test_a_function_with_an_endpoint_is_called_by_the_service() -> None:
    hosted = END_CALL | {"endpoint": {"url": "https://a.example"}}
    async with server(BYE) as agent, talking(agent, think=thinks(hosted)) as client:
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        await client.until("FunctionCallResponse", content='{"ok":true}')
        await client.until("AgentAudioDone")

        assert request["functions"][0]["client_side"] is False


async def test_a_barge_in_cancels_a_call_and_its_late_response_is_dropped() -> None:
    async with server(BYE, WAIT) as agent, talking(agent, think=thinks(END_CALL)) as client:
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        await client.send(UTTERANCE)
        cancelled = await client.until("FunctionCallCancelled")
        await client.send(response(request))
        await client.until("ConversationText", content="Of course.")

        assert cancelled["functions"] == [
            {key: request["functions"][0][key] for key in ("id", "name")}
        ]
        assert len(agent.sessions[0].late) == 1


async def test_a_bet_on_the_end_of_a_turn_calls_before_the_turn_is_told() -> None:
    think = thinks(END_CALL)
    async with server(BYE) as agent, talking(agent, think=think, listen=EAGER) as client:
        await client.send(speech(300) + quiet(120))
        request = await client.until("FunctionCallRequest")
        assert client.texts("user") == []

        await client.send(response(request), quiet(100))
        await client.until("ConversationText", role="user")
        await client.until("ConversationText", content="Goodbye: ok")


async def test_a_lost_bet_takes_the_call_back() -> None:
    think = thinks(END_CALL)
    async with server(BYE) as agent, talking(agent, think=think, listen=EAGER) as client:
        await client.send(speech(300) + quiet(120))
        await client.until("FunctionCallRequest")
        await client.send(speech(100))
        await client.until("UserStartedSpeaking")
        await client.until("FunctionCallCancelled")

        assert agent.sessions[0].user_turns == []


async def test_a_deferred_call_does_not_bet() -> None:
    think = thinks(END_CALL | {"defer_until_eot": True})
    async with server(BYE) as agent, talking(agent, think=think, listen=EAGER) as client:
        await client.send(speech(300) + quiet(120))
        await asyncio.sleep(0.05)
        await client.send(quiet(100))
        await client.until("ConversationText", role="user")
        await client.until("FunctionCallRequest")


# What the client may say besides.


@pytest.mark.parametrize(
    ("update", "ack"),
    [
        ({"type": "UpdatePrompt", "prompt": "Be brief."}, "PromptUpdated"),
        ({"type": "UpdateThink", "think": thinks()}, "ThinkUpdated"),
        ({"type": "UpdateListen", "listen": FLUX}, "ListenUpdated"),
        (
            {"type": "UpdateSpeak", "speak": {"provider": {"type": "deepgram", "model": "aura-2"}}},
            "SpeakUpdated",
        ),
    ],
)
async def test_updates_are_acknowledged(update: dict[str, Any], ack: str) -> None:
    async with server() as agent, talking(agent) as client:
        await client.send(update)
        await client.until(ack)


async def test_an_updated_set_of_functions_counts() -> None:
    async with server(BYE) as agent, talking(agent) as client:
        await client.send({"type": "UpdateThink", "think": thinks(END_CALL)}, UTTERANCE)
        await client.until("FunctionCallRequest")


async def test_a_message_injected_into_silence_is_said() -> None:
    async with server() as agent, talking(agent) as client:
        await client.send({"type": "InjectAgentMessage", "message": "Still there?"})
        await client.until("AgentAudioDone")

        assert client.sound() == voice("Still there?")


@pytest.mark.parametrize("behavior", ["default", "queue"])
async def test_an_injection_into_the_users_turn_is_refused(behavior: str) -> None:
    async with server() as agent, talking(agent) as client:
        injection = {"type": "InjectAgentMessage", "message": "Hm.", "behavior": behavior}
        await client.send(speech(100), injection)
        await client.until("InjectionRefused")


async def test_an_injection_into_the_agents_turn_depends_on_its_behavior() -> None:
    async with server(CARS) as agent, talking(agent) as client:
        injection = {"type": "InjectAgentMessage", "message": "Hm."}
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="assistant")
        await client.send(injection, injection | {"behavior": "queue"})
        await client.until("InjectionRefused")
        await client.until("AgentAudioDone")

        assert client.texts("assistant") == [*CARS.say, "Hm."]


async def test_an_interrupting_injection_replaces_what_is_said() -> None:
    async with server(CARS) as agent, talking(agent) as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", role="assistant")
        await client.send(
            {"type": "InjectAgentMessage", "message": "Stop.", "behavior": "interrupt"}
        )
        await client.until("AgentAudioDone")

        assert client.texts("assistant") == [CARS.say[0], "Stop."]


async def test_a_queued_word_fills_the_wait_for_a_function() -> None:
    async with server(BYE) as agent, talking(agent, think=thinks(END_CALL)) as client:
        await client.send(UTTERANCE)
        request = await client.until("FunctionCallRequest")
        await client.send({"type": "InjectAgentMessage", "message": "Hm.", "behavior": "queue"})
        await client.until("AgentAudioDone")
        await client.send(response(request))
        await client.until("ConversationText", content="Goodbye: ok")


async def test_an_injected_user_message_is_a_turn() -> None:
    async with server(WAIT) as agent, talking(agent) as client:
        await client.send({"type": "InjectUserMessage", "content": "I pressed 1."})
        await client.until("AgentAudioDone")

        assert (client.texts("user"), client.texts("assistant")) == (
            ["I pressed 1."],
            ["Of course."],
        )


@pytest.mark.parametrize(
    ("content", "answer"), [("Go on.", list(CARS.say[1:])), ("Wait.", ["Of course."])]
)
async def test_a_broken_answer_is_gone_on_with(content: str, answer: list[str]) -> None:
    said = [("user", "What cars?"), ("assistant", CARS.say[0])]
    context = {"messages": [{"type": "History", "role": r, "content": c} for r, c in said]}
    async with server(CARS, WAIT) as agent, talking(agent, context=context) as client:
        await client.send({"type": "InjectUserMessage", "content": content})
        await client.until("AgentAudioDone")

        assert client.texts("assistant") == answer


async def test_a_turn_can_be_forced_to_its_end_with_flux() -> None:
    async with server(WAIT) as agent, talking(agent, listen=FLUX) as client:
        await client.send({"type": "ForceEndTurn"}, speech(300), {"type": "ForceEndTurn"})
        await client.until("ConversationText", role="user", content="Wait.")


async def test_a_turn_cannot_be_forced_with_nova() -> None:
    async with server() as agent, talking(agent) as client:
        await client.send({"type": "ForceEndTurn"})

        assert (await client.until("Warning"))["code"] == "FORCE_END_TURN_UNSUPPORTED"


async def test_a_keep_alive_has_no_reply() -> None:
    async with server() as agent, talking(agent) as client:
        await client.send({"type": "KeepAlive"}, {"type": "__customToThinkProvider", "content": 1})
        await asyncio.sleep(0.02)

        assert client.types() == ["Welcome", "SettingsApplied"]


# How it ends.


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"\xff" * 160], "BINARY_MESSAGE_BEFORE_SETTINGS"),
        ([{"type": "KeepAlive"}], "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"),
        (["{"], "UNPARSABLE_CLIENT_MESSAGE"),
        ([settings(think=[])], "INVALID_SETTINGS"),
        ([settings(), settings()], "SETTINGS_ALREADY_APPLIED"),
    ],
)
async def test_a_client_that_breaks_the_rules_is_told_and_closed(
    frames: list[Any], code: str
) -> None:
    async with server() as agent, connected(agent) as client:
        await client.until("Welcome")
        await client.send(*frames)

        assert (await client.until("Error"))["code"] == code
        assert await client.close_code() == 1000
        assert agent.sessions[0].errors == [code]


@pytest.mark.parametrize(("early", "words"), [([], "'Settings'"), ([settings()], "user speech")])
async def test_a_silent_client_is_left(early: list[Any], words: str) -> None:
    async with server(timing=Timing(idle_s=0.1)) as agent, connected(agent) as client:
        await client.send(*early)
        error = await client.until("Error", code="CLIENT_MESSAGE_TIMEOUT")

        assert words in error["description"]
        assert await client.close_code() == 1000


async def test_any_message_is_a_sign_of_life() -> None:
    async with server(timing=Timing(idle_s=0.4)) as agent, talking(agent) as client:
        for _ in range(4):
            await asyncio.sleep(0.15)
            await client.send({"type": "KeepAlive"})

        assert "Error" not in client.types()


async def test_a_session_ends_at_its_maximum_length_after_a_warning() -> None:
    timing = Timing(cap_s=0.2, cap_warning_s=0.1)
    async with server(timing=timing) as agent, talking(agent) as client:
        await client.until("Warning", code="MAXIMUM_SESSION_LENGTH_APPROACHING")
        await client.until("Error", code="MAXIMUM_SESSION_LENGTH_REACHED")

        assert await client.close_code() == 1000


async def test_the_record_is_the_truth() -> None:
    async with server(WAIT) as agent, talking(agent, greeting="Hello.") as client:
        await client.send(UTTERANCE)
        await client.until("ConversationText", content="Of course.")
        await client.until("AgentAudioDone")

    record = agent.sessions[0]
    assert record.settings == settings(greeting="Hello.")
    assert (bytes(record.heard), bytes(record.spoken)) == (UTTERANCE, client.sound())
    assert record.agent_texts() == ["Hello.", "Of course."]
    assert (record.user_turns, record.close_code) == (["Wait."], 1000)
    assert [message for message in client.seen if isinstance(message, dict)] == record.sent
    assert json.dumps(record.received) == json.dumps([settings(greeting="Hello.")])
    assert KEY["Authorization"] not in repr(record)
