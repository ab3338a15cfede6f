"""Workers die, stall and go, agent sockets break: the caller stays, and the conversation goes on.

Such calls take their time. So all of them are made at once, each on a stack of its own, and each
test looks at what became of one.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared import keys
from shared.record import Configured, Released, Said, Taken
from sim.agent import AgentServer, Faults, SessionRecord
from sim.phone.call import Call
from sim.phone.caller import HangUp, Listen, Wait
from sim.phone.record import CallResult
from sim.stack import ROOT, Process, Stack, free_port
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.kit import (
    BYE,
    GREETING,
    HEARD_OUT,
    LONG,
    agent,
    call,
    closed,
    goodbye,
    heard_whole,
    lines,
    log_of,
    played,
    say,
    turn,
    until,
)

ASK = "What cars do you have?"
MORE = "Two of them are electric."
THANKS = "Thank you that is all."

TURNS = (turn(ASK, LONG, MORE), goodbye(THANKS))
"""What every caller here asks, and is told."""

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDING = (HEARD_OUT, say(THANKS), Wait(12), HangUp())
ASKING = (HEARD_OUT, say(ASK), *ENDING)
PATIENT = (HEARD_OUT, say(ASK), Listen(quiet_s=5.0), say(THANKS), Wait(12), HangUp())
"""A caller who lets the agent take its time."""

HOLD = (ROOT / "shared" / "sounds" / "hold.ulaw").read_bytes()

OWNED_WITHIN_MS = 1500 + 500
"""A lease of a second, half a second until somebody looks, and a slow machine."""


class Talk:
    """A call under way."""

    def __init__(self, stack: Stack, number: str, *steps: Any) -> None:
        self.stack = stack
        self.number = number
        self.phone: Call = call(stack, *steps, from_=number)
        self._task = asyncio.create_task(self.phone.run())

    @property
    def sid(self) -> str:
        return self.phone.result.call_sid

    async def has_heard(self, text: str, ms: float = 0) -> None:
        """Wait until the caller has heard this sentence, and so much of what follows."""
        sound = len(speak(text)) / 8
        await until(lambda: self.phone.heard_ms > sound + ms)

    async def result(self) -> CallResult:
        return await self._task

    def sessions(self, server: AgentServer) -> list[SessionRecord]:
        """The agent's sessions for this caller, one after the other."""
        return [each for each in server.sessions if self.number in str(each.settings)]

    def entries(self, kind: type) -> list[tuple[int, Any]]:
        log = log_of(self.stack, self.sid)
        return [(at, entry) for at, entry in log if isinstance(entry, kind)]

    def owner(self) -> Process:
        name = self.entries(Taken)[-1][1].worker
        return next(each for each in self.stack.workers if name in each.log)


def context(session: SessionRecord) -> list[tuple[str, str]]:
    assert session.settings is not None
    messages = session.settings["agent"].get("context", {}).get("messages", [])
    return [(each["role"], each["content"]) for each in messages]


def check_whole(result: CallResult, *heard: str) -> None:
    """The caller stayed on one stream, heard all of this, and was parted from politely."""
    assert result.rejections == []
    assert [(each.ended, each.close_code) for each in result.streams] == [("server closed", 1000)]
    assert result.ended == "hangup verb"
    assert heard_whole(result, *heard)


@asynccontextmanager
async def up(stack: Stack) -> AsyncIterator[Stack]:
    """A stack, started and stopped without holding up the callers of others."""
    await asyncio.to_thread(stack.__enter__)
    try:
        yield stack
    finally:
        await asyncio.to_thread(stack.stop)


async def second_worker(stack: Stack) -> None:
    stack.add_worker()
    await asyncio.to_thread(stack.wait_ready)


# -- a worker dies ------------------------------------------------------------


async def a_worker_is_killed(port: int, folder: Path) -> None:
    """While its agent speaks to one caller, another speaks, and a third waits for the agent."""
    async with up(kit.stack(folder, port, LEASE_S="1")) as stack, agent(port, *TURNS) as server:
        listens = Talk(stack, "+15550000001", *ASKING)
        speaks = Talk(stack, "+15550000002", HEARD_OUT)
        await listens.has_heard(GREETING, -100)
        server.faults = Faults(applied_delay_s=4.5, first=1)
        waits = Talk(stack, "+15550000003", Wait(9), *ASKING[1:])
        await until(lambda: len(server.sessions) == 3)
        await second_worker(stack)
        await asyncio.sleep(1.2)
        speaks.phone.caller.then(say(ASK), *ENDING)
        await listens.has_heard(GREETING, 200)
        await asyncio.sleep(0.6)
        stack.workers[0].kill()
        killed_ms = time.time() * 1000
        results = [await each.result() for each in (listens, speaks, waits)]
        await until(lambda: not server.live)
        for talk in (listens, speaks, waits):
            check_taken_over(talk, killed_ms)

    for result in results:
        check_whole(result, GREETING, LONG, MORE, BYE)
    check_who_listened(*listens.sessions(server))
    check_who_spoke(*speaks.sessions(server))
    check_who_waited(*waits.sessions(server))


