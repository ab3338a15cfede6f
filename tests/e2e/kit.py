"""What the end-to-end tests have in common: a stack, callers, and the accounts of what happened."""

import asyncio
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from shared import keys
from shared.record import ENTRIES, Entry
from sim.agent import AgentServer, Faults, Script, SessionRecord, Timing, Turn
from sim.faults.words import GREETING, QUICK, sound_file
from sim.phone.call import Call
from sim.phone.caller import Caller, Step
from sim.redis import RedisServer
from sim.stack import Stack
from sim.voice import speak

APOLOGY = sound_file("apology")
HOLD = sound_file("hold")

KEY = "dg-secret-4711-0815"
"""The agent service's key: it must not show anywhere."""

FROM = "+15551230000"

AGENT = f"""
agent:
  listen: {{provider: {{type: deepgram, version: v2, model: flux-general-en}}}}
  think:
    provider: {{type: open_ai, model: gpt-4o-mini}}
    prompt: "You talk to ${{from}}."
  speak: {{provider: {{type: deepgram, model: aura-2-thalia-en}}}}
  greeting: {GREETING}
bridge:
  tools: [end_call]
"""


def stack(
    folder: Path,
    agent_port: int,
    *,
    workers: int = 1,
    redis: RedisServer | None = None,
    **settings: str,
) -> Stack:
    """A stack of the real processes, whose agent is on this port."""
    agents = folder / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    (agents / "default.yaml").write_text(AGENT)
    environ = {
        "DEEPGRAM_AGENT_URL": f"ws://127.0.0.1:{agent_port}/v1/agent/converse",
        "DEEPGRAM_API_KEY": KEY,
        "AGENTS": str(agents),
        "REATTACH_S": "1.5",
        "MAX_CALLS_PER_CALLER": "0",  # all callers here have one number
        **settings,
    }
    return Stack(workers=workers, environ=environ, folder=folder, redis=redis)


def agent(
    port: int, *turns: Turn, faults: Faults | None = None, timing: Timing = QUICK
) -> AgentServer:
    """The stand-in agent, with this conversation."""
    return AgentServer(port=port, script=Script(turns), faults=faults, timing=timing)


def words(text: str) -> bytes:
    return speak(text, "caller")


def call(stack: Stack, *steps: Step, is_bin: bool = False, **options: Any) -> Call:
    """A call to the number; from a TwiML Bin if there is to be no webhook."""
    usual: dict[str, Any] = {"verb_speed": math.inf, "seed": 1, "from_": FROM}
    usual["stream" if is_bin else "webhook"] = stack.stream if is_bin else stack.webhook
    return Call(caller=Caller(steps), **(usual | options))


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: If it does not become so.
    """
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it is nobody's task to tell
            await asyncio.sleep(0.01)


async def closed(session: SessionRecord, within_s: float = 10.0) -> int | None:
    """The code with which an agent session was closed."""
    await until(lambda: session.close_code is not None, within_s)
    return session.close_code


def session_of(server: AgentServer, caller: str) -> SessionRecord:
    """The one session for the caller with this number."""
    (found,) = (each for each in server.sessions if caller in json.dumps(each.settings))
    return found


def redis_of(stack: Stack) -> Redis:
    """Redis, for looking into; answers are bytes."""
    return Redis.from_url(stack.redis.url)


def log_of(stack: Stack, call_sid: str) -> list[tuple[int, Entry]]:
    """The log of a call: (Redis' clock in ms, entry)."""
    with redis_of(stack) as redis:
        rows = redis.xrange(keys.log(0, call_sid))
    entries = [(int(i.partition(b"-")[0]), ENTRIES.unpack(fields[b""])) for i, fields in rows]
    return [(at, entry) for at, entry in entries if entry is not None]


def live_calls(stack: Stack) -> int:
    with redis_of(stack) as redis:
        return int(redis.xlen(keys.DISPATCH))


def logs(stack: Stack) -> str:
    """The logs of all processes."""
    return "".join(process.log for process in (*stack.edges, *stack.workers))


def lines(stack: Stack, event: str, call_sid: str = "") -> list[dict[str, Any]]:
    """The log lines of this event, of this call."""
    parsed = [json.loads(line) for line in logs(stack).splitlines()]
    return [
        line
        for line in parsed
        if line["event"] == event and line.get("call_sid", "").startswith(call_sid)
    ]
