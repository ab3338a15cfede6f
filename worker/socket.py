"""The wire under the agent: websockets' sans-IO client over a bare asyncio transport.

The library does the protocol, the transport does the bytes, and nothing lies
between: no queue, no task, no timer a connection. Text from the agent is handled in the
turn of the loop in which it arrives, speech in its turn among all calls', and what is for the
agent is written in the turn in which the bus delivered it. Whole messages go past the library,
too (see `shared.frames`), those of sound that arrive together as one.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.speedups import apply_mask
from websockets.uri import parse_uri

from shared import frames
from shared.rota import Intake

# TCP, TLS and the upgrade together. The caller hears ringing, or nothing, meanwhile.
CONNECT_WITHIN_S = 5.0

# Sound that the agent is too slow to take: a quarter of a megabyte is half a minute.
# Above it the caller's frames are dropped, newest first, until it has caught up.
BACKLOG_BYTES = 256 * 1024

# Deepgram's messages are a few KB; a sentence of sound comes in pieces below 10 KB.
MAX_MESSAGE = 1024 * 1024

# A peer that has gone silently shows by a ping that nothing follows. It is looked at twice a
# second, so pinged each second, and noticed within three.
PING_EVERY_S = 0.9
PONG_WITHIN_S = 1.5

# After our close frame, the peer has this long to answer it.
CLOSE_WITHIN_S = 2.0


class AgentRefused(Exception):
    """The agent service does not take us: an HTTP status in place of the upgrade, or no answer.

    Attributes:
        code: "http 401", "connect TimeoutError", ...: a kind, with nothing personal in it.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


END_OF_HEAD = b"\r\n\r\n"

MASK_BYTES = 4


def _make_masks() -> Iterator[bytes]:
    """Masks that nobody can foretell (RFC 6455, 5.3), a thousand a question to the system."""
    while True:
        pool = os.urandom(1024 * MASK_BYTES)
        yield from (pool[at : at + MASK_BYTES] for at in range(0, len(pool), MASK_BYTES))


_masks = _make_masks()


def _masked(kind: int, payload: bytes) -> bytes:
    return frames.masked(kind, payload, next(_masks), apply_mask)


def _joined(messages: Sequence[str | bytes]) -> Iterable[str | bytes]:
    """Sound that goes out together as one message: it is one stream, however it is cut."""
    return messages if len(messages) == 1 else _runs(messages)


def _runs(messages: Iterable[str | bytes]) -> Iterator[str | bytes]:
    for kind, run in groupby(messages, type):
        if kind is bytes:
            yield b"".join(cast(Iterator[bytes], run))
        else:
            yield from run


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the machine's certificates takes 30 ms, in which no call moves."""
    return ssl.create_default_context()


