"""uvicorn, as a process needs it that strangers can reach and whose sockets are calls.

It leaves signals to us, and it cuts off who does not keep up: a peer that does not send
its request, or one that does not answer our close, holds no socket for long.
"""

import asyncio
import logging
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from socket import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State
from websockets.speedups import apply_mask

from shared import frames
from shared.logs import Seldom
from shared.rota import Intake
from shared.settings import Settings

# Under this name the scope of a WebSocket has the wire below it.
WIRE = "holdfast.wire"

# Twilio's frames are below 1 KB; anything above this closes the socket with 1009.
MAX_FRAME = 64 * 1024

# A request's head: how long it may be, and how long it may take, as may a TLS handshake before it.
MAX_HEAD = 64 * 1024
HEAD_WITHIN_S = 5.0

# A peer has this long to answer our close; Twilio sometimes never does.
CLOSE_WITHIN_S = 2.0

# An idle HTTP connection is the client's to close: one that the server closes just as the next
# webhook is written loses it. Proxies give up after a minute, uvicorn by itself after 5 s.
KEEP_ALIVE_S = 75

_LIBRARY = logging.getLogger("uvicorn.error")

# Strangers may have it say the same as often as they like.
_SELDOM = Seldom(_LIBRARY)


class _Http(HttpToolsProtocol):
    """An HTTP connection whose requests must come to the point."""

    _head_timer: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._has_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _has_head(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
        self._head_timer, self._head_bytes = None, 0


class PhoneWire(WebSocketsSansIOProtocol):
    """A WebSocket that is gone soon after we closed it, whatever became of its peer.

    Once a call is served on it, text goes straight from and to the call's owner (`serve`, `push`),
    what comes in its turn among all calls'. The library's way of a message, and ASGI's (a queue,
    a task to wake, a pause of the transport, a dictionary each way) are too long for a frame each
    20 ms; all that is no whole message stays theirs (see `shared.frames`).
    """

    _cutter: frames.Cutter
    _has_request = False
    _texts: Intake
    _on_text: Callable[[bytes], None] | None = None
    _on_writable: Callable[[], None]

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> "PhoneWire":
        """The wire below a WebSocket that is served by this module's server."""
        wire: PhoneWire = scope["extensions"][WIRE]
        return wire

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._cutter = frames.Cutter(MAX_FRAME, apply_mask)
        self._texts = Intake(self._hear)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.scope["extensions"][WIRE] = self  # type: ignore[assignment]

    def serve(self, on_text: Callable[[bytes], None], on_writable: Callable[[], None]) -> None:
        """From now on hand over text as it comes, first what has come already.

        Args:
            on_text: Called with each text frame, empty for a binary one. It must not raise.
            on_writable: Called when `is_writable` has become true again.
        """
        waiting = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        self._on_text, self._on_writable = on_text, on_writable
        for message in waiting:
            if message["type"] == "websocket.receive":
                on_text((message.get("text") or "").encode())
            else:
                self.queue.put_nowait(message)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    @property
    def is_writable(self) -> bool:
        """Whether the peer, or at least its buffer, takes what is written."""
        return self.writable.is_set()

    def push(self, texts: Iterable[bytes]) -> None:
        """Send text frames now, in one write. To a peer that is gone they go nowhere."""
        is_there = not (self.close_sent or self.transport.is_closing())
        if is_there and self.conn.state is State.OPEN:
            self.transport.write(b"".join([frames.frame(frames.TEXT, text) for text in texts]))

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._on_text:
            self._on_writable()

    def data_received(self, data: bytes) -> None:
        if not self._has_request:
            self._has_request = True
            super().data_received(data)
            return
        for kind, piece in self._cutter.feed(data):
            if kind == frames.TEXT and self._on_text:
                self._texts.add(piece)
                continue
            self._texts.flush()  # before what comes behind it
            if kind == frames.OTHER:
                super().data_received(piece)
            else:
                self.curr_msg_data_type = "text" if kind == frames.TEXT else "bytes"
                self.frames = [piece]
                self.send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        self._texts.flush()
        super().connection_lost(exc)

    def _hear(self, texts: list[bytes]) -> None:
        for text in texts:
            if self._on_text and not self.close_sent:
                self._on_text(text)

    def send_receive_event_to_app(self) -> None:
        if self._on_text is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        text, self.frames = b"".join(self.frames), []
        self._on_text(text if self.curr_msg_data_type == "text" else b"")

    async def send(self, message) -> None:  # type: ignore[no-untyped-def]
        if message["type"] == "websocket.close":
            # Set before anything is sent: to a peer that reads nothing, nothing can be.
            self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)
        await super().send(message)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with an end to its patience for TLS handshakes."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen. uvicorn's own leaves a handshake the minute that asyncio gives it."""
        config, state = self.config, self.server_state
        connection = partial(_Http, config=config, server_state=state, app_state={})
        server = await asyncio.get_running_loop().create_server(
            connection,
            config.host,
            config.port,
            ssl=config.ssl,
            backlog=config.backlog,
            ssl_handshake_timeout=HEAD_WITHIN_S if config.ssl else None,
        )
        self.servers, self.started = [server], True


def make_server(app: Starlette, settings: Settings) -> uvicorn.Server:
    """A server for the edge's app; `serve` it, and set `should_exit` to end that."""
    _LIBRARY.addFilter(_SELDOM)
    config = uvicorn.Config(
        app,
        host=settings.bind_host,
        port=settings.port,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        http=_Http,
        ws=PhoneWire,
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)
