"""The stand-in of Twilio's REST API: what it takes, what it refuses, and what it then does."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from sim.phone.outgoing import Outgoing
from sim.phone.rest import Callee, RestServer
from sim.redis import free_port

FIELDS = {
    "To": "+15551230001",
    "From": "+15559870000",
    "Url": "https://voice.example.com/twilio/voice",
}


@pytest.fixture
async def twilio() -> AsyncIterator[RestServer]:
    """An account, whose calls ring until they are taken back."""
    rings = Callee(outgoing=Outgoing(rings_s=60))
    port = free_port()
    async with RestServer(port=port, edge="http://127.0.0.1:1", callee=lambda _: rings) as server:
        yield server


async def post(
    twilio: RestServer, path: str = "Calls.json", token: str = "test_auth_token", **fields: str
) -> httpx.Response:
    account = f"{twilio.url}/2010-04-01/Accounts/{twilio.account_sid}"
    auth = (twilio.account_sid, token)
    async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
        return await client.post(f"{account}/{path}", data=fields)


async def test_a_call_is_queued_and_rings(twilio: RestServer) -> None:
    response = await post(twilio, **FIELDS)

    told = response.json()
    assert response.status_code == 201
    assert (told["status"], told["direction"]) == ("queued", "outbound-api")
    assert told["sid"] == twilio.placed[0].call.call_sid
    assert not twilio.placed[0].running.done()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"To": ""}, 400, 21201),
        ({"To": "+0"}, 400, 21211),
        ({"From": "+15551230009"}, 400, 21210),
        ({"Url": "voice"}, 400, 21205),
        ({"StatusCallback": "/twilio/status"}, 400, 21205),
        ({"StatusCallbackEvent": "rings"}, 400, 21626),
        ({"Timeout": "601"}, 400, 20001),
        ({"MachineDetection": "true"}, 400, 20001),
        ({"AsyncAmdStatusCallback": "https://h/machine"}, 400, 20001),
        ({"Ring": "1"}, 400, 20001),
        ({"token": "wrong"}, 401, 20003),
        ({"path": "Calls/CA1.json"}, 404, 20404),
    ],
)
async def test_what_it_refuses(
    twilio: RestServer, changes: dict[str, str], status: int, code: int
) -> None:
    response = await post(twilio, **{**FIELDS, **changes})

    assert response.status_code == status
    assert (response.json()["status"], response.json()["code"]) == (status, code)
    assert twilio.placed == []


async def test_a_call_is_ended_once(twilio: RestServer) -> None:
    call_sid = (await post(twilio, **FIELDS)).json()["sid"]

    first = await post(twilio, f"Calls/{call_sid}.json", Status="completed")
    result = await asyncio.wait_for(twilio.placed[0].running, 5)
    second = await post(twilio, f"Calls/{call_sid}.json", Status="completed")

    assert (first.status_code, result.ended) == (200, "canceled")
    assert (second.status_code, second.json()["code"]) == (404, 20404)
