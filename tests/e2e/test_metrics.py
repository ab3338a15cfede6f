"""What edge and worker tell Prometheus of calls that there were."""

import asyncio
import re
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from sim.faults.words import GREETING, HEARD_OUT, say, turn
from sim.phone.caller import HangUp
from sim.redis import free_port
from sim.stack import ROOT, Stack
from tests.e2e import kit
from tests.e2e.kit import FROM, agent, call, live_calls, until

ASK = "What time is it?"
NOON = "It is noon."


async def page_of(port: int) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{port}/metrics")


async def scraped(port: int) -> dict[str, float]:
    """Every sample of a page, by its name and its labels' values."""
    page = (await page_of(port)).text
    assert FROM not in page
    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    return {" ".join([each.name, *each.labels.values()]): each.value for each in samples}


def named(page: dict[str, float]) -> set[str]:
    """The metrics of ours on a page, as the README names them."""
    names = {each.partition(" ")[0] for each in page if each.startswith("holdfast_")}
    bare = {name.removeprefix("holdfast_") for name in names}
    return {re.sub("_(bucket|count|sum)$", "", name) for name in bare}


async def idle(stack: Stack) -> None:
    """When the last call has gone."""
    await until(lambda: live_calls(stack) == 0)


async def test_a_call_is_counted_on_either_side(port: int, tmp_path: Path) -> None:
    of_edge, of_worker = free_port(), free_port()
    with kit.stack(tmp_path, port, workers=0, METRICS_PORT=str(of_edge)) as stack:
        stack.add_worker(METRICS_PORT=str(of_worker))
        stack.wait_ready()
        async with agent(port, turn(ASK, NOON)):
            await call(stack, HEARD_OUT, say(ASK), HEARD_OUT, HangUp()).run()
            await idle(stack)
        edge, worker = await scraped(of_edge), await scraped(of_worker)
        public = await page_of(stack.port)

    assert public.status_code == 404  # the edge's own port is everybody's
    assert edge["holdfast_phones_live"] == 0
    assert edge["holdfast_phones_ended_total caller hung up"] == 1
    assert edge["holdfast_phone_messages_total up"] > 100
    assert edge["holdfast_phone_messages_total down"] > len(kit.words(GREETING)) / 960
    assert edge["holdfast_workers_alive"] == 1
    assert worker["holdfast_calls_live"] == 0
    assert worker["holdfast_places"] == 40
    assert worker["holdfast_calls_claimed_total an edge"] == 1
    assert worker["holdfast_calls_ended_total caller hung up"] == 1
    assert worker["holdfast_agent_connects_total"] == 1
    assert worker["holdfast_agent_sessions_total"] == 1
    assert worker["holdfast_caller_turns_total"] == 1
    assert worker["holdfast_answer_seconds_count"] == 1
    assert 0 < worker["holdfast_answer_seconds_sum"] < 5
    readme = set(re.findall(r"[a-z_]+", (ROOT / "README.md").read_text()))
    for page in (edge, worker):
        assert named(page) - readme == set()
        assert page["holdfast_redis_up"] == 1
        assert page["holdfast_redis_sound_dropped_total"] == 0
        assert page["process_resident_memory_bytes"] > 1e6


async def test_a_take_over_is_counted_where_it_ends(port: int, tmp_path: Path) -> None:
    survivor = free_port()
    with kit.stack(tmp_path, port, workers=1) as stack:
        async with agent(port, turn(ASK, NOON)):
            phone = call(stack, HEARD_OUT, say(ASK), HEARD_OUT, HangUp())
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > 200)
            stack.add_worker(METRICS_PORT=str(survivor))
            stack.wait_ready()
            stack.workers[0].kill()
            await calling
            await idle(stack)
        told = await scraped(survivor)

    assert told["holdfast_calls_claimed_total another worker"] == 1
    assert told["holdfast_calls_ended_total caller hung up"] == 1
