"""`replay run`: a recorded caller calls again, through a real worker."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from replay import line
from replay.bundle import load_bundle
from replay.errors import Unable
from replay.exchanges import exchanges
from replay.line import NotReplayed, Plan, replay
from replay.recording import Recording
from shared.bus import Registry, open_bus
from shared.calls import State
from shared.causes import Cause
from shared.record import Attached, Entry, Over, Taken, ToolAnswered
from shared.settings import Settings
from sim.agent import Script, ScriptedCall, Turn
from sim.corpus.main import FOLDER
from sim.corpus.scenes import ASK
from sim.redis import RedisMissing, RedisServer
from sim.stack import ROOT
from tests.replay.house import House, asked, house

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL, BARGE_IN = FOLDER / "tool.call", FOLDER / "barge-in.call"

FAST = Plan(on_tape=False, speed=8.0)

AGENT = """
agent:
  listen: {provider: {type: deepgram, version: v2, model: flux-general-en}}
  think: {provider: {type: open_ai, model: gpt-4o-mini}, prompt: "Another one."}
  speak: {provider: {type: deepgram, model: aura-2-thalia-en}}
  greeting: Welcome to another restaurant.
bridge:
  tools: [book_table, end_call]
  apology_sound: sorry.ulaw
"""

TOOLS = '''
from pathlib import Path
from worker.tools import tool

@tool
async def book_table(day: str) -> str:
    """Book a table.

    Args:
        day: When.
    """
    Path({path!r}).write_text(day)
    return "really booked"
'''


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house")) as home:
        yield home


@pytest.fixture
def agent(tmp_path: Path, home: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An agent file to try, and what a worker of one's own finds in the environment."""
    environ = home.environ | {"REDIS_URL": "", "TOOLS": str(tmp_path / "tools.py")}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "tools.py").write_text(TOOLS.format(path=str(tmp_path / "booked")))
    (tmp_path / "sorry.ulaw").write_bytes(b"\x10" * 160)
    (tmp_path / "other.yaml").write_text(AGENT)
    return tmp_path / "other.yaml"


@pytest.fixture
def bad_agent(agent: Path) -> Path:
    agent.write_text("agent: {think: 3}")
    return agent


def bundles_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.call"))


def settings_of(home: House) -> Settings:
    """Those of somebody who has an agent service, and no Redis."""
    return Settings(deepgram_agent_url=home.agent.url, deepgram_api_key="stand-in")


def said(recording: Recording) -> list[tuple[str, str]]:
    """Who said what, turn by turn."""
    return [(each.caller, each.heard) for each in exchanges(entry for _, entry in recording.log)]


def answers(recording: Recording) -> list[str]:
    return [entry.content for _, entry in recording.log if isinstance(entry, ToolAnswered)]


async def test_turn_by_turn_the_same_agent_says_the_same(home: House) -> None:
    recorded = load_bundle(BARGE_IN)

    replayed = await replay(home.bus, recorded, FAST, home.settings)
    for (caller, heard), (before, heard_before) in zip(
        said(replayed.recording), said(recorded), strict=True
    ):
        # Where an interruption cuts is a time: a word more or less.
        longer, shorter = sorted((heard, heard_before), key=len, reverse=True)
        assert caller == before
        assert longer.startswith(shorter)
        assert len(longer.split()) - len(shorter.split()) <= 2
    assert (replayed.unsaid, replayed.unanswered) == (0, 0)


