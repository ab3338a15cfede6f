"""Operators steer a call that is going on; functions keep parts of it out of the recording."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from replay.bundle import load_original, save_bundle
from replay.recording import load
from replay.recording import load_original as original_of
from shared import keys
from shared.bus import Archive, open_bus
from shared.messages import UP, Audio
from shared.record import Heard, Over, Paused, Resumed, Said, Updated
from shared.sound import is_speech
from sim.agent import ScriptedCall, SessionRecord
from sim.faults.sound import heard_whole
from sim.faults.words import BYE, GREETING, HEARD_OUT, goodbye, say, turn
from sim.phone.caller import Wait
from sim.stack import ROOT, Process, Stack
from tests.e2e import kit
from tests.e2e.kit import agent, call, closed, log_of, logs, redis_of, until

ASK = "Is a table free?"
REPLY = "I am looking."
WORDS = "A colleague is asking the kitchen."
THANKS = "Thank you that is all."
MEMBER = "The caller is a member."
CARD = "My card is four one one one."
NOTED = "I have noted it."


@dataclass(frozen=True)
class Told:
    """What a command said."""

    status: int
    out: str
    errors: str


async def order(stack: Stack, *arguments: str) -> Told:
    """`python -m worker ...`, as an operator types it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "REDIS_URL": stack.redis.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), errors.decode())


def updates(session: SessionRecord) -> list[dict[str, Any]]:
    """What changes an agent session was sent."""
    sent = [frame.json() for frame in session.frames if not frame.sent]
    return [each for each in sent if str(each.get("type")).startswith("Update")]


def entries(stack: Stack, call_sid: str, kind: type) -> list[Any]:
    return [entry for _, entry in log_of(stack, call_sid) if isinstance(entry, kind)]


async def test_an_operator_speaks_through_the_agent_and_changes_it(port: int, house: Stack) -> None:
    async with agent(port, turn(ASK, REPLY), goodbye(THANKS)) as server:
        phone = call(house, HEARD_OUT, say(ASK), HEARD_OUT)
        calling = asyncio.create_task(phone.run())
        await until(lambda: any(d for d in server.sessions if d.user_turns), 15)
        said, voice = await asyncio.gather(
            order(house, "say", phone.call_sid, WORDS),
            order(house, "voice", phone.call_sid, "aura-2-andromeda-en"),
        )
        phone.caller.then(Wait(3), say(THANKS), Wait(15))
        result = await calling
        late = await order(house, "say", phone.call_sid, WORDS)
        assert await closed(server.sessions[0]) == 1000

    done = Told(0, "done\n", "")
    assert (said, voice) == (done, done)
    assert heard_whole(result, GREETING, REPLY, WORDS, BYE)
    assert [each["type"] for each in updates(server.sessions[0])] == ["UpdateSpeak"]
    assert [e.behavior for e in entries(house, phone.call_sid, Said) if e.text == WORDS] == [
        "injected"
    ]
    assert late == Told(1, "", f"worker: {phone.call_sid}: the call is over\n")
    assert WORDS not in logs(house)


async def test_a_call_that_there_is_not(house: Stack) -> None:
    assert await order(house, "say", "CA0", "Hello.") == Told(
        1, "", "worker: CA0: there is no such call\n"
    )


async def test_a_worker_that_does_not_answer_is_not_waited_for_for_ever(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port) as stack:
        async with agent(port, turn(ASK, REPLY)) as server:
            phone = call(stack, Wait(20))
            calling = asyncio.create_task(phone.run())
            await until(lambda: server.sessions and phone.heard_ms > 100)
            stack.workers[0].send(signal.SIGSTOP)
            told = await order(stack, "say", phone.call_sid, "Hello.", "--within", "1")
            stack.workers[0].send(signal.SIGCONT)
            phone.hang_up()
            await calling

    assert told.status == 1
    assert told.errors.endswith("within 1 s: whether it was done is not known\n")


