"""What is said of an agent service, and of the key: the stand-in answers as Deepgram does."""

import asyncio

import pytest

from edge.doctor import agent
from edge.doctor.finding import Finding, Mark
from shared.settings import read
from sim.agent import AgentServer, Faults
from sim.redis import free_port

KEY = "dg-secret-4711"


async def finding(url: str, key: str = KEY) -> Finding:
    settings = read({"DEEPGRAM_AGENT_URL": url, "DEEPGRAM_API_KEY": key})
    (found,) = await asyncio.to_thread(lambda: list(agent.findings(settings)))
    assert KEY not in str(found)
    return found


async def test_a_key_that_is_taken_opens_a_session_and_closes_it_unconfigured() -> None:
    async with AgentServer(api_keys={KEY}) as server:
        found = await finding(server.url)

    assert found.mark is Mark.OK
    (session,) = server.sessions
    assert session.settings is None
    assert session.close_code == 1000


async def test_a_key_that_is_not() -> None:
    async with AgentServer(api_keys={"other"}) as server:
        found = await finding(server.url)

    assert found.mark is Mark.BAD
    assert "401" in found.seen
    assert "DEEPGRAM_API_KEY" in found.todo


@pytest.mark.parametrize(
    ("faults", "seen", "todo"),
    [
        (Faults(reject=429), "all sessions are in use", "MAX_SESSIONS"),
        (Faults(reject=403), "the key may not", "rights"),
        (Faults(reject=500), "HTTP 500", "DEEPGRAM_AGENT_URL"),
        (Faults(drop=True, no_welcome=True), "no Welcome came", "agent service"),
    ],
)
async def test_a_service_that_does_not_let_us_in(faults: Faults, seen: str, todo: str) -> None:
    async with AgentServer(faults=faults) as server:
        found = await finding(server.url)

    assert found.mark is Mark.BAD
    assert seen in found.seen
    assert todo in found.todo


async def test_an_agent_of_ones_own_needs_no_key() -> None:
    async with AgentServer() as server:
        found = await finding(server.url, key="")

    assert "401" in found.seen  # this one does need one, and was asked without


async def test_nobody_is_there() -> None:
    found = await finding(f"ws://127.0.0.1:{free_port()}/v1/agent/converse")

    assert found.mark is Mark.BAD
    assert "nobody listens there" in found.seen


async def test_an_address_that_is_known_to_be_wrong_is_not_asked() -> None:
    found = await finding("wss://api.deepgram.com/v1/agent/converse")

    assert found.mark is Mark.BAD
    assert "wss://agent.deepgram.com/v1/agent/converse" in found.todo


def test_an_edge_need_not_know_the_key() -> None:
    (found,) = agent.findings(read({}))

    assert found.mark is Mark.SKIPPED
    assert "worker" in found.seen
