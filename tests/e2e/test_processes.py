"""Processes are set wrongly, die, or are told to go."""

import asyncio
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared import keys
from shared.record import Taken
from sim.agent import ScriptedCall
from sim.faults.sound import heard_whole
from sim.faults.words import BYE, GREETING, HEARD_OUT, goodbye, say, turn
from sim.phone.caller import HangUp, Press, Wait
from sim.phone.record import Event
from sim.stack import ROOT, Process, Stack
from tests.e2e import kit
from tests.e2e.kit import FROM, KEY, agent, call, closed, log_of, logs, until

ASK = "What time is it?"
NOON = "It is noon."
THANKS = "Thank you that is all."
DIGITS = "815162342"

REDIS = "redis://127.0.0.1:1/0"
ANY_AGENT = "ws://127.0.0.1:1/"


# -- set wrongly --------------------------------------------------------------


def outcome(module: str, **environ: str) -> tuple[int, str]:
    """Exit status and the last words of a process that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("module", ["edge", "worker"])
def test_without_a_redis(module: str) -> None:
    status, told = outcome(module, DEEPGRAM_AGENT_URL=ANY_AGENT)

    assert status == 2
    assert told == f"{module}: REDIS_URL: must be set, for example redis://127.0.0.1:6379/0\n"


def test_without_an_agent() -> None:
    status, told = outcome("worker", REDIS_URL=REDIS)

    assert status == 2
    assert told.startswith("worker: DEEPGRAM_API_KEY: must be set; or DEEPGRAM_AGENT_URL")
    assert told.count("\n") == 1


def test_with_a_bad_agent_file(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("agent: {}\nbridge:\n  tools: [fly]\n")

    status, told = outcome(
        "worker", REDIS_URL=REDIS, DEEPGRAM_AGENT_URL=ANY_AGENT, AGENTS=str(tmp_path)
    )

    assert status == 2
    assert "default.yaml" in told
    assert "bridge.tools" in told
    assert told.count("\n") == 1


def test_without_agent_files(tmp_path: Path) -> None:
    status, told = outcome(
        "worker", REDIS_URL=REDIS, DEEPGRAM_AGENT_URL=ANY_AGENT, AGENTS=str(tmp_path / "none")
    )

    assert status == 2
    assert str(tmp_path / "none") in told


@pytest.mark.parametrize("module", ["edge", "worker"])
def test_with_a_port_that_somebody_has(module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        status, told = outcome(
            module, REDIS_URL=REDIS, DEEPGRAM_AGENT_URL=ANY_AGENT, PORT="0", METRICS_PORT=port
        )

    assert status == 2
    assert told == f"{module}: METRICS_PORT: {port} on 127.0.0.1 cannot be used\n"


def test_with_an_agent_that_is_known_not_to_be_there(tmp_path: Path) -> None:
    wrong = "wss://api.deepgram.com/v1/agent/converse"
    with Stack(environ={"DEEPGRAM_AGENT_URL": wrong}, folder=tmp_path) as stack:
        told = stack.workers[0].log

    assert "api.deepgram.com has no agents: use wss://agent.deepgram.com" in told


# -- killed -------------------------------------------------------------------


def asked_first(stack: Stack) -> Process:
    """The worker that the next call would be offered to."""
    with kit.redis_of(stack) as redis:
        name = next(iter(redis.hgetall(keys.WORKERS))).decode()
    (found,) = [worker for worker in stack.workers if name in worker.log]
    return found


async def test_the_worker_that_would_be_asked_is_dead_and_no_log_tells_of_the_caller(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port, workers=2, LOG_LEVEL="DEBUG") as stack:
        asked_first(stack).kill()
        placed_at = time.time()
        async with agent(port, turn(ASK, NOON)) as server:
            result = await call(
                stack, HEARD_OUT, say(ASK), HEARD_OUT, Press(f"{DIGITS}#"), Wait(0.5), HangUp()
            ).run()
            (session,) = server.sessions
            await closed(session)
        (taken_at,) = [
            at for at, entry in log_of(stack, result.call_sid) if isinstance(entry, Taken)
        ]
        told = logs(stack)

    assert taken_at / 1000 - placed_at < 1.2
    assert heard_whole(result, GREETING, NOON)
    assert any(DIGITS in text for text in session.user_turns)
    start = next(str(m.frame) for m in result.streams[0].messages if '"start"' in str(m.frame))
    token = start.partition('"token":"')[2].partition('"')[0]
    assert len(token) > 10
    assert result.call_sid in told
    for secret in (KEY, token, FROM[1:], "15559870000", DIGITS, ASK, NOON, GREETING, "noon"):
        assert secret not in told


# -- told to go ---------------------------------------------------------------


def far_away(event: Event) -> None:
    """Twilio asks what is next only when it has seen its socket close: some way off."""
    if event.kind == "stream over":
        time.sleep(0.4)


async def exit_status(process: Process) -> int:
    await until(lambda: process.status is not None)
    assert process.status is not None
    return process.status


async def serve_out(stack: Stack, process: Process) -> None:
    """A call during which this process is told to go."""
    steps = (HEARD_OUT, say(THANKS), Wait(10))
    phone = call(stack, *steps, on_event=far_away)
    calling = asyncio.create_task(phone.run())
    await until(lambda: phone.heard_ms > 200)
    process.send(signal.SIGTERM)
    result = await calling

    assert heard_whole(result, GREETING, BYE)
    assert result.rejections == []
    assert result.ended == "hangup verb"
    assert [stream.close_code for stream in result.streams] == [1000]
    assert await exit_status(process) == 0


async def test_a_process_that_is_told_to_go_serves_its_call_to_the_end(
    port: int, tmp_path: Path
) -> None:
    with (
        kit.stack(tmp_path / "one", port) as one,
        kit.stack(tmp_path / "other", port) as other,
    ):
        async with agent(port, goodbye(THANKS)) as server:
            await asyncio.gather(serve_out(one, one.edges[0]), serve_out(other, other.workers[0]))
            assert [await closed(session) for session in server.sessions] == [1000, 1000]


async def test_idle_processes_go_at_once(port: int, tmp_path: Path) -> None:
    with kit.stack(tmp_path, port) as stack:
        processes = [*stack.edges, *stack.workers]
        for process in processes:
            process.send(random.choice([signal.SIGTERM, signal.SIGINT]))
        assert [await exit_status(process) for process in processes] == [0, 0]
        assert "Traceback" not in logs(stack)


TOOLS = '''
import asyncio
import time

from worker.tools import tool

@tool(deadline_s=0.5)
async def deaf() -> None:
    """Never end."""
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException:
            pass

@tool(deadline_s=0.5)
async def block() -> None:
    """Block a thread."""
    await asyncio.to_thread(time.sleep, 50)
'''


async def test_a_worker_goes_although_functions_do_not_end(port: int, tmp_path: Path) -> None:
    module = tmp_path / "tools.py"
    module.write_text(TOOLS)
    calls = (ScriptedCall("deaf", then=(NOON,)), ScriptedCall("block"))
    stack = kit.stack(tmp_path, port, TOOLS=str(module))
    agent_file = tmp_path / "agents" / "default.yaml"
    agent_file.write_text(kit.AGENT.replace("[end_call]", "[deaf, block]"))
    with stack:
        async with agent(port, turn(ASK, call=calls)):
            result = await call(stack, HEARD_OUT, say(ASK), HEARD_OUT, HangUp()).run()
            await until(lambda: kit.live_calls(stack) == 0)
        (worker,) = stack.workers
        worker.send(signal.SIGTERM)
        assert await exit_status(worker) == 0
        told = worker.log

    assert heard_whole(result, GREETING, NOON)
    assert "a function does not end" in told
    assert "Traceback" not in told
