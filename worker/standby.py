"""An agent session ready before its call is ours: connected, welcomed, and waiting for Settings.

When a worker stops, its calls go to others in moments when nobody speaks. What takes
longest (TCP, TLS, the upgrade, Welcome) is done before: what is left for the moment
itself is one round trip.
"""

import asyncio
import logging
from collections.abc import Callable

from shared.bus import Bus
from shared.logs import place
from shared.messages import Prepared
from shared.settings import Settings
from shared.vocabulary import BadMessage
from worker import deepgram
from worker.socket import AgentRefused, AgentSocket

log = logging.getLogger("worker")

# The service closes a session that is not told its Settings, after ten seconds or so.
STANDBY_S = 8.0

# Welcome comes at once.
WELCOME_WITHIN_S = 3.0


class Standby:
    """One agent session without a call: `open` it, then `hand_over`."""

    def __init__(self, settings: Settings) -> None:
        self._welcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._is_open = self._is_taken = self._is_given = False
        self._socket = AgentSocket(
            settings.agent_url, settings.deepgram_api_key, self._on_message, self._on_closed
        )

    async def open(self) -> None:
        """Connect as far as Welcome.

        Raises:
            AgentRefused: If the service does not take us, or says no Welcome in time.
        """
        await self._socket.open()
        try:
            async with asyncio.timeout(WELCOME_WITHIN_S):
                await self._welcome
        except TimeoutError:
            self.close()
            raise AgentRefused("no welcome") from None
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def is_taken(self) -> bool:
        """Whether a call has it, or is about to: then it is not ours to close."""
        return self._is_taken

    def take(self) -> "Standby":
        """It is for the call's session now, to use it or to close it."""
        self._is_taken = True
        return self

    def hand_over(
        self, on_message: Callable[[str | bytes], None], on_closed: Callable[[str], None]
    ) -> tuple[AgentSocket, str]:
        """Give it to a call's owner. Returns the socket, and the Welcome that came on it."""
        self._is_open, self._is_given = False, True
        self._socket.serve(on_message, on_closed)
        return self._socket, self._welcome.result()

    def close(self) -> None:
        """It is not wanted, unless it was handed over."""
        self._is_open = False
        if not self._is_given:
            self._socket.close()

    def _on_message(self, message: str | bytes) -> None:
        try:
            is_welcome = isinstance(deepgram.parse(message), deepgram.Welcome)
        except BadMessage:
            return
        if is_welcome and not self._welcome.done():
            self._welcome.set_result(str(message))

    def _on_closed(self, code: str) -> None:
        self._is_open = False
        if not self._welcome.done():
            self._welcome.set_exception(AgentRefused(code))


class Standbys:
    """The agent sessions that this worker has ready for calls of others."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        self._settings = settings
        self._bus = bus
        self._ready: dict[str, Standby] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def prepare(self, call_sid: str, owner: str) -> None:
        """Make one ready for a call, and tell its owner."""
        if call_sid not in self._tasks:
            task = asyncio.create_task(self._prepare(call_sid, owner), name=f"offer:{call_sid}")
            self._tasks[call_sid] = task
            task.add_done_callback(lambda _: self._tasks.pop(call_sid))

    def take(self, call_sid: str) -> Standby | None:
        """The one for a call that is ours now, if it is ready."""
        standby = self._ready.pop(call_sid, None)
        return standby.take() if standby and standby.is_open else None

    def close(self) -> None:
        """None is wanted any more."""
        for task in self._tasks.values():
            task.cancel()

    async def _prepare(self, call_sid: str, owner: str) -> None:
        extra = {"call_sid": call_sid}
        standby = Standby(self._settings)
        try:
            await standby.open()
            self._ready[call_sid] = standby
            self._bus.note(owner, call_sid, Prepared(call_sid, self._bus.process))
            await asyncio.sleep(STANDBY_S)
        except AgentRefused as refusal:
            log.warning("agent refused", extra={**extra, "reason": refusal.code})
        except Exception as exc:  # noqa: BLE001 (a bulkhead: it is nobody's call yet)
            log.error("no standby", extra={**extra, "reason": place(exc)})
        finally:
            if self._ready.get(call_sid) is standby:
                del self._ready[call_sid]
            if not standby.is_taken:
                standby.close()
