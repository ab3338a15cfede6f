"""Agent files as callers hear them: which one answers, and what changes meanwhile."""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml

from shared.record import Configured
from sim.agent import AgentServer, SessionRecord
from sim.faults.words import GREETING, HEARD_OUT
from sim.phone.caller import HangUp, Wait
from sim.stack import Stack
from tests.e2e import kit
from tests.e2e.kit import AGENT, agent, call, closed, lines, log_of, logs, redis_of, until

STORED = "7d1f0b5e-0c0b-4f2d-9f43-2a4f6f1c3a10"
OURS = "+15550001111"
SECRET = "llm-secret-0815"

ENDPOINT = """
    endpoint: {url: "https://llm.example.com/v1", headers: {authorization: "${env:LLM_KEY}"}}
"""


def write(stack: Stack, text: str, name: str = "default.yaml") -> None:
    (stack.folder / "agents" / name).write_text(text)


def greeting(session: SessionRecord) -> str:
    return str((session.settings or {})["agent"]["greeting"])


async def greeted(stack: Stack, server: AgentServer, **options: Any) -> str:
    """The greeting with which a call is answered."""
    before = len(server.sessions)
    await call(stack, Wait(0.3), HangUp(), **options).run()
    await until(lambda: len(server.sessions) > before and server.sessions[-1].settings)
    await closed(server.sessions[-1])
    return greeting(server.sessions[-1])


async def test_the_called_number_chooses_and_the_webhook_may_name_another(
    port: int, tmp_path: Path
) -> None:
    stack = kit.stack(tmp_path, port)
    sales = f"agent: {{greeting: Sales.}}\nbridge: {{numbers: ['{OURS}']}}\n"
    write(stack, sales, "sales.yaml")
    write(stack, "agent: {greeting: Help.}\n", "help.yaml")
    with stack:
        async with agent(port) as server:
            assert await greeted(stack, server, to=OURS) == "Sales."
            assert await greeted(stack, server, to="+15550009999") == GREETING
            named = f"{stack.webhook}?agent=help"
            assert await greeted(stack, server, to=OURS, webhook=named) == "Help."


async def test_a_changed_file_is_taken_for_the_next_call_and_a_bad_one_is_not(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port, workers=2) as stack:
        async with agent(port) as server:
            assert await greeted(stack, server) == GREETING
            write(stack, "agent: {greeting: Changed.}\n")
            await until(lambda: len(lines(stack, "agent file taken")) == 2)
            assert await greeted(stack, server) == "Changed."

            write(stack, "agent: {greeting: Bad.}\nbridge: {tols: []}\n")
            await until(lambda: len(lines(stack, "agent file refused")) == 2)
            assert await greeted(stack, server) == "Changed."
        (refused, _) = lines(stack, "agent file refused")
        assert ":2: bridge.tols: is not known here" in refused["reason"]


async def test_a_call_under_way_keeps_its_agent_when_it_is_taken_over(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port, workers=1, LEASE_S="1") as stack:
        async with agent(port) as server:
            phone = call(stack, HEARD_OUT, Wait(60))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(phone.run())
                await until(lambda: server.sessions and server.sessions[0].settings)
                write(stack, AGENT.replace("You talk to", "You now talk to"))
                await until(lambda: lines(stack, "agent file taken"))
                stack.workers[0].kill()
                stack.add_worker()
                await until(lambda: len(server.sessions) == 2 and server.sessions[1].settings, 20)
                phone.hang_up()
    think = [(each.settings or {})["agent"]["think"]["prompt"] for each in server.sessions]
    assert think == [f"You talk to {kit.FROM}."] * 2


async def test_a_secret_is_sent_and_stays_nowhere(port: int, tmp_path: Path) -> None:
    text = AGENT.replace("  speak:", f"{ENDPOINT.lstrip(chr(10))}  speak:")
    assert yaml.safe_load(text)["agent"]["think"]["endpoint"]
    stack = kit.stack(tmp_path, port, LLM_KEY=SECRET)
    write(stack, text)
    with stack:
        async with agent(port) as server:
            result = await call(stack, HEARD_OUT, HangUp()).run()
            await closed(server.sessions[0])
        sent = (server.sessions[0].settings or {})["agent"]["think"]["endpoint"]
        assert sent["headers"] == {"authorization": SECRET}
        (entry,) = [e for _, e in log_of(stack, result.call_sid) if isinstance(e, Configured)]
        kept = json.loads(entry.settings)["agent"]["think"]["endpoint"]
        assert kept["headers"] == {"authorization": "${env:LLM_KEY}"}
        assert SECRET not in logs(stack)
        with redis_of(stack) as redis:
            streams = list(redis.scan_iter(_type="stream"))
            hashes = list(redis.scan_iter(_type="hash"))
            kept_bytes = repr([*map(redis.xrange, streams), *map(redis.hgetall, hashes)])
        assert "${env:LLM_KEY}" in kept_bytes
        assert SECRET not in kept_bytes


async def test_a_stored_agent_answers(port: int, tmp_path: Path) -> None:
    block = yaml.safe_load(AGENT)["agent"] | {"greeting": "I was stored."}
    stack = kit.stack(tmp_path, port, DEEPGRAM_PROJECT_ID="p-1")
    write(stack, f"agent: {STORED}\nbridge: {{tools: [end_call]}}\n")
    async with AgentServer(port=port, agents={STORED: block}) as server:
        # The worker asks this very loop for its agent before it is ready.
        await asyncio.to_thread(stack.__enter__)
        try:
            assert await greeted(stack, server) == "I was stored."
        finally:
            stack.stop()
