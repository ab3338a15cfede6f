"""`python -m sim demo`: the whole product on this machine, and one real call through it.

Redis, an edge and two workers come up as processes of their own, and the stand-in
agent unless there is a Deepgram key. A synthesized caller rings, holds a
conversation and interrupts once; the conversation is shown as the log of the bus
tells it, and afterwards judged by what the carrier knows the caller to have heard.

With `--example restaurant` it is the agent of that folder of examples/ who answers: it books
a table, takes a number that is keyed in, and transfers the caller.
"""

import argparse
import asyncio
import math
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256

from replay.export import export
from replay.recording import Recording, load
from replay.terminal import line
from shared.bus import Archive, Bus, open_bus
from shared.settings import DEEPGRAM_AGENT_URL, BadSetting, Settings, read
from sim.agent.script import DEFAULT, Script
from sim.agent.script import load as load_script
from sim.agent.server import AgentServer
from sim.phone.call import Call
from sim.phone.caller import Caller, caller_steps
from sim.phone.record import CallResult
from sim.redis import RedisFailed, RedisMissing, RedisServer, free_port
from sim.stack import ROOT, Stack, StackFailed
from sim.verdict import judge
from sim.voice import speak

CONNECT_WITHIN_S = 10.0

# The demonstration takes three quarters of a minute.
CALL_WITHIN_S = 180.0

EXAMPLES = ("restaurant",)
"""Folders of examples/, each with a script of the same name."""


def main(argv: list[str]) -> int:
    """Run the demo. Exit status 0 if the conversation was complete, 1 if not, 2 if set wrongly."""
    options = _parser().parse_args(argv)
    try:
        return asyncio.run(_run(options, read(os.environ)))
    except (BadSetting, RedisMissing, RedisFailed, StackFailed) as exc:
        sys.stderr.write(f"demo: {exc}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sim demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="go on serving after the call")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--script", type=Path, help="conversation (YAML); default: a car dealer's")
    parser.add_argument("--example", choices=EXAMPLES, help="the agent and the call of an example")
    parser.add_argument("--to", type=Path, help="folder for what was recorded")
    return parser


async def _run(options: argparse.Namespace, settings: Settings) -> int:
    script = load_script(options.script or _script_of(options.example))
    folder = options.to or Path("recordings") / f"{datetime.now():%Y-%m-%d-%H%M%S}"  # noqa: DTZ005
    say("Holdfast: a demonstration call, on this machine alone.")
    async with _agent(settings, script) as agent:
        environ = agent | _environ_of(options.example, folder)
        redis = RedisServer()
        with redis, _stack(options, settings, environ, redis, folder) as stack:
            _introduce(stack, settings)
            async with open_bus(stack.redis.url, "demo", settings.lanes) as bus:
                is_complete = await _demonstrate(stack, bus, script, settings, folder)
            if options.serve:
                await _serve(stack)
    return 0 if is_complete else 1


def _script_of(example: str | None) -> Path | None:
    return DEFAULT.with_stem(example) if example else None


def _environ_of(example: str | None, folder: Path) -> dict[str, str]:
    """The settings by which an example answers; its bookings are this demonstration's alone."""
    if not example:
        return {}
    where = ROOT / "examples" / example
    book = (folder / "bookings.sqlite").absolute()
    return {"AGENTS": str(where), "TOOLS": str(where / "tools.py"), "BOOKINGS": str(book)}


@asynccontextmanager
async def _agent(settings: Settings, script: Script) -> AsyncIterator[dict[str, str]]:
    """The settings that lead workers to the agent: Deepgram's with a key, else the stand-in."""
    if settings.deepgram_api_key or settings.deepgram_agent_url:
        yield {}
        return
    async with AgentServer(script=script) as server:
        yield {"DEEPGRAM_AGENT_URL": server.url, "DEEPGRAM_API_KEY": "stand-in"}


def _stack(
    options: argparse.Namespace,
    settings: Settings,
    environ: dict[str, str],
    redis: RedisServer,
    folder: Path,
) -> Stack:
    return Stack(
        workers=options.workers, environ=environ, folder=folder, redis=redis, port=_port(settings)
    )


