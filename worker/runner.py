"""The operator's functions of one call, each run as a task of its own."""

import asyncio
from collections.abc import Callable, Iterable

from shared import replayed
from shared.calls import Ringing
from worker.changes import Change
from worker.terms import ToolCall
from worker.toolbox import Toolbox
from worker.tools import CallInfo, failed


class Runner:
    """Runs functions and tells of their answers.

    Args:
        on_answer: Called with a function's key and what the agent is told.
        on_change: Called with what a function wants done in mid-call.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        ringing: Ringing,
        on_answer: Callable[[str, str], None],
        on_change: Callable[[Change], None],
    ) -> None:
        self._toolbox = toolbox
        self._ringing = ringing
        self._on_answer = on_answer
        self._on_change = on_change
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._expected: set[str] = set()

    def expect(self, calls: Iterable[ToolCall]) -> None:
        """These are to be run as soon as the log has them, unless they are cancelled first."""
        self._expected.update(call.key for call in calls)

    def start(self, calls: Iterable[ToolCall], tasks: asyncio.TaskGroup) -> None:
        """Run those of these that are still expected, all at once."""
        for call in calls:
            if call.key in self._expected:
                self._expected.discard(call.key)
                name = f"tool:{self._ringing.call_sid}"
                self._runs[call.key] = tasks.create_task(self._run(call), name=name)

    def refuse(self, calls: Iterable[ToolCall]) -> None:
        """The log did not take these: they are not run, and the agent is told so."""
        for call in calls:
            if call.key in self._expected:
                self._expected.discard(call.key)
                self._on_answer(call.key, failed(f"{call.name} failed"))

    def cancel(self, keys: Iterable[str]) -> None:
        """These are not wanted any more."""
        for key in keys:
            self._expected.discard(key)
            if run := self._runs.pop(key, None):
                run.cancel()

    def cancel_all(self) -> None:
        """The call is somebody else's: whatever they would answer is not ours to say."""
        self.cancel([*self._expected, *self._runs])

    async def _run(self, call: ToolCall) -> None:
        ringing = self._ringing
        info = CallInfo(
            call_sid=ringing.call_sid,
            caller=ringing.caller,
            called=ringing.called,
            agent=ringing.agent,
            parameters=ringing.parameters,
            idempotency_key=call.key,
            change=self._on_change,
        )
        if ringing.runs_tools:
            content = await self._toolbox.run(call.name, call.arguments, info)
        else:
            content = replayed.answer(ringing.answers, call.name, call.arguments)
        self._runs.pop(call.key, None)
        self._on_answer(call.key, content)
