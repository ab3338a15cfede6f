"""Deepgram's own Python SDK talks to the stand-in, and understands every word of it."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sim.agent import AgentServer, ScriptedCall, Turn
from tests.sim.agent.talk import CARS, FLUX, quiet, server, settings, speech, thinks

with warnings.catch_warnings():
    # The SDK connects with the legacy client of websockets, which warns as it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient
    from deepgram.agent.v1 import types as sdk
    from deepgram.agent.v1.client import AsyncV1Client
    from deepgram.agent.v1.socket_client import AsyncV1SocketClient
    from deepgram.core.api_error import ApiError
    from deepgram.environment import DeepgramClientEnvironment

BYE = Turn(heard="Bye.", call=(ScriptedCall("end_call", then=("Goodbye.",)),))
# The SDK makes models of what is given as plain objects.
THINK: Any = thinks()
LISTEN: Any = FLUX
END_CALL = {"name": "end_call", "description": "Hang up.", "parameters": {"type": "object"}}


class Conversation:
    """A session of the SDK that keeps what it parsed."""

    def __init__(self, socket: AsyncV1SocketClient) -> None:
        self.socket = socket
        self.seen: list[Any] = []

    async def until(self, model: type[Any], **fields: Any) -> Any:
        """Receive up to the first message of this type with these fields."""
        async with asyncio.timeout(5):
            while True:
                self.seen.append(seen := await self.socket.recv())
                values = {name: getattr(seen, name, None) for name in fields}
                if isinstance(seen, model) and values == fields:
                    return seen

    async def say(self, sound: bytes) -> None:
        """Stream sound in the phone's frames."""
        for at in range(0, len(sound), 160):
            await self.socket.send_media(sound[at : at + 160])


def client(agent: AgentServer, key: str = "some-key") -> AsyncV1Client:
    """The SDK, aimed at the stand-in."""
    nowhere = "http://127.0.0.1:9"
    environment = DeepgramClientEnvironment(
        base=nowhere, production=nowhere, agent=agent.base_url, agent_rest=nowhere
    )
    v1: AsyncV1Client = AsyncDeepgramClient(api_key=key, environment=environment).agent.v1
    return v1


@asynccontextmanager
async def conversing(agent: AgentServer) -> AsyncIterator[Conversation]:
    """A session whose Settings went through the SDK's models."""
    asked = settings(
        greeting="Hello.",
        listen={"provider": FLUX["provider"] | {"eot_threshold": 0.7, "eot_timeout_ms": 3000}},
        think=[thinks(END_CALL | {"defer_until_eot": True})],
        speak={"provider": {"type": "deepgram", "version": "v2", "model": "flux-alexis-en"}},
        context={"messages": []},
    )
    async with client(agent).connect() as socket:
        talk = Conversation(socket)
        await talk.until(sdk.AgentV1Welcome)
        await socket.send_settings(sdk.AgentV1Settings(**asked))
        await talk.until(sdk.AgentV1SettingsApplied)
        yield talk


async def converse(talk: Conversation) -> None:
    """A turn, a barge-in, and a goodbye with a function."""
    await talk.until(sdk.AgentV1AgentAudioDone)
    await talk.say(speech(300) + quiet(260))
    await talk.until(sdk.AgentV1ConversationText, content=CARS.say[0])
    await asyncio.sleep(0.05)
    await talk.say(speech(300))
    await talk.until(sdk.AgentV1UserStartedSpeaking)
    await talk.say(quiet(260))
    request = await talk.until(sdk.AgentV1FunctionCallRequest)
    call = request.functions[0]
    answer = sdk.AgentV1SendFunctionCallResponse(id=call.id, name=call.name, content="{}")
    await talk.socket.send_function_call_response(answer)
    await talk.until(sdk.AgentV1ConversationText, content="Goodbye.")
    await talk.until(sdk.AgentV1AgentAudioDone)


async def test_it_understands_every_message_of_a_conversation() -> None:
    async with server(CARS, BYE) as agent, conversing(agent) as talk:
        await converse(talk)

        assert [seen for seen in talk.seen if isinstance(seen, dict)] == []
        assert agent.sessions[0].user_turns == ["What cars?", "Bye."]
        assert agent.sessions[0].agent_texts() == ["Hello.", CARS.say[0], "Goodbye."]
        assert agent.sessions[0].spoken == b"".join(s for s in talk.seen if isinstance(s, bytes))


@pytest.mark.parametrize(
    ("send", "message", "reply"),
    [
        ("send_keep_alive", None, None),
        ("send_force_end_turn", None, None),
        (
            "send_update_prompt",
            sdk.AgentV1UpdatePrompt(prompt="Be brief."),
            sdk.AgentV1PromptUpdated,
        ),
        (
            "send_update_think",
            sdk.AgentV1UpdateThink(think=THINK),
            sdk.AgentV1ThinkUpdated,
        ),
        (
            "send_update_listen",
            sdk.AgentV1UpdateListen(listen=LISTEN),
            sdk.AgentV1ListenUpdated,
        ),
        (
            "send_inject_agent_message",
            sdk.AgentV1InjectAgentMessage(message="Still there?", behavior="queue"),
            sdk.AgentV1ConversationText,
        ),
        (
            "send_inject_user_message",
            sdk.AgentV1InjectUserMessage(content="I pressed 1."),
            sdk.AgentV1ConversationText,
        ),
    ],
)
async def test_it_can_say_everything(send: str, message: Any, reply: type[Any] | None) -> None:
    async with server(CARS) as agent, conversing(agent) as talk:
        await talk.until(sdk.AgentV1AgentAudioDone)
        await getattr(talk.socket, send)(*[message] * (message is not None))
        if reply:
            await talk.until(reply)
        await talk.socket.send_update_prompt(sdk.AgentV1UpdatePrompt(prompt=""))
        await talk.until(sdk.AgentV1PromptUpdated)


async def test_it_reads_an_error() -> None:
    async with server() as agent, client(agent).connect() as socket:
        talk = Conversation(socket)
        await socket.send_media(b"\xff" * 160)

        await talk.until(sdk.AgentV1Error, code="BINARY_MESSAGE_BEFORE_SETTINGS")


async def test_it_knows_invalid_credentials() -> None:
    async with server(api_keys={"k1"}) as agent:
        with pytest.raises(ApiError) as refused:
            async with client(agent, "k2").connect():
                pass

    assert refused.value.status_code == 401