def _port(settings: Settings) -> int:
    """The edge's own port if nobody has it, else any."""
    try:
        free_port(settings.port)
    except OSError:
        say(f"Port {settings.port} is taken (set PORT); using another one.")
        return free_port()
    return settings.port


def _introduce(stack: Stack, settings: Settings) -> None:
    has_agent = settings.deepgram_api_key or settings.deepgram_agent_url
    where = settings.deepgram_agent_url or DEEPGRAM_AGENT_URL
    processes = [stack.redis.pid, *(each.pid for each in (*stack.edges, *stack.workers))]
    say(f"  Redis    {stack.redis.url}")
    say(f"  agent    {where if has_agent else 'stand-in (set DEEPGRAM_API_KEY for the real one)'}")
    say(f"  edge     {stack.url}")
    say(f"  workers  {len(stack.workers)}    processes {' '.join(map(str, processes))}\n")


async def _demonstrate(
    stack: Stack, bus: Bus, script: Script, settings: Settings, folder: Path
) -> bool:
    """Place the call, show it, write it down, and say whether it was right."""
    caller = Caller(caller_steps(script.turns, lambda text: speak(text, "caller")))
    call = Call(
        caller=caller,
        webhook=stack.webhook,
        auth_token=settings.twilio_shared_key or settings.twilio_auth_token or "none",
        signs_with=HMAC_SHA256 if settings.twilio_shared_key else HMAC_SHA1,
        public_url=settings.public_url or None,
        verb_speed=math.inf,
    )
    archive = Archive(bus)
    async with asyncio.timeout(CONNECT_WITHIN_S):
        while not bus.is_up:  # noqa: ASYNC110 (a moment at the start)
            await asyncio.sleep(0.01)
    async with asyncio.timeout(CALL_WITHIN_S), asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(call.run(), name="call")
        tasks.create_task(_show(archive, call.call_sid), name="show")
    recording = await load(archive, call.call_sid)
    return _conclude(calling.result(), recording, script, folder)


async def _show(archive: Archive, call_sid: str) -> None:
    """The conversation, as it goes."""
    began = 0
    async for at_ms, entry in archive.follow_log(call_sid):
        began = began or at_ms
        text = line(at_ms - began, entry, colors=sys.stdout.isatty())
        if text:
            say(text)


def _conclude(result: CallResult, recording: Recording, script: Script, folder: Path) -> bool:
    exported = export(recording, folder)
    say(f"\nWritten to {folder}/")
    for path in exported.paths:
        say(f"  {path.name}")
    say("")
    findings = judge(result, recording, script)
    for finding in findings:
        say(f"  {'ok  ' if finding.is_good else 'FAIL'} {finding.what}")
    is_complete = all(finding.is_good for finding in findings)
    say("\nThe conversation was complete." if is_complete else "\nSomething was wrong, see above.")
    return is_complete


async def _serve(stack: Stack) -> None:
    """Go on until Ctrl-C."""
    port = stack.port
    say(
        f"""
Ready for more: {stack.webhook}
  another simulated call   .venv/bin/python -m sim phone --webhook {stack.webhook} --text "Hello!"

A real number, in two ways:
  1. ngrok http {port}     gives this machine a public address, https://NAME.ngrok.app
  2. in the Twilio console, at your number:
     webhook        "A call comes in" -> https://NAME.ngrok.app/twilio/voice (HTTP POST)
     or a TwiML Bin <Response><Say>This call may be monitored or recorded.</Say>
                    <Connect><Stream url="wss://NAME.ngrok.app/twilio"/></Connect></Response>
  Set DEEPGRAM_API_KEY first, and TWILIO_AUTH_TOKEN with PUBLIC_URL so that only Twilio gets in.

Ctrl-C ends it."""
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    say("\nStopping.")


def say(text: str) -> None:
    """One line for whoever watches."""
    print(text, flush=True)
