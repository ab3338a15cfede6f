"""The stage of a scenario: real processes, an agent service of their own, and calls.

    async with stage.house(TURNS, workers=2) as house:
        talk = house.call(HEARD_OUT, say("Hello."))
        await talk.has_heard(GREETING)
        house.stack.workers[0].kill()
        result = await talk.result()

Edge and worker are the programs that run in production. What is asserted on is what the carrier
knows the caller to have heard, what the stand-in agent heard, and the call's log.
"""

import asyncio
import math
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import yaml
from redis import Redis

from shared import keys
from shared.record import ENTRIES, Configured, Entry, Taken
from sim.agent import AgentServer, Faults, Script, SessionRecord, Timing, Turn
from sim.agent.session import ECHO_TAG
from sim.faults.echo import noise
from sim.faults.finding import Finding
from sim.faults.sound import length_ms
from sim.faults.words import CHAT, GREETING, QUICK, REPLY, TURNS
from sim.phone.call import Call
from sim.phone.caller import Caller, Step
from sim.phone.record import CallResult
from sim.phone.recording import write_stereo
from sim.redis import RedisServer, free_port
from sim.stack import READY_WITHIN_S, Process, Stack

LEASE_S = 2.0
"""What edge and worker have if nothing else is set: the figures that are promised belong to it."""

AGENT = {
    "listen": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}},
    "think": {
        "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
        "prompt": "You talk to ${from}.",
    },
    "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    "greeting": GREETING,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: what the gate has time for, what the table needs, a soak."""

    stay_s: float = 5.0
    """For how long sound must still go both ways after a take-over."""
    calls: int = 50
    """Calls of a worker that is told to go."""
    orphans: int = 20
    """Calls on two workers, of which one is killed."""
    drops: int = 300
    """Calls that are opened and dropped."""
    patience_s: float = 30.0
    """How much longer than in the gate a scenario may take."""


GATE = Scale(stay_s=2.0, calls=12, orphans=8, drops=60, patience_s=0.0)
FULL = Scale()
SOAK = Scale(stay_s=60.0, orphans=50, drops=10_000, patience_s=900.0)


class Talk:
    """A call under way."""

    def __init__(self, house: "House", phone: Call) -> None:
        self.house = house
        self.phone = phone
        self.number = phone.from_
        self._task = asyncio.create_task(phone.run(), name=f"talk:{phone.from_}")

    @property
    def sid(self) -> str:
        return self.phone.call_sid

    @property
    def is_over(self) -> bool:
        return self._task.done()

    @property
    def track(self) -> bytes:
        """What the caller has heard until now."""
        return self.phone.result.agent_track()

    @property
    def sessions(self) -> list[SessionRecord]:
        """The agent's sessions for this caller, one after the other."""
        return [each for each in self.house.agent.sessions if self.number in str(each.settings)]

    async def has_heard(self, text: str, ms: float = 0) -> None:
        """Wait until the caller has heard this sentence, and so much of what follows."""
        await until(lambda: self.phone.heard_ms > length_ms(text) + ms)

    def then(self, *steps: Step) -> None:
        self.phone.caller.then(*steps)

    async def result(self) -> CallResult:
        """Wait for the call's end, and keep its sound if that is wanted."""
        result = await self._task
        await self.house.keep(self, result)
        return result

    async def stop(self) -> CallResult:
        """Have the caller hang up now."""
        self.phone.hang_up()
        return await self.result()

    def entries(self, kind: type) -> list[tuple[int, Any]]:
        """The entries of this kind in the call's log, each with Redis' clock in ms."""
        return [(at, entry) for at, entry in self.house.log(self.sid) if isinstance(entry, kind)]

    def owner(self) -> Process:
        """The worker that has the call now."""
        name = self.entries(Taken)[-1][1].worker
        return next(each for each in self.house.stack.workers if name in each.log)

    async def owned(self, times: int = 1) -> int:
        """Wait until workers have taken the call so often. Returns when, Redis' clock in ms."""
        await until(lambda: len(self.entries(Taken)) >= times)
        at: int = self.entries(Taken)[times - 1][0]
        return at

    async def configured(self, times: int = 1) -> None:
        """Wait until so many agent sessions have accepted their Settings."""
        await until(lambda: len(self.entries(Configured)) >= times)


