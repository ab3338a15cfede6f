"""Calls that we place: `python -m edge dial` through a stand-in of Twilio's REST API."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.record import AnsweredBy, Onset, Over, Said
from sim.agent import AgentServer
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING
from sim.phone.caller import Caller, HangUp, Step, Wait
from sim.phone.outgoing import Outgoing
from sim.phone.rest import Callee, RestServer
from sim.redis import free_port
from sim.stack import ROOT, Stack
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.kit import agent, closed, lines, live_calls, log_of, logs, until

OURS = "+15559870000"
THEIRS = "+15551234567"
PUBLIC_URL = "https://voice.example.com"
SID, TOKEN = "AC00000000000000000000000000000001", "test_auth_token"
MESSAGE = "This is the garage. Your car is ready."

AGENT = (
    kit.AGENT.replace("You talk to ${from}.", "You talk to ${name}.") + f"  voicemail: {MESSAGE}\n"
)


def a_stack(folder: Path, port: int, workers: int = 1) -> Stack:
    stack = kit.stack(
        folder,
        port,
        workers=workers,
        HOST="127.0.0.1",
        NOTICE="off",
        TWILIO_AUTH_TOKEN=TOKEN,
        PUBLIC_URL=PUBLIC_URL,
    )
    (folder / "agents" / "default.yaml").write_text(kit.AGENT)
    (folder / "agents" / "sales.yaml").write_text(AGENT)
    return stack


@asynccontextmanager
async def twilio(stack: Stack, *steps: Step, **how: object) -> AsyncIterator[RestServer]:
    """An account, in which whoever is called does this."""
    server = RestServer(
        port=free_port(),
        edge=f"http://127.0.0.1:{stack.port}",
        public_url=PUBLIC_URL,
        callee=lambda number: Callee(Caller(steps), Outgoing(**how)),  # type: ignore[arg-type]
    )
    async with server:
        yield server


async def dial(rest: RestServer, *arguments: str) -> tuple[int | None, str]:
    """`python -m edge dial ...`: its exit status and what it says."""
    settings = {
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": OURS,
        "TWILIO_API_URL": rest.url,
        "PUBLIC_URL": PUBLIC_URL,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", "dial", "--agent", "sales", "--param", "name=Ann"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, **settings, "AGENTS": "none"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def is_ready(server: AgentServer) -> bool:
    """Whether an agent session has begun."""
    return bool(server.sessions) and server.sessions[0].settings is not None


async def test_the_agent_is_ready_before_somebody_answers(port: int, tmp_path: Path) -> None:
    with a_stack(tmp_path, port) as stack:
        async with agent(port) as server, twilio(stack, Wait(3), HangUp(), rings_s=3.0) as rest:
            status, said = await dial(rest, THEIRS)
            assert status == 0, said
            (placed,) = rest.placed
            await until(lambda: is_ready(server), 2.5)
            assert not placed.call.result.followed  # nobody has answered
            result = await placed.running
            assert await closed(server.sessions[0]) == 1000
            await until(lambda: live_calls(stack) == 0)
        told = logs(stack)

    assert heard_whole(result, GREETING)
    assert result.rejections == []
    assert len(server.sessions) == 1
    assert server.sessions[0].settings is not None
    assert server.sessions[0].settings["agent"]["think"]["prompt"] == "You talk to Ann."
    assert THEIRS not in told + said
    assert result.call_sid in said


async def test_a_call_that_nobody_answers_ends_its_session(port: int, tmp_path: Path) -> None:
    with a_stack(tmp_path, port) as stack:
        async with agent(port) as server, twilio(stack, rings_s=1.5, outcome="busy") as rest:
            await dial(rest, THEIRS)
            result = await rest.placed[0].running
            assert await closed(server.sessions[0]) == 1000
            await until(lambda: live_calls(stack) == 0)
            assert log_of(stack, result.call_sid)[-1][1] == Over("busy")

    assert result.streams == []


async def test_an_answering_machine_is_left_the_message(port: int, tmp_path: Path) -> None:
    machine = {"answered_by": "machine_end_beep", "machine_after_s": 1.0}
    with a_stack(tmp_path, port) as stack:
        async with agent(port) as server, twilio(stack, Wait(20), **machine) as rest:
            await dial(rest, THEIRS, "--amd")
            result = await rest.placed[0].running
            assert [await closed(each) for each in server.sessions] == [1000, 1000]
            await until(lambda: live_calls(stack) == 0)
            log = [entry for _, entry in log_of(stack, result.call_sid)]

    assert AnsweredBy("machine_end_beep") in log
    assert isinstance(log[-1], Over)
    assert log[-1].cause == "answering machine"
    assert [entry.text for entry in log if isinstance(entry, Said)] == [GREETING, MESSAGE]
    assert speak(MESSAGE)[4000:-4000] in bytes(result.agent_track())
    assert result.ended == "hangup verb"
    assert result.rejections == []


async def test_a_worker_that_dies_while_it_tells_a_machine_is_followed_by_one_that_does(
    port: int, tmp_path: Path
) -> None:
    machine = {"answered_by": "machine_end_silence", "machine_after_s": 0.5}
    with a_stack(tmp_path, port, workers=2) as stack:
        async with agent(port) as server, twilio(stack, Wait(30), **machine) as rest:
            await dial(rest, THEIRS, "--amd")
            await until(lambda: len(server.sessions) == 2 and is_ready(server))
            call_sid = rest.placed[0].call.call_sid
            (owner,) = (w for w in stack.workers if _told_machine(w.log, call_sid))
            owner.kill()
            result = await rest.placed[0].running
            log = [entry for _, entry in log_of(stack, result.call_sid)]

    assert isinstance(log[-1], Over)
    assert log[-1].cause == "answering machine"
    assert not [entry for entry in log if isinstance(entry, Onset)]
    assert speak(MESSAGE)[4000:-4000] in bytes(result.agent_track())


def _told_machine(log: str, call_sid: str) -> bool:
    return call_sid in log and "agent session" in log


async def test_a_person_is_noted_and_talked_to(port: int, tmp_path: Path) -> None:
    with a_stack(tmp_path, port) as stack:
        steps = (Wait(3), HangUp())
        async with agent(port) as server, twilio(stack, *steps, machine_after_s=0.5) as rest:
            await dial(rest, THEIRS, "--amd")
            result = await rest.placed[0].running
            await until(lambda: live_calls(stack) == 0)
            log = [entry for _, entry in log_of(stack, result.call_sid)]
        (line,) = lines(stack, "call answered", result.call_sid)

    assert line["reason"] == "human"
    assert AnsweredBy("human") in log
    assert heard_whole(result, GREETING)
    assert len(server.sessions) == 1
