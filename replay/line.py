"""A recorded caller on the bus, as a call of its own. To the workers this is an edge.

    dispatch --> the worker rings its agent --> attach --> up: frames, keys, mark echoes
                                                           down: sound, marks, clears

The phone at the other end is a model (see `phone`): marks are echoed when this
call's sound would have been heard, whatever the recording says of another's.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from replay.caller import Caller, Scene, Tape, TurnByTurn
from replay.clock import clocks
from replay.errors import Unable
from replay.phone import Phone
from replay.recording import Recording, load
from replay.turns import script
from shared import record, replayed
from shared.bus import Archive, Bus, Registry
from shared.calls import Outcome, Ringing
from shared.causes import Cause
from shared.messages import Detached, Ended, HungUp
from shared.record import Attached, Entry, Lost
from shared.settings import Settings

# How long a worker may take to have claimed the call, and its agent to be as far as it was
# when the recorded phone came.
RING_S = 10.0

# From the last word on a stream to the last of the log.
END_S = 10.0

STOPPED = "replay stopped"


class NotReplayed(Unable):
    """A replay that did not come about, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to replay."""

    on_tape: bool = True
    """Frame by frame as it was; else each utterance when what it waited for has come."""
    speed: float = 1.0
    agent: str | None = None
    """Name of the agent; None: the recorded one."""
    runs_tools: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay."""

    recording: Recording
    unsaid: int = 0
    """Utterances that came not about, since the call was over."""
    unanswered: int = 0
    """Utterances to which the agent said nothing."""


async def replay(bus: Bus, recorded: Recording, plan: Plan, settings: Settings) -> Replayed:
    """Have the caller of a recording call again. Takes as long as the call, and is recorded.

    Raises:
        NotReplayed: If nobody served the call.
        BusDown, Refused
    """
    return await Line(bus, recorded, plan, settings).run()


class Line:
    """One replayed call. `run` it once; `call_sid` may be followed meanwhile."""

    def __init__(self, bus: Bus, recorded: Recording, plan: Plan, settings: Settings) -> None:
        self.call_sid = f"CA{uuid4().hex}"
        self._bus = bus
        self._registry = Registry(bus)
        self._archive = Archive(bus)
        self._recorded = recorded
        self._plan = plan
        self._settings = settings
        self._scene = Scene(speed=plan.speed)
        self._entries = 0
        self._has_news = asyncio.Event()
        self._is_over = asyncio.Event()
        self._open_tools: set[str] = set()

    async def run(self) -> Replayed:
        """The call, from its ringing to its end."""
        callers = self._callers()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read_log(), name=f"log:{self.call_sid}")
                try:
                    await self._ring()
                    await self._talk(callers)
                except BaseException:
                    await self._call_off()
                    raise
                finally:
                    await self._bus.flush()
                    reading.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        last = callers[-1]
        unsaid, unanswered = 0, 0
        if isinstance(last, TurnByTurn):
            unsaid, unanswered = last.unsaid, last.unanswered
        return Replayed(await load(self._archive, self.call_sid), unsaid, unanswered)

    def _callers(self) -> Sequence[Caller]:
        """On tape a caller for each stream; turn by turn one, whose phone is never lost."""
        if not self._recorded.streams:
            raise NotReplayed(f"{self._recorded.call_sid} has no phone in it: nothing to replay")
        if self._plan.on_tape:
            *before, last = self._recorded.streams
            return [*(Tape(each, is_last=False) for each in before), Tape(last)]
        return [TurnByTurn(script(self._recorded))]

    # -- ringing --------------------------------------------------------------

    async def _ring(self) -> None:
        """Dispatch, and wait until the owner is as far as it was when the recorded phone came."""
        outcome = await self._registry.dispatch(
            self._ringing(),
            max_sessions=self._settings.sessions_for_calls,
            recording_ttl_s=self._settings.recording_ttl_s,
        )
        if outcome is Outcome.FULL:
            raise NotReplayed("all places of the workers are taken, or all agent sessions")
        entries = [entry for _, entry in self._recorded.log]
        attached = (n for n, entry in enumerate(entries) if isinstance(entry, Attached))
        wanted = max(1, next(attached, 1))
        with suppress(TimeoutError):
            async with asyncio.timeout(RING_S):
                while self._entries < wanted and not self._is_over.is_set():
                    self._has_news.clear()
                    await self._has_news.wait()
        if not self._entries:
            raise NotReplayed("no worker took the call: is one running, on this Redis?")

    async def _call_off(self) -> None:
        """A call that no phone is going to be in any more, whoever has it or nobody."""
        call = await self._registry.call(self.call_sid)
        if call and call.owner:
            self._bus.note(call.owner, self.call_sid, HungUp(self.call_sid, STOPPED))
        elif call:
            self._registry.abandon(self.call_sid, Cause.NO_WORKER)

    def _ringing(self) -> Ringing:
        recorded, plan = self._recorded.call, self._plan
        answers = replayed.answers(entry for _, entry in self._recorded.log)
        return Ringing(
            self.call_sid,
            recorded.caller,
            recorded.called,
            recorded.agent if plan.agent is None else plan.agent,
            recorded.direction,
            recorded.has_webhook,
            recorded.parameters,
            replays=self._recorded.call_sid,
            runs_tools=plan.runs_tools,
            answers={} if plan.runs_tools else answers,
        )

    async def _read_log(self) -> None:
        async for _, entry in self._archive.follow_log(self.call_sid):
            self._entries += 1
            self._note(entry)
            self._has_news.set()
        self._is_over.set()

    def _note(self, entry: Entry) -> None:
        """Whether the agent still has something to say."""
        match entry:
            case record.ToolAsked(call_id):
                self._open_tools.add(call_id)
                self._scene.is_answered = False
            case record.ToolAnswered(call_id) | record.ToolCancelled(call_id):
                self._open_tools.discard(call_id)
                self._scene.is_answered = False
            case record.Said(behavior=behavior) if behavior in record.ASIDES:
                pass
            case record.Heard() | record.Said() | record.Pressed():
                self._scene.is_answered = False
            case record.Finished():
                self._scene.is_answered = not self._open_tools

    # -- talking --------------------------------------------------------------

    async def _talk(self, callers: Sequence[Caller]) -> None:
        times = clocks(self._recorded).streams
        for number, caller in enumerate(callers):
            if number:
                away_ms = times[number].start_ms - times[number - 1].end_ms
                await self._pass(away_ms / 1000 / self._plan.speed)
            if not self._is_over.is_set():
                await self._stream(caller)
        await self._pass(END_S)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, or the call end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_over.wait()

    async def _stream(self, caller: Caller) -> None:
        """One phone socket, from `start` to whatever ends it."""
        phone = Phone(self._bus, self.call_sid, self._scene)
        journal = self._bus.journal(self.call_sid)
        last: Ended | Detached = Ended(STOPPED)
        try:
            self._registry.door.attach(self.call_sid, phone.stream_sid)
            last = await phone.carry(caller)
        finally:
            phone.close(last)
            if isinstance(last, Detached):
                journal.write(Lost(phone.stream_sid, last.cause))
