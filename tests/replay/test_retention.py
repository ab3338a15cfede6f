"""What stays of a call when recordings are off."""

from pathlib import Path

from replay.recording import load
from shared.bus import Archive, open_bus
from sim.faults.words import HEARD_OUT
from sim.phone.caller import HangUp
from sim.redis import free_port
from tests.e2e import kit


async def test_without_recording_a_call_goes_half_a_minute_after_its_end(tmp_path: Path) -> None:
    port = free_port()
    with kit.stack(tmp_path, port, RECORDING="off") as stack:
        async with kit.agent(port):
            result = await kit.call(stack, HEARD_OUT, HangUp()).run()
            await kit.until(lambda: not kit.live_calls(stack))
        with kit.redis_of(stack) as redis:
            sids = (result.call_sid, result.streams[0].stream_sid)
            ttls = [redis.ttl(name) for sid in sids for name in redis.keys(f"*:{sid}")]
        async with open_bus(stack.redis.url, "test") as bus:
            recording = await load(Archive(bus), result.call_sid)

    assert len(ttls) == 4
    assert all(0 < ttl <= 30 for ttl in ttls)
    assert recording.call.cause == "caller hung up"
