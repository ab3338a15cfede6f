"""A call may last so long and no longer, whichever worker has it."""

import asyncio
import time
from pathlib import Path

from shared.record import Over, Taken
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING
from sim.phone.caller import HangUp, Wait
from tests.e2e import kit
from tests.e2e.kit import agent, call, log_of, until

MAX_S = 6.0
GOODBYE_S = 3.0
"""What a goodbye, and whoever does the takeover, may take beyond it."""


async def test_a_call_ends_with_a_goodbye_at_its_time_although_its_worker_died(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port, workers=2, MAX_CALL_S=str(MAX_S), LEASE_S="1") as stack:
        async with agent(port) as server:
            phone = call(stack, Wait(20), HangUp())
            rang_at = time.monotonic()
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > 300)
            entries = [entry for _, entry in log_of(stack, phone.call_sid)]
            (taken,) = (entry for entry in entries if isinstance(entry, Taken))
            next(each for each in stack.workers if taken.worker in each.log).kill()
            result = await calling
            lasted_s = time.monotonic() - rang_at
            await until(lambda: server.live == 0)

        entries = [entry for _, entry in log_of(stack, result.call_sid)]

    print(f"lasted {lasted_s:.1f} s of {MAX_S}")
    assert MAX_S <= lasted_s < MAX_S + GOODBYE_S
    assert result.ended == "hangup verb"
    assert [each.cause for each in entries if isinstance(each, Over)] == ["time is up"]
    assert len([each for each in entries if isinstance(each, Taken)]) == 2
    assert heard_whole(result, GREETING, "Goodbye.")
    assert len(result.streams) == 1
