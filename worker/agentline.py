"""The agent socket of one call: the one there is, and the one that takes its place."""

import asyncio
import logging
from collections.abc import Callable

from shared.settings import Settings
from worker.socket import AgentRefused, AgentSocket
from worker.standby import Standby

log = logging.getLogger("worker")


class AgentLine:
    """At most one socket at a time.

    Args:
        on_message: Called with each whole message.
        on_closed: Called when a socket is no more, or could not be had, with a code of what ended
            it; not after our own close.
        standby: A session that was made ready for this call, to be used first.
    """

    def __init__(
        self,
        settings: Settings,
        call_sid: str,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[str], None],
        standby: Standby | None,
    ) -> None:
        self._settings = settings
        self._call_sid = call_sid
        self._on_message = on_message
        self._on_closed = on_closed
        self._standby = standby
        self._socket: AgentSocket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._dropped_before = 0
        self._connects = 0

    def sums(self) -> dict[str, int]:
        """Sockets asked for; sound left out because an agent did not take it in time."""
        dropped = self._dropped_before + (self._socket.dropped_bytes if self._socket else 0)
        return {"agent_connects": self._connects, "agent_dropped_bytes": dropped}

    def connect(self, tasks: asyncio.TaskGroup) -> None:
        """Open a socket, in place of the one there is."""
        self.disconnect()
        self._dropped_before, self._socket = self.sums()["agent_dropped_bytes"], None
        self._connects += 1
        standby, self._standby = self._standby, None
        if standby and standby.is_open:
            self._socket, welcome = standby.hand_over(self._on_message, self._on_closed)
            asyncio.get_running_loop().call_soon(self._greet, self._socket, welcome)
            return
        settings = self._settings
        self._socket = AgentSocket(
            settings.agent_url, settings.deepgram_api_key, self._on_message, self._on_closed
        )
        opening = self._open(self._socket)
        self._opening = tasks.create_task(opening, name=f"agent:{self._call_sid}")

    def _greet(self, socket: AgentSocket, welcome: str) -> None:
        """This socket had said Welcome before it was ours."""
        if socket is self._socket:
            self._on_message(welcome)

    async def _open(self, socket: AgentSocket) -> None:
        try:
            await socket.open()
        except AgentRefused as refusal:
            # The key's name, never its value: 401 means that this one is wrong.
            hint = "check DEEPGRAM_API_KEY" if refusal.code == "http 401" else ""
            extra = {"call_sid": self._call_sid, "reason": refusal.code, "hint": hint}
            log.error("agent refused", extra=extra)
            self._on_closed(refusal.code)

    def send(self, messages: list[str | bytes]) -> None:
        """Send what there is to send; without a socket it goes nowhere."""
        if self._socket:
            self._socket.send(*messages)

    def check(self, now: float) -> None:
        """Now and then: whether the other side is alive. `now`: loop time."""
        if self._socket:
            self._socket.check(now)

    def disconnect(self) -> None:
        """Close it now: a session is billed for as long as it is open."""
        if self._opening:
            self._opening.cancel()
        if self._socket:
            self._socket.close()

    def close(self) -> None:
        """The call is over, or somebody else's: neither socket nor standby is wanted."""
        if self._standby:
            self._standby.close()
        self.disconnect()
