"""All places are taken."""

import asyncio
from pathlib import Path

from edge import twiml
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT
from sim.phone.caller import HangUp, Wait
from sim.stack import Stack
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, until


async def test_a_call_too_many(port: int, tmp_path: Path) -> None:
    with kit.stack(tmp_path, port, MAX_CALLS="1") as stack:
        async with agent(port) as server:
            phone = call(stack)
            first = asyncio.create_task(phone.run())
            await until(lambda: server.live)
            second = await call(stack, Wait(5), HangUp()).run()
            third = await call(stack, Wait(5), HangUp(), is_bin=True).run()
            phone.caller.then(HEARD_OUT, HangUp())
            result = await first
            await closed(server.sessions[0])
            await until(lambda: kit.live_calls(stack) == 0)
            await next_one(stack)

    assert second.said == [twiml.BUSY]
    assert (second.ended, second.streams) == ("hangup verb", [])
    # A Bin's call cannot be told; its next verb is.
    assert [stream.close_code for stream in third.streams] == [1008]
    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert heard_whole(result, GREETING)
    assert len(server.sessions) == 2


async def next_one(stack: Stack) -> None:
    """The place is free again."""
    result = await call(stack, HEARD_OUT, HangUp()).run()

    assert heard_whole(result, GREETING)