class House:
    """A stack, its agent service, and the calls on it."""

    def __init__(self, stage: "Stage", stack: Stack, agent: AgentServer) -> None:
        self.stage = stage
        self.stack = stack
        self.agent = agent
        self._numbers = count(1)

    def call(self, *steps: Step, is_bin: bool = False, **options: Any) -> Talk:
        """Place a call to the number; through a TwiML Bin if there is to be no webhook."""
        usual: dict[str, Any] = {
            "verb_speed": math.inf,
            "seed": 1,
            "from_": f"+1555{next(self._numbers):07}",
            "stream" if is_bin else "webhook": self.stack.stream if is_bin else self.stack.webhook,
        }
        if is_bin:
            usual["bin"] = _BIN.format(url=self.stack.stream, caller=usual["from_"])
        return Talk(self, Call(caller=Caller(steps), **(usual | options)))

    def echo(self, seconds: float) -> Talk:
        """A call whose every frame is unlike any other, and is sent back by its agent."""
        number = next(self._numbers)
        return self.call(noise(seconds, number), webhook=f"{self.stack.webhook}?agent=echo")

    @property
    def redis(self) -> Redis:
        """Redis, for looking into; answers are bytes. It is the caller's to close."""
        return Redis.from_url(self.stack.redis.url)

    def log(self, call_sid: str) -> list[tuple[int, Entry]]:
        """The log of a call: (Redis' clock in ms, entry)."""
        with self.redis as redis:
            rows = redis.xrange(keys.log(0, call_sid))
        entries = [(int(i.partition(b"-")[0]), ENTRIES.unpack(fields[b""])) for i, fields in rows]
        return [(at, entry) for at, entry in entries if entry is not None]

    @property
    def live_calls(self) -> int:
        """Calls that somebody serves or should serve."""
        with self.redis as redis:
            return int(redis.xlen(keys.DISPATCH))

    @property
    def logs(self) -> str:
        """The logs of all processes."""
        return "".join(process.log for process in (*self.stack.edges, *self.stack.workers))

    async def add_worker(self, **environ: str) -> Process:
        """One more worker, once it takes calls."""
        worker = self.stack.add_worker(**environ)
        await asyncio.to_thread(self.stack.wait_ready)
        return worker

    async def add_edge(self, **environ: str) -> str:
        """One more edge, once it takes calls. Returns its origin."""
        port = free_port()
        self.stack.add_edge(port, **environ)
        origin = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(READY_WITHIN_S):
            while await is_ready(origin) is not True:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return origin

    async def keep(self, talk: Talk, result: CallResult) -> None:
        """Write down the sound of a call, if that is wanted."""
        folder = self.stage.keep_in
        if folder and result.streams:
            name = f"{self.stage.name}-{talk.number[-2:]}.wav"
            # Fifty calls at once take seconds, in which the agents of other houses must answer.
            await asyncio.to_thread(_write, folder / name, result)

    def check_processes(self, finding: Finding) -> None:
        """No process reports a fault of its own, and none has gone that was not sent away."""
        raised = [line for line in self.logs.splitlines() if _RAISED.match(line)]
        finding.expect(not raised, f"no process logs an exception: {raised[0] if raised else ''}")
        finding.expect('"call failed"' not in self.logs, "no call fails by a fault of ours")
        for process in (*self.stack.edges, *self.stack.workers):
            is_well = process.status in (None, 0, -signal.SIGKILL)
            finding.expect(is_well, f"{process.name} does not end by itself")

    async def is_empty(self) -> None:
        """Wait until nothing is left of any call."""
        await until(lambda: self.live_calls == 0)
        await until(lambda: self.agent.live == 0)


_RAISED = re.compile(r"[\s|]*[\w.]+(Error|Exception)\b(?!Group)")
"""The last line of a traceback, also of one in a group."""

_BIN = """<Response>
  <Connect><Stream url="{url}"><Parameter name="from" value="{caller}"/></Stream></Connect>
</Response>"""


@dataclass(slots=True)
class Stage:
    """What a scenario is given."""

    name: str
    folder: Path
    """For logs and agent files; empty, and its own."""
    scale: Scale = FULL
    keep_in: Path | None = None
    """Where the sound of its calls goes, if it is wanted."""
    finding: Finding = field(default_factory=Finding)
    _houses: int = 0

    @asynccontextmanager
    async def house(
        self,
        turns: Sequence[Turn] = TURNS,
        *,
        workers: int = 1,
        faults: Faults | None = None,
        timing: Timing = QUICK,
        redis: RedisServer | None = None,
        bridge: Mapping[str, Any] | None = None,
        record: bool = True,
        **settings: str,
    ) -> AsyncIterator[House]:
        """A stack with its own agent, stopped in the end. Settings are edge's and worker's.

        That no process fails by itself is checked for all scenarios here.
        """
        script = Script(tuple(turns), heard=CHAT, say=(REPLY,))
        server = AgentServer(script=script, faults=faults, timing=timing, record=record)
        async with server as agent:
            stack = self._stack(agent.url, workers, redis, settings)
            self._write_agents(stack, bridge or {})
            try:
                await asyncio.to_thread(stack.__enter__)
                house = House(self, stack, agent)
                try:
                    yield house
                finally:
                    house.check_processes(self.finding)
            finally:
                await asyncio.to_thread(stack.stop)

    def _stack(
        self,
        agent_url: str,
        workers: int,
        redis: RedisServer | None,
        settings: Mapping[str, str],
    ) -> Stack:
        self._houses += 1
        folder = self.folder / f"house-{self._houses}"
        environ = {
            "DEEPGRAM_AGENT_URL": agent_url,
            "DEEPGRAM_API_KEY": "stand-in",
            "AGENTS": str(folder / "agents"),
            "REATTACH_S": "1.5",
            **settings,
        }
        return Stack(workers=workers, environ=environ, folder=folder, redis=redis)

    def _write_agents(self, stack: Stack, bridge: Mapping[str, Any]) -> None:
        """The agent of all calls, and one that sends every piece of sound back at once."""
        agent = {"agent": AGENT, "bridge": {"tools": ["end_call"], **bridge}}
        folder = Path(stack.environ["AGENTS"])
        folder.mkdir(parents=True)
        (folder / "default.yaml").write_text(yaml.safe_dump(agent))
        echo = {**agent, "settings": {"tags": [ECHO_TAG]}}
        (folder / "echo.yaml").write_text(yaml.safe_dump(echo))


def _write(path: Path, result: CallResult) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stereo(path, result.caller_track(), result.agent_track())


async def until(
    condition: Callable[[], object], within_s: float = 20.0, every_s: float = 0.01
) -> None:
    """Wait until it is so. What takes time to find out is not to be asked every 10 ms.

    Raises:
        TimeoutError: If it does not become so.
    """
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(every_s)


async def is_ready(origin: str) -> bool | None:
    """What an edge says of itself; None if nobody answers."""
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{origin}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return None


async def closed(session: SessionRecord, within_s: float = 10.0) -> int | None:
    """The code with which an agent session was closed."""
    await until(lambda: session.close_code is not None, within_s)
    return session.close_code


def wall_ms() -> float:
    """The clock of the log's entries."""
    return time.time() * 1000
