"""Agents by UUID: fetched from the service when their file is read."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from shared.calls import Ringing
from shared.settings import Settings
from sim.agent import AgentServer
from worker.agents import AgentFile, BadAgentFile, load
from worker.agents.file import NotStored
from worker.agents.stored import block_in, stored_agents

Write = Callable[..., Path]

ID = "7d1f0b5e-0c0b-4f2d-9f43-2a4f6f1c3a10"
BLOCK = {"greeting": "Hello ${from}.", "think": {"prompt": "Be brief."}}
FILE = f"agent: {ID}\nbridge: {{tools: [end_call]}}\n"


def settings(server: AgentServer, key: str = "k") -> Settings:
    return Settings(deepgram_api_key=key, deepgram_agent_url=server.url, deepgram_project_id="p/1")


async def loaded(path: Path, server: AgentServer, key: str = "k") -> AgentFile:
    stored = stored_agents(settings(server, key))
    agent, _ = await asyncio.to_thread(load, path, stored=stored)
    return agent


async def test_a_stored_agent_is_expanded(agent_file: Write) -> None:
    async with AgentServer(agents={ID: BLOCK}) as server:
        agent = await loaded(agent_file(FILE), server)

    message = json.loads(agent.settings_for(Ringing("CA1", "+1555", "+2")))
    assert message["agent"]["greeting"] == "Hello +1555."
    assert message["agent"]["think"]["prompt"] == "Be brief."
    assert message["agent"]["think"]["functions"][0]["name"] == "end_call"


@pytest.mark.parametrize(
    ("stored", "key", "complaint"),
    [
        ({}, "k", "answers http 404; check the UUID and DEEPGRAM_PROJECT_ID"),
        ({ID: BLOCK}, "wrong", "answers http 401; check DEEPGRAM_API_KEY"),
        ({ID: {"greeting": "${env:HOME}"}}, "k", "a stored agent has no ${env:...}"),
        ({ID: {"greeting": "Hi from DG_SHOP."}}, "k", "DG_SHOP is filled in by Deepgram alone"),
        ({ID: ["no", "agent"]}, "k", "agent: must be a mapping"),
        ({ID: {"think": "x"}}, "k", "agent.think: must be a mapping"),
    ],
)
async def test_one_that_cannot_be_had_is_told_with_its_place(
    agent_file: Write, stored: dict[str, Any], key: str, complaint: str
) -> None:
    path = agent_file(f"# stored\n{FILE}")
    async with AgentServer(agents=stored, api_keys={"k"}) as server:
        with pytest.raises(BadAgentFile) as bad:
            await loaded(path, server, key)

    assert str(bad.value).startswith(f"{path}:2: agent")
    assert complaint in str(bad.value)
    assert "wrong" not in str(bad.value)


async def test_a_service_that_is_away_is_told(agent_file: Write) -> None:
    server = AgentServer(port=1)

    with pytest.raises(BadAgentFile, match="cannot be reached"):
        await loaded(agent_file(FILE), server)


def test_it_takes_a_project(agent_file: Write) -> None:
    assert stored_agents(Settings(deepgram_api_key="k")) is None
    with pytest.raises(BadAgentFile, match="set DEEPGRAM_PROJECT_ID"):
        load(agent_file(FILE))


def test_what_is_no_uuid_is_no_agent(agent_file: Write) -> None:
    with pytest.raises(BadAgentFile, match=r"agent: must be a mapping .* or the UUID"):
        load(agent_file("agent: sales\n"))


def test_an_answer_may_hold_the_block_itself() -> None:
    assert block_in(json.dumps({"agent_id": ID, "config": BLOCK}).encode()) == BLOCK


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"config": "{"}', b"\xff"])
def test_an_answer_that_is_none_is_told(body: bytes) -> None:
    with pytest.raises(NotStored, match="no agent"):
        block_in(body)


async def test_the_stand_ins_route_is_where_the_sdk_asks() -> None:
    async with AgentServer(agents={ID: BLOCK}) as server:
        base = server.base_url.replace("ws://", "http://")
        environment = DeepgramClientEnvironment(
            base=base, production=server.base_url, agent=server.base_url, agent_rest=base
        )
        with httpx.Client() as http:
            client = DeepgramClient(api_key="k", environment=environment, httpx_client=http)
            get = client.voice_agent.configurations.get
            answer = await asyncio.to_thread(get, project_id="p", agent_id=ID)

    assert answer.agent_id == ID
