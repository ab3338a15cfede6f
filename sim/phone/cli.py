"""`python -m sim phone`: place one call, say what is asked, print what happens.

The caller listens to the greeting, says each thing in turn and listens to the answer to it, and
hangs up when the agent has not done so within a few seconds. The exit code is 0 only if the agent
was heard after everything the caller had to say, and the carrier had nothing to reject.
"""

import argparse
import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from sim.agent.script import load
from sim.phone import recording
from sim.phone.call import Call
from sim.phone.caller import Caller, HangUp, Interrupt, Listen, Say, Step, Wait, caller_steps
from sim.phone.record import CallResult, Event
from sim.voice import speak

PATIENCE_S = 5.0
"""How long the caller waits for the agent to hang up first."""

UNTOLD = {"mark", "echo"}
"""Events too many to read along."""


def main(argv: list[str]) -> int:
    """Place the call that the arguments describe, and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        steps = _steps(options)
    except (OSError, ValueError) as exc:
        print(f"phone: {exc}", file=sys.stderr)
        return 2
    call = Call(
        caller=Caller(steps),
        webhook=options.webhook,
        stream=options.stream,
        public_url=options.public_url,
        auth_token=options.auth_token,
        from_=options.from_number,
        to=options.to_number,
        on_event=_tell,
    )
    result = asyncio.run(_within(call, options.seconds))
    if options.save:
        print(f"saved {_save(result, options.save)}")
    return _judge(result, sum(isinstance(step, Say | Interrupt) for step in steps))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m sim phone", description="Place one phone call.")
    number = parser.add_mutually_exclusive_group(required=True)
    number.add_argument("--webhook", metavar="URL", help="address of the voice webhook")
    number.add_argument("--stream", metavar="URL", help="ws:// address, as from a TwiML Bin")
    parser.add_argument("--public-url", metavar="URL", help="origin that the server is known by")
    parser.add_argument(
        "--auth-token",
        metavar="TOKEN",
        default=os.environ.get("TWILIO_AUTH_TOKEN", "test_auth_token"),
        help="signs all requests (default: TWILIO_AUTH_TOKEN)",
    )
    parser.add_argument("--from", dest="from_number", metavar="NUMBER", default="+15551230000")
    parser.add_argument("--to", dest="to_number", metavar="NUMBER", default="+15559870000")
    say = partial(parser.add_argument, dest="said", action="append", default=[])
    say("--text", metavar="TEXT", type=lambda text: ("text", text), help="say this; repeatable")
    say("--wav", metavar="FILE", type=lambda path: ("wav", path), help="say this; repeatable")
    parser.add_argument("--script", metavar="FILE", type=Path, help="a written conversation")
    parser.add_argument(
        "--seconds", metavar="N", type=float, default=300.0, help="hang up after that at the latest"
    )
    parser.add_argument("--save", metavar="DIR", type=Path, help="write what was heard, as WAV")
    return parser


def _steps(options: argparse.Namespace) -> list[Step]:
    if options.script:
        turns = load(options.script).turns
        return caller_steps(turns, partial(speak, voice="caller"), PATIENCE_S)
    steps: list[Step] = []
    for kind, value in options.said:
        words = speak(value, voice="caller") if kind == "text" else recording.read(Path(value))
        steps += [Listen(), Say(words, value)]
    return [*steps, Listen(), Wait(PATIENCE_S), HangUp()]


async def _within(call: Call, seconds: float) -> CallResult:
    asyncio.get_running_loop().call_later(seconds, call.hang_up)
    return await call.run()


def _tell(event: Event) -> None:
    if event.kind not in UNTOLD:
        print(f"{event.at_s:8.2f} s  {event.kind:<16} {event.detail}".rstrip(), flush=True)


def _save(result: CallResult, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.call_sid}.wav"
    recording.write_stereo(path, result.caller_track(), result.agent_track())
    return path


def _judge(result: CallResult, to_say: int) -> int:
    faults = [f"rejected: {rejection.code} {rejection.why}" for rejection in result.rejections]
    faults += [f"no answer to {spoken.label!r}" for spoken in result.unanswered()]
    if len(result.spoken) < to_say:
        faults.append(f"the call ended after {len(result.spoken)} of {to_say} things to say")
    if not any(stream.playback.played_bytes for stream in result.streams):
        faults.append("the agent was never heard")
    if result.ended.startswith("error"):
        faults.append(result.ended)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