def check_taken_over(talk: Talk, killed_ms: float) -> None:
    (_, first), (taken_ms, second) = talk.entries(Taken)
    assert first.worker != second.worker
    assert 0 < taken_ms - killed_ms < OWNED_WITHIN_MS


def check_who_listened(first: SessionRecord, second: SessionRecord) -> None:
    assert context(second) == [("assistant", GREETING), ("user", ASK), ("assistant", LONG)]
    assert first.user_turns == [ASK]
    assert second.user_turns[-1] == THANKS
    assert second.agent_texts() == [MORE, BYE]


def check_who_spoke(first: SessionRecord, second: SessionRecord) -> None:
    assert context(second) == [("assistant", GREETING)]
    assert first.user_turns == []
    assert second.user_turns == [ASK, THANKS]


def check_who_waited(first: SessionRecord, second: SessionRecord) -> None:
    assert first.agent_texts() == []
    assert context(second) == []
    assert second.agent_texts() == [GREETING, LONG, MORE, BYE]


async def a_worker_stalls(port: int, folder: Path) -> None:
    """It comes back to a call that is another's."""
    stack = kit.stack(folder, port, workers=2, LEASE_S="1")
    async with up(stack), agent(port, *TURNS) as server:
        talk = Talk(stack, "+15550000004", *ASKING)
        await talk.has_heard(GREETING, 800)
        former = talk.owner()
        former.send(signal.SIGSTOP)
        await until(lambda: len(talk.entries(Taken)) == 2)
        await until(lambda: len(talk.entries(Said)) == 3)
        former.send(signal.SIGCONT)
        assert await closed(talk.sessions(server)[0]) == 1000
        result = await talk.result()
        check_order(stack, result, [f"{taken.epoch:x}" for _, taken in talk.entries(Taken)])
        await until(lambda: "lease lost" in former.log)

    check_whole(result, GREETING, LONG, MORE, BYE)
    assert [played(result.streams[0]).count(speak(each)) for each in (LONG, MORE)] == [1, 1]


def check_order(stack: Stack, result: CallResult, epochs: list[str]) -> None:
    """Nothing of the former owner's was written, or is on the phone, behind the next's."""
    stream = result.streams[0]
    with kit.redis_of(stack) as redis:
        ids = [key for key, _ in redis.xrange(keys.down(0, stream.stream_sid))]
    written = [f"{int(key.partition(b'-')[0]):x}" for key in ids]
    echoed = [echo.name.partition("-")[0] for echo in stream.playback.echoes]
    for each in (written, echoed):
        assert sorted(set(each)) == epochs
        assert each == sorted(each)


# -- an agent socket breaks ---------------------------------------------------

BREAKS = (
    Faults(close=1011, after_turn=1, during_speech=True, first=1),
    Faults(drop=True, after_turn=1, during_speech=True, first=1),
    Faults(error="INTERNAL_SERVER_ERROR", after_turn=1, during_speech=True, first=1),
    Faults(dead=True, after_turn=1, during_speech=True, first=1),
)


async def agent_sockets_break(port: int, folder: Path) -> None:
    """Each in its own way, in mid-sentence."""
    async with up(kit.stack(folder, port)) as stack, agent(port, *TURNS) as server:
        talks = []
        for number, faults in enumerate(BREAKS):
            server.faults = faults
            talks.append(Talk(stack, f"+1555000001{number}", *PATIENT))
            await until(lambda: len(server.sessions) == len(talks))
        results = [await talk.result() for talk in talks]
        owners = [len(talk.entries(Taken)) for talk in talks]

    assert owners == [1] * len(BREAKS)
    for talk, result in zip(talks, results, strict=True):
        check_whole(result, GREETING, LONG, MORE, BYE)
        (_, asked, (role, heard)) = context(talk.sessions(server)[1])
        assert (asked, role) == (("user", ASK), "assistant")
        assert LONG.startswith(heard)
        assert 0 < len(heard) < len(LONG)