@pytest.mark.parametrize(
    "arguments", [["sing", "CA1", "la"], ["say", "CA1"], ["say", "CA1", " "], ["pause"]]
)
async def test_what_is_asked_wrongly_is_told_so(house: Stack, arguments: list[str]) -> None:
    told = await order(house, *arguments)

    assert told.status == 2
    assert told.errors.startswith("usage:")


async def test_a_change_outlives_the_worker_that_made_it(port: int, tmp_path: Path) -> None:
    with kit.stack(tmp_path, port, workers=2) as stack:
        async with agent(port, turn(ASK, REPLY), goodbye(THANKS)) as server:
            phone = call(stack, HEARD_OUT, Wait(1))
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > 500)
            told = await order(stack, "prompt", phone.call_sid, MEMBER)
            owner_of(stack, phone.call_sid).kill()
            await until(lambda: len(server.sessions) == 2 and server.sessions[1].settings, 10)
            phone.caller.then(say(ASK), HEARD_OUT, say(THANKS), Wait(15))
            result = await calling
        changed = entries(stack, phone.call_sid, Updated)

    assert told == Told(0, "done\n", "")
    settings = server.sessions[1].settings
    assert settings is not None
    assert settings["agent"]["think"]["prompt"].endswith(f"\n{MEMBER}")
    assert heard_whole(result, GREETING, REPLY, BYE)
    assert [each.content for each in changed] == [MEMBER]


def owner_of(stack: Stack, call_sid: str) -> Process:
    """The worker that has a call."""
    with redis_of(stack) as redis:
        owner = redis.hget(keys.call(0, call_sid), "owner").decode().rpartition(".")[0]
    (found,) = (each for each in stack.workers if owner in each.log)
    return found


TOOLS = '''
from worker.tools import CallInfo, tool

@tool
async def take_card(info: CallInfo) -> str:
    """Begin to take a card's number."""
    info.pause_recording()
    return "go on"

@tool
async def card_taken(info: CallInfo) -> str:
    """The card's number was taken."""
    info.resume_recording()
    return "go on"
'''


async def test_a_sensitive_passage_is_in_no_recording(port: int, tmp_path: Path) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text(TOOLS)
    turns = (
        turn(ASK, call=(ScriptedCall("take_card", then=("Which card?",)),)),
        turn(CARD, call=(ScriptedCall("card_taken", then=(NOTED,)),)),
        goodbye(THANKS),
    )
    stack = kit.stack(tmp_path, port, TOOLS=str(tools))
    file = tmp_path / "agents" / "default.yaml"
    file.write_text(kit.AGENT.replace("[end_call]", "[end_call, take_card, card_taken]"))
    with stack:
        async with agent(port, *turns) as server:
            steps = [step for text in (ASK, CARD, THANKS) for step in (HEARD_OUT, say(text))]
            result = await call(stack, *steps, Wait(15)).run()
            assert server.sessions[0].user_turns == [ASK, CARD, THANKS]
        log = [entry for _, entry in log_of(stack, result.call_sid)]
        async with open_bus(stack.redis.url, "test") as bus:
            archive = Archive(bus)
            recording = await load(archive, result.call_sid)
            raw = await original_of(archive, result.call_sid)

    assert heard_whole(result, GREETING, "Which card?", NOTED, BYE)
    assert [e.text for e in log if isinstance(e, Heard)] == [ASK, "(not recorded)", THANKS]
    (begin,) = (e.up for e in log if isinstance(e, Paused))
    (end,) = (e.up for e in log if isinstance(e, Resumed))
    read_back = [n for n, each in recording.streams[0].up if isinstance(each, Audio)]
    assert read_back
    assert not [number for number in read_back if begin < number <= end]
    # Redis itself has deleted the caller's words, and a bundle never had them.
    path = save_bundle(raw, tmp_path / "a.call")
    for stream in (*raw.streams, *load_original(path).streams):
        up = [(int(i.partition(b"-")[0]), UP.unpack(payload)) for i, payload in stream.up]
        loud = [n for n, m in up if isinstance(m, Audio) and is_speech(m.mulaw)]
        assert [number for number in loud if number <= begin or number > end]
        assert not [number for number in loud if begin < number <= end]
    assert [e for e in log if isinstance(e, Over)]