class AgentSocket(asyncio.Protocol):
    """One connection to the agent service: make it, then `open` it.

    Args:
        url: ws:// or wss://, with its path.
        api_key: Sent as `Authorization: Token`; empty for a service that asks for none.
        on_message: Called with each whole message: text as str, sound as bytes.
        on_closed: Called once, when an open connection is no more, with what ended it; not after
            our own close.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._url = urlsplit(url)
        self._protocol = ClientProtocol(parse_uri(url), max_size=MAX_MESSAGE)
        self._headers = {"Authorization": f"Token {api_key}"} if api_key else {}
        self._on_message = on_message
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._cutter: frames.Cutter | None = None  # there is one once the service has taken us
        self._speech = Intake(self._tell_speech)
        self._answer_end = b""
        self._pieces: list[bytes] = []
        self._pieces_are_text = False
        self._last_ping = 0.0
        self._waits_since: float | None = None  # the first ping that nothing has followed
        self._is_over = False
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dropped_bytes = 0
        """Sound left out because the agent did not take it in time."""

    # -- for the owner --------------------------------------------------------

    async def open(self) -> None:
        """Connect. Messages may come before this returns.

        Raises:
            AgentRefused: If the service answers with anything but an upgrade, or not in time.
        """
        is_tls = self._url.scheme == "wss"
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self,
                    self._url.hostname or "",
                    self._url.port or (443 if is_tls else 80),
                    ssl=_tls() if is_tls else None,
                )
                await self._opened
        except (OSError, TimeoutError) as exc:
            self.abort()
            raise AgentRefused(f"connect {type(exc).__name__}") from exc
        except BaseException:
            self.abort()
            raise

    def serve(
        self, on_message: Callable[[str | bytes], None], on_closed: Callable[[str], None]
    ) -> None:
        """From now on somebody else is told of messages and of the end."""
        self._on_message, self._on_closed = on_message, on_closed

    def send(self, *messages: str | bytes) -> None:
        """Send messages: text as str, sound as bytes. After the close they go nowhere."""
        transport = self._transport
        if self._is_over or transport is None or transport.is_closing():
            return
        if self._protocol.state is not State.OPEN:
            return
        is_slow = transport.get_write_buffer_size() > BACKLOG_BYTES
        out = []
        for message in _joined(messages):
            if isinstance(message, str):
                out.append(_masked(frames.TEXT, message.encode()))
            elif is_slow:
                self.dropped_bytes += len(message)
            else:
                out.append(_masked(frames.BINARY, message))
        if out:
            transport.write(b"".join(out))  # one write, however many frames there are

    def close(self) -> None:
        """Close now (1000): the session is billed for as long as it is open."""
        if self._is_over:
            return
        transport = self._transport
        if transport is None or transport.is_closing() or self._protocol.state is not State.OPEN:
            self.abort()
            return
        self._is_over = True
        self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        self._flush()
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, transport.abort)

    def abort(self) -> None:
        """Let go at once, without a word: there is no session, or nobody to close it with."""
        self._is_over = True
        self._opened.cancel()
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """Ping if it is time, and give up on a peer that answers no pings. `now`: loop time."""
        if self._is_over or not self._opened.done():
            return
        if self._waits_since is not None and now - self._waits_since > PONG_WITHIN_S:
            self._finish("no pong")
        elif now - self._last_ping >= PING_EVERY_S:
            self._last_ping = now
            self._waits_since = self._waits_since or now
            if self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                self._flush()

    # -- for the loop ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no base class
        request = self._protocol.connect()
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._waits_since = None
        if self._cutter is None:
            answer, data = self._cut_answer(data)
            self._receive(answer)
            if self._protocol.state is State.OPEN:
                self._cutter = frames.Cutter(MAX_MESSAGE)
            else:
                self._receive(data)  # more of the answer: why we are refused
                return
        for kind, piece in self._cutter.feed(data):
            if kind == frames.BINARY:
                self._speech.add(piece)
                continue
            self._speech.flush()
            if kind == frames.TEXT:
                self._tell(piece.decode(errors="replace"))
            else:
                self._receive(piece)

    def _cut_answer(self, data: bytes) -> tuple[bytes, bytes]:
        """What of these bytes belongs to the answer to our request, and what lies behind it."""
        seen = self._answer_end + data
        end = seen.find(END_OF_HEAD)
        if end < 0:
            self._answer_end = seen[1 - len(END_OF_HEAD) :]
            return data, b""
        end += len(END_OF_HEAD) - len(self._answer_end)
        return data[:end], data[end:]

    def _receive(self, data: bytes) -> None:
        """Bytes for the library."""
        self._protocol.receive_data(data)
        # The order is fixed: answers of the protocol first (pongs, the close), then messages.
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._read(event)
            elif isinstance(event, Response):
                self._shake_hands()
        if self._protocol.handshake_exc is not None:
            self._shake_hands()
        if self._protocol.close_expected() and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if self._protocol.handshake_exc is not None:
            self._shake_hands()  # a refusal whose body ended with the connection
        code = self._protocol.close_code if self._opened.done() else None
        self._finish(f"closed {code or CloseCode.ABNORMAL_CLOSURE:d}")

    def _shake_hands(self) -> None:
        if self._opened.done():
            return
        exc = self._protocol.handshake_exc
        if exc is None:
            self._last_ping = asyncio.get_running_loop().time()
            self._opened.set_result(None)
            return
        self._is_over = True  # who waits for the opening is told; there is no end to tell of
        if isinstance(exc, InvalidStatus):
            self._opened.set_exception(AgentRefused(f"http {exc.response.status_code}"))
        else:
            self._opened.set_exception(AgentRefused(f"handshake {type(exc).__name__}"))

    def _read(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._pieces_are_text = frame.opcode is Opcode.TEXT
                self._pieces = [bytes(frame.data)]
            case Opcode.CONT:
                self._pieces.append(bytes(frame.data))
            case _:
                return  # pings and closes are answered by the protocol; a pong has come, no more
        if frame.fin:
            message = b"".join(self._pieces)
            self._tell(message.decode(errors="replace") if self._pieces_are_text else message)

    def _tell_speech(self, pieces: list[bytes]) -> None:
        self._tell(b"".join(pieces))

    def _tell(self, message: str | bytes) -> None:
        if not self._is_over:
            self._on_message(message)

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        chunks = self._protocol.data_to_send()
        if chunks:
            self._transport.write(b"".join(chunks))
            if not chunks[-1] and self._transport.can_write_eof():
                self._transport.write_eof()

    def _finish(self, code: str) -> None:
        self._speech.flush()
        if not self._opened.done():
            self._opened.set_exception(AgentRefused(code))
            self._is_over = True
        was_over = self._is_over
        self.abort()
        if not was_over:
            self._on_closed(code)