async def test_a_replay_is_a_call_of_its_own_and_says_whose_it_is(
    home: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = asked("run", str(TOOL), "--timing", "turns", "--speed", "max")
    command.to, command.times = tmp_path / "new.call", 2

    assert await command.run(command, home.settings) == 0
    told = capsys.readouterr()
    assert told.out.count("caller  Thank you, bye.") == 2
    assert told.out.endswith("2 of 2 went as the recording did\n")
    paths = bundles_in(tmp_path)
    assert [path.name[:6] for path in paths] == ["new-CA"] * 2
    recorded = load_bundle(TOOL)
    for path in paths:
        new = load_bundle(path)
        assert str(path) in told.out
        assert new.call_sid in told.err
        assert new.call_sid != recorded.call_sid
        assert new.call.replays == recorded.call_sid
        assert (await home.archive.call(new.call_sid)) is not None
        assert said(new) == said(recorded)


async def test_another_agent_answers_on_a_redis_of_its_own(
    home: House, agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = agent.with_name("new.call")
    command = asked("run", str(TOOL), "--agent", str(agent), "--speed", "max", "--to", str(target))
    before = await home.archive.index()

    assert await command.run(command, settings_of(home)) == 0
    new = load_bundle(target)
    assert new.call.agent == "other"
    assert said(new)[0] == ("", "Welcome to another restaurant.")
    assert "Welcome to another restaurant." in capsys.readouterr().out
    assert await home.archive.index() == before
    # The recording answers; the function is not run.
    assert answers(new) == answers(load_bundle(TOOL))
    assert not agent.with_name("booked").exists()


async def test_functions_are_run_if_that_is_asked_for(home: House, agent: Path) -> None:
    target = agent.with_name("new.call")
    command = asked("run", str(TOOL), "--agent", str(agent), "--speed", "max", "--to", str(target))
    command.tools = "live"

    assert await command.run(command, settings_of(home)) == 0
    assert answers(load_bundle(target))[0] == "really booked"
    assert agent.with_name("booked").read_text() == "Saturday"


async def test_an_agent_that_ends_the_call_leaves_words_unsaid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bye = ScriptedCall("end_call", then=("We are closed. Goodbye.",))
    command = asked("run", str(TOOL), "--timing", "turns", "--speed", "max")

    async with house(tmp_path, Script((Turn(heard=ASK, call=(bye,)),))) as curt:
        assert await command.run(command, curt.settings) == 0
    assert "2 utterances came not about: the call was over" in capsys.readouterr().err


async def test_an_agent_file_that_cannot_be_used_is_named(home: House, bad_agent: Path) -> None:
    command = asked("run", str(TOOL), "--agent", str(bad_agent))

    with pytest.raises(Unable, match=rf"^worker: {bad_agent}:1: agent.think: must be a mapping"):
        await command.run(command, settings_of(home))


async def test_an_agent_file_that_is_not_there(home: House, agent: Path) -> None:
    command = asked("run", str(TOOL), "--agent", str(agent.with_name("none.yaml")))

    with pytest.raises(Unable, match=r"none\.yaml: no such file"):
        await command.run(command, settings_of(home))


async def test_a_machine_without_redis_server(
    home: House, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: RedisServer) -> None:
        raise RedisMissing("none")

    monkeypatch.setattr(RedisServer, "start", missing)
    command = asked("run", str(TOOL), "--agent", str(agent))

    with pytest.raises(Unable, match="install redis-server"):
        await command.run(command, settings_of(home))


async def test_a_redis_that_others_use_is_not_taken(home: House, agent: Path) -> None:
    command = asked("run", str(TOOL), "--agent", str(agent), "--redis", home.redis.url)

    with pytest.raises(Unable, match="name one that nobody uses"):
        await command.run(command, settings_of(home))


async def test_nobody_takes_the_call(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "RING_S", 0.2)
    async with open_bus(redis, "test-1") as bus:
        replaying = line.Line(bus, load_bundle(TOOL), Plan(), Settings(redis_url=redis))
        with pytest.raises(NotReplayed, match="no worker"):
            await replaying.run()

        call = await Registry(bus).call(replaying.call_sid)
        assert call
        assert (call.state, call.cause) == (State.ENDED, Cause.NO_WORKER)


async def test_the_dispatch_says_what_the_recorded_one_said(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "RING_S", 1.0)
    recorded = load_bundle(TOOL)
    call = replace(recorded.call, direction="outbound", parameters={"name": "Ann"}, agent="cars")
    async with open_bus(redis, "test-1") as bus:
        replaying = line.Line(bus, replace(recorded, call=call), Plan(), Settings(redis_url=redis))
        registry = Registry(bus)
        await registry.renew((), places=1, draining=False)  # who has not heard of Redis may not
        running = asyncio.create_task(replaying.run())
        while not (claim := await registry.claim()):  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(0.01)
        known = await registry.call(replaying.call_sid)
        with pytest.raises(NotReplayed):
            await running

    assert claim
    assert known
    for told in (claim.ringing, known):
        assert (told.caller, told.called, told.agent) == (call.caller, call.called, "cars")
        assert (told.direction, told.parameters) == ("outbound", {"name": "Ann"})
        assert told.replays == recorded.call_sid
    assert not claim.ringing.runs_tools
    assert '{"booked":"Saturday"}' in claim.ringing.answers.values()


@pytest.mark.parametrize("times", ["0", "-1", "many"])
async def test_a_number_of_times_that_is_none(times: str) -> None:
    with pytest.raises(SystemExit):
        asked("run", str(TOOL), "--times", times)


async def test_a_call_without_a_phone_cannot_be_replayed(home: House) -> None:
    with pytest.raises(NotReplayed, match="no phone in it"):
        await replay(home.bus, Recording("CA1"), Plan(), home.settings)


@pytest.mark.parametrize("moment", [Taken, Attached])
async def test_ctrl_c_hangs_up(home: House, moment: type[Entry]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "replay", "run", str(TOOL)),
        cwd=ROOT,
        env=home.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    call_sid = (await process.stderr.readline()).decode().split()[-1]
    await home.has_logged(call_sid, moment)

    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    over = await home.has_logged(call_sid)
    assert time.monotonic() - began < 2.0
    assert isinstance(over, Over)
    assert over.cause == "replay stopped"
    assert (await process.stderr.read()).decode().endswith("replay: stopped\n")
    assert await process.wait() == 1
