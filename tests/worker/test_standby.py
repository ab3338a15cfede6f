"""An agent session made ready for a call that is on its way to us, against the stand-in agent."""

import pytest

from shared.settings import Settings
from sim.agent import AgentServer, Faults, Script
from sim.redis import free_port
from tests.e2e.kit import until
from worker import deepgram
from worker.socket import AgentRefused
from worker.standby import Standby


def settings(server: AgentServer) -> Settings:
    return Settings(deepgram_agent_url=server.url, deepgram_api_key="a-key")


def agent(faults: Faults | None = None) -> AgentServer:
    return AgentServer(port=free_port(), script=Script(()), faults=faults)


async def test_it_gets_as_far_as_welcome_and_its_new_owner_is_told_of_that() -> None:
    got: list[str | bytes] = []
    async with agent() as server:
        standby = Standby(settings(server))
        await standby.open()
        assert standby.is_open
        assert server.sessions[0].settings is None

        socket, welcome = standby.hand_over(got.append, lambda code: None)
        standby.close()  # it is not its own any more
        socket.send('{"type":"Settings"}')
        await until(lambda: got)
        socket.close()

    assert isinstance(deepgram.parse(welcome), deepgram.Welcome)
    assert isinstance(deepgram.parse(got[0]), deepgram.AgentError)
    assert not standby.is_open


async def test_its_new_owner_is_told_of_its_end() -> None:
    closed: list[str] = []
    async with agent() as server:
        standby = Standby(settings(server))
        await standby.open()
        standby.hand_over(lambda message: None, closed.append)
    await until(lambda: closed)


async def test_one_that_was_not_wanted_is_closed() -> None:
    async with agent() as server:
        standby = Standby(settings(server))
        await standby.open()
        standby.close()
        await until(lambda: server.sessions[0].close_code is not None)

    assert server.sessions[0].close_code == 1000


async def test_one_that_ends_while_it_waits_is_not_open() -> None:
    async with agent() as server:
        standby = Standby(settings(server))
        await standby.open()
    await until(lambda: not standby.is_open)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(reject=429), "http 429"),
        (Faults(no_welcome=True), "no welcome"),
        (Faults(no_welcome=True, close=1011), "closed 1011"),
    ],
)
async def test_a_service_that_does_not_take_us_says_so(faults: Faults, code: str) -> None:
    async with agent(faults) as server:
        with pytest.raises(AgentRefused) as refusal:
            await Standby(settings(server)).open()

    assert refusal.value.code == code
