"""Sockets that do not behave like Twilio's: refused or ignored, and calls go on."""

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.call import RUBBISH_IN_A_ROW
from sim.faults.rows.strangers import STRAYS
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT, say, turn
from sim.phone.caller import HangUp
from sim.phone.track import Impairments, Stray
from sim.phone.wire import CONNECTED, Renderer
from sim.stack import Stack
from tests.e2e.kit import agent, call, closed, until

ASK = "What time is it?"
NOON = "It is noon."


def dial(house: Stack, path: str = "/twilio") -> connect:
    url = house.stream.removesuffix("/twilio") + path
    return connect(url, compression=None, proxy=None, ping_interval=None, close_timeout=1)


async def close_code(socket: ClientConnection) -> int | None:
    """Read until the edge closes."""
    try:
        async with asyncio.timeout(10):
            async for _ in socket:
                pass
    except ConnectionClosed:
        pass
    return socket.close_code


def start(call_sid: str) -> str:
    return Renderer("AC" + "0" * 32, call_sid, "MZ" + call_sid[2:]).start({})


async def check_no_start(house: Stack) -> None:
    async with dial(house) as silent, dial(house) as chatty, dial(house) as wordy:
        await chatty.send(CONNECTED)
        await wordy.send("x" * 60_000)
        loop = asyncio.get_running_loop()
        since = loop.time()
        assert await asyncio.gather(*map(close_code, (silent, chatty, wordy))) == [1008] * 3
        assert 3 < loop.time() - since < 9


async def test_rubbish_in_a_call_is_ignored_and_a_socket_without_a_start_closed(
    house: Stack, port: int
) -> None:
    strays = tuple(Stray(0.1 + 0.1 * i, frame) for i, frame in enumerate(STRAYS))
    impairments = Impairments(strays=strays, frame_sizes=(160, 1, 159, 320, 7, 33, 800))
    async with agent(port, turn(ASK, NOON)) as server:
        phone = call(house, HEARD_OUT, say(ASK), HEARD_OUT, HangUp(), impairments=impairments)
        result, _ = await asyncio.gather(phone.run(), check_no_start(house))
        (session,) = server.sessions
        await closed(session)

    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert heard_whole(result, GREETING, NOON)
    assert session.user_turns == [ASK]
    heard = bytes(session.heard).lstrip(b"\xff")
    assert heard == result.caller_track().lstrip(b"\xff")[: len(heard)]


@pytest.mark.parametrize("rubbish", ["hello", b"\x00"], ids=["text", "binary"])
async def test_nothing_but_rubbish(house: Stack, rubbish: str | bytes) -> None:
    async with dial(house) as socket:
        for _ in range(RUBBISH_IN_A_ROW):
            await socket.send(rubbish)
        assert await close_code(socket) == 1008


async def test_nothing_but_rubbish_after_start(house: Stack, port: int) -> None:
    async with agent(port) as server, dial(house) as socket:
        await socket.send(start("CA" + "5" * 32))
        await until(lambda: server.live)
        for _ in range(RUBBISH_IN_A_ROW):
            await socket.send("hello")
        assert await close_code(socket) == 1000
        await closed(server.sessions[0])


async def test_frames_above_64_kib(house: Stack, port: int) -> None:
    async with agent(port) as server, dial(house) as early, dial(house) as late:
        await early.send("x" * 65_537)
        await late.send(start("CA" + "6" * 32))
        await until(lambda: server.live)
        await late.send("x" * 65_537)
        assert await close_code(early) == 1009
        assert await close_code(late) == 1009
        await closed(server.sessions[0])


@pytest.mark.parametrize("sid", ["CA1", "CA" + "g" * 32, "{calls}:new"])
async def test_a_start_without_a_call(house: Stack, sid: str) -> None:
    async with dial(house) as socket:
        await socket.send(start("CA" + "7" * 32).replace("CA" + "7" * 32, sid))
        for _ in range(RUBBISH_IN_A_ROW):
            await socket.send(json.dumps({"event": "media"}))
        assert await close_code(socket) == 1008


@pytest.mark.parametrize("path", ["/", "/twilio/", "/twilio/voice", "/other"])
async def test_any_other_path_is_refused(house: Stack, path: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await dial(house, path)

    assert refusal.value.response.status_code in (403, 404)


async def test_a_second_socket_for_a_live_call_is_refused(house: Stack, port: int) -> None:
    async with agent(port) as server, dial(house) as first, dial(house) as second:
        await first.send(start("CA" + "8" * 32))
        await until(lambda: server.live)
        await asyncio.sleep(0.1)
        await second.send(start("CA" + "8" * 32))
        assert await close_code(second) == 1008
        assert len(server.sessions) == 1
        await first.close()
        await closed(server.sessions[0])
