"""`python -m worker NAME CALLSID ...`: what an operator has done in a call that is going on.

    python -m worker say CALLSID "One moment, a colleague is looking."
    python -m worker prompt CALLSID "The caller is a member."      appended to the agent's prompt
    python -m worker voice CALLSID aura-2-thalia-en                another of Deepgram's voices
    python -m worker pause CALLSID                                 keep nothing of what is said
    python -m worker resume CALLSID

The order goes to the inbox of the worker that owns the call, which tells what came of it.
Where Redis is, and in how many lanes calls lie, is read from REDIS_URL and LANES.
Exit status: 0 done, 1 it could not be, 2 asked or set wrongly.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Awaitable, Mapping, Sequence
from itertools import count

from shared import logs
from shared.bus import Bus, BusError, Registry, open_bus
from shared.calls import State
from shared.messages import NOT_HERE, Note, Order, Outcome
from shared.settings import BadSetting, Settings, read

# How often to look for the owner of a call that has none just now.
LOOK_S = 0.2

# For a person at a terminal a Redis that does not answer within this is not there.
ANSWER_S = 3.0

WITHIN_S = 10.0

PURPOSES = {
    "say": "have the agent of a call say something, after what it is saying",
    "prompt": "append to the prompt of a call's agent",
    "voice": "give a call's agent another of Deepgram's voices",
    "pause": "keep nothing of what is said in a call from now on, neither words nor sound",
    "resume": "keep it again",
}
"""What may be ordered, by the name of its command."""

TEXTS = {"say": "TEXT", "prompt": "TEXT", "voice": "MODEL"}
"""What a command takes besides the call."""


class Undone(Exception):
    """What was ordered was not done, or nobody knows. The sentence is for the operator."""


class Desk:
    """Gives orders, and waits for what comes of each."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._registry = Registry(bus)
        self._numbers = count(1)
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        bus.on_note = self._take

    def _take(self, note: Note) -> None:
        if isinstance(note, Outcome):
            self._outcomes.put_nowait(note)

    async def order(self, call_sid: str, what: str, text: str) -> None:
        """Have something done, by whoever owns the call.

        Raises:
            Undone: If it is refused, or there is no such call.
            BusError
        """
        while True:
            owner = await self._owner(call_sid)
            number = next(self._numbers)
            note = Order(call_sid, self._bus.process, number, what, text)
            self._bus.note(owner, call_sid, note)
            refusal = await self._outcome(number)
            if not refusal:
                return
            if refusal != NOT_HERE:
                raise Undone(refusal)
            await asyncio.sleep(LOOK_S)  # the call moves just now

    async def _owner(self, call_sid: str) -> str:
        """The worker that has the call; waits for one, if it has none just now."""
        while True:
            call = await self._registry.call(call_sid)
            if call is None:
                raise Undone("there is no such call")
            if call.state is State.ENDED:
                raise Undone("the call is over")
            if call.owner:
                return call.owner
            await asyncio.sleep(LOOK_S)

    async def _outcome(self, number: int) -> str:
        while (outcome := await self._outcomes.get()).number != number:
            pass
        return outcome.refusal


async def run(command: str, asked: argparse.Namespace, settings: Settings) -> None:
    """Give an order, and wait until it is done.

    Raises:
        Undone, BusError
    """
    process = f"operator-{secrets.token_hex(4)}"
    try:
        async with open_bus(settings.redis_url, process, settings.lanes) as bus:
            await _connected(bus)
            await _done(Desk(bus).order(asked.call, command, asked.text), asked.within)
    except BaseExceptionGroup as group:
        # The bus's own tasks do not fail: it is the one error of the block.
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


async def _done(order: Awaitable[None], within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await order
    except TimeoutError:
        wait = f"nothing was heard of it within {within_s:g} s"
        raise Undone(f"{wait}: whether it was done is not known") from None


async def _connected(bus: Bus) -> None:
    try:
        async with asyncio.timeout(ANSWER_S):
            while not bus.is_up:  # noqa: ASYNC110 (a moment at the start)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise Undone("Redis does not answer; it is looked for at REDIS_URL") from None


def make_parser(command: str) -> argparse.ArgumentParser:
    """What may be said of an order."""
    parser = argparse.ArgumentParser(f"python -m worker {command}", description=PURPOSES[command])
    parser.add_argument("call", metavar="CALLSID", type=_words)
    if command in TEXTS:
        parser.add_argument("text", metavar=TEXTS[command], type=_words)
    else:
        parser.set_defaults(text="")
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS")
    return parser


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("must be UTF-8") from None
    return text


def main(command: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line asks for. Returns the exit status."""
    asked = make_parser(command).parse_args(arguments)
    try:
        settings = read(environ).checked_for_edge()
        logs.setup("ERROR", settings.log_format, "worker")
        asyncio.run(run(command, asked, settings))
    except BadSetting as exc:
        return _complain(str(exc), 2)
    except Undone as exc:
        return _complain(f"{asked.call}: {exc}", 1)
    except BusError as exc:
        return _complain(f"Redis failed: {type(exc).__name__}", 1)
    except KeyboardInterrupt:
        return _complain("stopped: whether it was done is not known", 1)
    print("done")
    return 0


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"worker: {sentence}\n")
    return status