async def an_agent_is_busy(port: int, folder: Path) -> None:
    """At first; then it greets."""
    async with (
        up(kit.stack(folder, port)) as stack,
        agent(port, *TURNS, faults=Faults(reject=429, first=2)) as server,
    ):
        result = await Talk(stack, "+15550000020", *ASKING).result()
        (session,) = server.sessions

    check_whole(result, GREETING, LONG, MORE, BYE)
    assert session.user_turns == [ASK, THANKS]


# -- a worker is told to go ---------------------------------------------------


async def a_worker_goes(port: int, folder: Path) -> None:
    """It hands its calls to one that has just come, which connects before: that takes a second."""
    slow = Faults(welcome_delay_s=1.0)
    async with up(kit.stack(folder, port)) as stack, agent(port, *TURNS, faults=slow) as server:
        talks = [Talk(stack, "+15550000005", *ASKING), Talk(stack, "+15550000006", HEARD_OUT)]
        for talk in talks:
            await talk.has_heard(GREETING, -100)
        await second_worker(stack)
        stack.workers[0].send(signal.SIGTERM)
        await until(lambda: stack.workers[0].status is not None, 20)
        talks[1].phone.caller.then(say(ASK), *ENDING)
        results = [await talk.result() for talk in talks]
        handed = lines(stack, "call handed off")
        gaps_ms = [silence_ms(talk) for talk in talks]

    assert stack.workers[0].status == 0
    assert sorted(line["call_sid"] for line in handed) == sorted(talk.sid for talk in talks)
    assert all(line["prepared"] for line in handed)
    assert max(gaps_ms) < 600
    for talk, result in zip(talks, results, strict=True):
        check_whole(result, GREETING, LONG, MORE, BYE)
        assert [each.close_code for each in talk.sessions(server)] == [1000, 1000]


def silence_ms(talk: Talk) -> int:
    """From the release of a call until it has an agent again."""
    ((released_ms, _),) = talk.entries(Released)
    configured_ms: int = talk.entries(Configured)[-1][0]
    return configured_ms - released_ms


# -- no worker at all ---------------------------------------------------------


async def all_workers_die_and_one_comes(port: int, folder: Path) -> None:
    """Words said while there was none are understood."""
    async with up(kit.stack(folder, port, LEASE_S="1")) as stack, agent(port, *TURNS) as server:
        talk = Talk(stack, "+15550000007", HEARD_OUT)
        await talk.has_heard(GREETING)
        stack.workers[0].kill()
        talk.phone.caller.then(*PATIENT[1:])
        await asyncio.sleep(4)
        stack.add_worker()
        result = await talk.result()

    check_whole(result, GREETING, LONG, MORE, BYE)
    assert HOLD in played(result.streams[0])
    assert talk.sessions(server)[1].user_turns == [ASK, THANKS]


async def all_workers_die_and_none_comes(port: int, folder: Path) -> None:
    """The caller is asked for patience, and in the end told that it was in vain."""
    async with up(kit.stack(folder, port)) as stack, agent(port):
        talk = Talk(stack, "+15550000008", Wait(40), HangUp())
        await talk.has_heard(GREETING)
        stack.workers[0].kill()
        result = await talk.result()

    check_whole(result, GREETING)
    assert played(result.streams[0]).count(HOLD) == 3
    assert any(text.startswith("Sorry") for text in result.said)


# -- all at once --------------------------------------------------------------

SCENES = (
    all_workers_die_and_none_comes,
    a_worker_is_killed,
    a_worker_stalls,
    agent_sockets_break,
    an_agent_is_busy,
    a_worker_goes,
    all_workers_die_and_one_comes,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenes(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    started = {}
    for scene in SCENES:
        name = scene.__name__
        folder = tmp_path_factory.mktemp(name)
        started[name] = asyncio.create_task(scene(free_port(), folder), name=name)
        await asyncio.sleep(0.7)  # processes that all start at once starve the callers
    yield started
    for task in started.values():
        task.cancel()
    await asyncio.gather(*started.values(), return_exceptions=True)


@pytest.mark.parametrize("scene", [each.__name__ for each in SCENES])
async def test_a_caller_stays_when(scene: str, scenes: dict[str, asyncio.Task[None]]) -> None:
    await scenes[scene]
