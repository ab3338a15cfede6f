"""The one door of a session to its socket: every frame, both ways, passes here and is recorded.

Faults that only change what frames look like are done here, so nobody else knows of them.
"""

import asyncio
import time
from collections.abc import Iterator

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from sim.agent import events
from sim.agent.events import Event
from sim.agent.faults import Close, Dead, Drop, End, Fail, Faults
from sim.agent.record import SessionRecord

CHUNK_BYTES = 960
"""Size of the service's binary messages: 120 ms."""

BURIED_AFTER_S = 600.0
"""How long a dead socket is kept: longer than any client should need to notice."""


class Wire:
    """A session's socket."""

    def __init__(self, socket: ServerConnection, record: SessionRecord, faults: Faults) -> None:
        self._socket = socket
        self._faults = faults
        self.record = record
        self.last_heard_at = time.monotonic()

    def __repr__(self) -> str:
        return f"<Wire {self.record.request_id} {self._socket.state.name}>"

    async def receive(self) -> str | bytes:
        """The client's next frame.

        Raises:
            ConnectionClosed: When there is none to come.
        """
        frame = await self._socket.recv()
        self.last_heard_at = time.monotonic()
        self.record.note(frame, sent=False)
        return frame

    async def send(self, event: Event) -> None:
        """Send a message."""
        if self._faults.unknown_types:
            await self._write('{"type":"WeatherReport","sky":"clear"}')
        extra: Event = {"weather": {"sky": "clear"}} if self._faults.unknown_fields else {}
        await self._write(events.render({**event, **extra}))

    async def send_sound(self, mulaw: bytes) -> None:
        """Send a piece of sound as one binary message."""
        await self._write(mulaw)

    def chunks(self, mulaw: bytes) -> Iterator[bytes]:
        """Sound in the pieces in which it is sent."""
        size = self._faults.chunk_bytes or CHUNK_BYTES
        return (mulaw[at : at + size] for at in range(0, len(mulaw), size))

    async def _write(self, frame: str | bytes) -> None:
        # Noted first, since an open socket takes a frame before send() can be cancelled.
        if self._socket.state is State.OPEN:
            self.record.note(frame, sent=True)
        await self._socket.send(frame)

    async def finish(self, end: End) -> None:
        """End the session in this way."""
        try:
            match end:
                case Fail(code, description):
                    self.record.errors.append(code)
                    await self.send(events.error(code, description))
                    await self._socket.close()
                case Close(code):
                    await self._socket.close(code)
                case Drop():
                    self._socket.transport.abort()
                case Dead():
                    # Nobody resumes reading, as nobody calls recv() any more.
                    self._socket.transport.pause_reading()
            # A dead socket does not see the client go, so somebody must bury it in the end.
            async with asyncio.timeout(BURIED_AFTER_S):
                await self._socket.wait_closed()
        except ConnectionClosed:
            return
        except TimeoutError:
            self._socket.transport.abort()
