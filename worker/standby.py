"""An agent session ready before its call is ours: connected, welcomed, and waiting for Settings.

When a worker stops, its calls go to others in moments when nobody speaks. What takes
longest (TCP, TLS, the upgrade, Welcome) is done before: what is left for the moment
itself is one round trip.
"""

import asyncio
from collections.abc import Callable

from shared.settings import Settings
from shared.vocabulary import BadMessage
from worker import deepgram
from worker.socket import AgentRefused, AgentSocket

# Welcome comes at once.
WELCOME_WITHIN_S = 3.0


class Standby:
    """One agent session without a call: `open` it, then `hand_over`."""

    def __init__(self, settings: Settings) -> None:
        self._welcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._is_open = False
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

    def hand_over(
        self, on_message: Callable[[str | bytes], None], on_closed: Callable[[str], None]
    ) -> AgentSocket:
        """Give the session to a call's owner, who is told of the Welcome as if it came just now."""
        self._is_open = False
        self._socket.serve(on_message, on_closed)
        asyncio.get_running_loop().call_soon(on_message, self._welcome.result())
        return self._socket

    def close(self) -> None:
        """It was not wanted."""
        self._is_open = False
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
