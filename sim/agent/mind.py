"""The language model of one session: from a user turn to what is called and said.

Thinking may begin before the turn is confirmed. Then nothing is said, but functions are called
that are not deferred, and whoever goes on speaking takes the whole answer back.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from secrets import token_hex

from sim.agent import events
from sim.agent.events import Call
from sim.agent.faults import Faults
from sim.agent.mouth import Mouth
from sim.agent.protocol import FunctionCallResponse
from sim.agent.script import ScriptedCall, Turn
from sim.agent.settings import Function
from sim.agent.timing import Timing
from sim.agent.wire import Wire

SLOW_S = 5.0
"""Thinking after which, and after every further such time, the service warns."""


class Mind:
    """Answers one turn at a time."""

    def __init__(
        self, wire: Wire, mouth: Mouth, tasks: asyncio.TaskGroup, timing: Timing, faults: Faults
    ) -> None:
        self._wire = wire
        self._mouth = mouth
        self._tasks = tasks
        self._timing = timing
        self._faults = faults
        self._answer: asyncio.Task[None] | None = None
        self._confirmed = asyncio.Event()
        self._pending: dict[str, tuple[Call, asyncio.Future[str]]] = {}
        self.functions: Mapping[str, Function] = {}
        self.history = True

    def __repr__(self) -> str:
        return f"<Mind {'busy' if self.busy else 'idle'} calls={len(self._pending)}>"

    @property
    def busy(self) -> bool:
        """Whether an answer is being thought of."""
        return self._answer is not None and not self._answer.done()

    def answer(self, turn: Turn, *, confirmed: bool = True, voiced: bool = True) -> None:
        """Think about a turn; without confirmation only as far as can be taken back."""
        self._confirmed = asyncio.Event()
        if confirmed:
            self._confirmed.set()
        self._answer = self._tasks.create_task(self._think(turn, voiced), name="answer")

    def confirm(self) -> None:
        """The turn that is being answered is over indeed."""
        self._confirmed.set()

    def abandon(self) -> list[Call]:
        """Forget the answer; returns the calls which were asked for and not answered."""
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
        dropped = [call for call, _ in self._pending.values()]
        self._pending.clear()
        return dropped

    def respond(self, response: FunctionCallResponse) -> bool:
        """Take a function's response; False if nobody waits for it."""
        if response.id not in self._pending:
            return False
        _, waiting = self._pending.pop(response.id)
        waiting.set_result(response.content)
        return True

    async def _think(self, turn: Turn, voiced: bool) -> None:
        began = time.monotonic()
        await self._ponder(self._faults.think_s or turn.think_s or self._timing.think_s)
        reports = _reports(time.monotonic() - began, voiced=voiced)
        if turn.say:
            await self._confirmed.wait()
            self._mouth.say(*turn.say, reports=reports)
        if turn.call:
            sentences = await self._called(turn.call)
            await self._confirmed.wait()
            self._mouth.say(*sentences, reports=reports)

    async def _ponder(self, seconds: float) -> None:
        while seconds > SLOW_S:
            await asyncio.sleep(SLOW_S)
            seconds -= SLOW_S
            await self._wire.send(events.warning("SLOW_THINK_REQUEST", "Still thinking."))
        await asyncio.sleep(seconds)

    async def _called(self, scripted: Sequence[ScriptedCall]) -> list[str]:
        """Have functions called, and return what is said when all are answered."""
        known = {i: call for i, call in enumerate(scripted) if call.name in self.functions}
        if any(call.defer_until_eot or self._deferred(call) for call in known.values()):
            await self._confirmed.wait()
        responses = await self._responses(known) if known else {}
        return [s for i, call in enumerate(scripted) for s in call.said(responses.get(i, ""))]

    def _deferred(self, call: ScriptedCall) -> bool:
        return self.functions[call.name].deferred

    async def _responses(self, scripted: Mapping[int, ScriptedCall]) -> dict[int, str]:
        calls = {i: self._call(call) for i, call in scripted.items()}
        waiting = {i: self._expect(call) for i, call in calls.items() if call.client_side}
        everything = [*calls.values()]
        for request in [[c] for c in everything] if self._faults.separate_calls else [everything]:
            await self._wire.send(events.function_call_request(request))
        responses = {i: scripted[i].response for i in calls}
        for i, call in calls.items():
            if not call.client_side:
                await asyncio.sleep(self._timing.server_call_s)
                await self._wire.send(events.function_call_response(call, responses[i]))
        for i, response in waiting.items():
            responses[i] = await response
        if self.history:
            answered = [(call, responses[i]) for i, call in calls.items()]
            await self._wire.send(events.history_calls(answered))
        return responses

    def _call(self, scripted: ScriptedCall) -> Call:
        client_side = self.functions[scripted.name].client_side
        call_id, signature = f"call_{token_hex(12)}", scripted.thought_signature
        return Call(call_id, scripted.name, scripted.arguments, client_side, signature)

    def _expect(self, call: Call) -> asyncio.Future[str]:
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pending[call.id] = call, waiting
        return waiting


def _reports(thought: float, *, voiced: bool) -> dict[str, float]:
    """The figures of a turn, each of which the service reports by itself."""
    return {
        **({"stt_latency": 0.1} if voiced else {}),
        "ttt_token_latency": thought,
        "ttt_text_latency": thought,
        "tts_latency": 0.07,
        "total_latency": thought + 0.17,
    }
