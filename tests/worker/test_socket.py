"""The agent socket, against a real server on loopback: every way to open, to speak and to end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

import worker.socket
from shared import rota
from worker.socket import AgentRefused, AgentSocket

KEY = "a-key"


class Owner:
    """Who holds the socket: remembers what it is told."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.closed: list[str] = []
        self.is_told = asyncio.Event()

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)
        self.is_told.set()

    def on_closed(self, code: str) -> None:
        self.closed.append(code)
        self.is_told.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for news that make it so."""
        async with asyncio.timeout(5):
            while not is_so():
                self.is_told.clear()
                await self.is_told.wait()

    async def open(self, url: str, key: str = KEY) -> AgentSocket:
        socket = AgentSocket(url, key, self.on_message, self.on_closed)
        await socket.open()
        return socket


@pytest.fixture
async def owner() -> Owner:
    return Owner()


Behaviour = Callable[[ServerConnection], Awaitable[None]]


def url_of(server: Any) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"ws://{host}:{port}/v1/agent/converse"


@contextlib.asynccontextmanager
async def agent(behaviour: Behaviour, **options: Any) -> AsyncIterator[str]:
    """An agent service that does this with each connection."""

    async def handle(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await behaviour(connection)

    server: Server
    async with serve(handle, "127.0.0.1", 0, close_timeout=0.2, **options) as server:
        yield url_of(server)


@contextlib.asynccontextmanager
async def raw_agent(
    behaviour: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server that need not speak WebSocket."""
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await behaviour(reader, writer)
            await done.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=4096)
    async with server:
        try:
            yield url_of(server)
        finally:
            done.set()
            await asyncio.sleep(0.01)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def listen(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def settle() -> None:
    """Let what is under way on loopback arrive, if something is."""
    await asyncio.sleep(0.03)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never was")


# -- open ---------------------------------------------------------------------


async def test_text_and_sound_go_both_ways(owner: Owner) -> None:
    async with agent(echo) as url:
        socket = await owner.open(url)
        socket.send('{"type":"KeepAlive"}')
        socket.send(b"\xff" * 160)
        socket.send("Grüße")
        await owner.until(lambda: len(owner.messages) == 3)
        socket.close()

    assert owner.messages == ['{"type":"KeepAlive"}', b"\xff" * 160, "Grüße"]
    assert owner.closed == []


async def test_the_key_is_sent_as_a_token(owner: Owner) -> None:
    seen: list[str | None] = []

    async def look(connection: ServerConnection) -> None:
        assert connection.request
        seen.append(connection.request.headers.get("Authorization"))
        await listen(connection)

    async with agent(look) as url:
        for key in (KEY, ""):
            (await owner.open(url, key)).close()

    assert seen == ["Token a-key", None]


async def test_what_comes_right_behind_the_upgrade_is_told_even_before_connect_returns(
    owner: Owner,
) -> None:
    async def welcome(connection: ServerConnection) -> None:
        await connection.send("Welcome")
        await listen(connection)

    async with agent(welcome) as url:
        socket = await owner.open(url)
        await owner.until(lambda: owner.messages == ["Welcome"])
        socket.close()


async def test_a_fragmented_message_arrives_whole(owner: Owner) -> None:
    async def fragments(connection: ServerConnection) -> None:
        await connection.send(["Grü", "ße, ", "Ann"])
        await connection.send([b"\x01" * 10, b"\x02" * 10])
        await listen(connection)

    async with agent(fragments) as url:
        socket = await owner.open(url)
        await owner.until(lambda: len(owner.messages) == 2)
        socket.close()

    assert owner.messages == ["Grüße, Ann", b"\x01" * 10 + b"\x02" * 10]


async def test_a_ping_between_fragments_does_no_harm(owner: Owner) -> None:
    async def fragments(connection: ServerConnection) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"\x01"
            await (await connection.ping())
            yield b"\x02"

        await connection.send(parts())
        await listen(connection)

    async with agent(fragments) as url:
        socket = await owner.open(url)
        await owner.until(lambda: owner.messages == [b"\x01\x02"])
        socket.close()


async def test_what_is_sent_before_the_socket_is_open_goes_nowhere(owner: Owner) -> None:
    uri = "ws://127.0.0.1:1/"
    socket = AgentSocket(uri, KEY, owner.on_message, owner.on_closed)
    socket.send("too early")
    socket.check(99.0)
    socket.close()

    assert owner.closed == []


# -- refused ------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 429, 500, 503, 302])
async def test_an_http_status_is_a_refusal_with_its_code(owner: Owner, status: int) -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus(status), "no")

    async with agent(listen, process_request=refuse) as url:
        with pytest.raises(AgentRefused) as refused:
            await owner.open(url)
        await settle()

    assert refused.value.code == f"http {status}"
    assert owner.closed == []


async def test_a_refusal_whose_body_ends_with_the_connection_has_its_code(owner: Owner) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}")
        writer.close()

    async with raw_agent(refuse) as url:
        with pytest.raises(AgentRefused, match="http 401"):
            await owner.open(url)
        await settle()

    assert owner.closed == []


async def test_an_answer_that_is_not_http_is_a_refusal(owner: Owner) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")

    async with raw_agent(babble) as url:
        with pytest.raises(AgentRefused, match="handshake InvalidMessage"):
            await owner.open(url)


async def test_an_upgrade_with_a_wrong_accept_is_a_refusal(owner: Owner) -> None:
    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n"
        )

    async with raw_agent(lie) as url:
        with pytest.raises(AgentRefused, match="handshake InvalidHeaderValue"):
            await owner.open(url)


async def test_a_connection_that_ends_before_the_answer_is_a_refusal(owner: Owner) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with raw_agent(hang_up) as url:
        with pytest.raises(AgentRefused):
            await owner.open(url)
        await settle()

    assert owner.closed == []


async def test_nobody_there_is_a_refusal(owner: Owner) -> None:
    async with agent(listen) as url:
        pass

    with pytest.raises(AgentRefused, match="connect ConnectionRefusedError"):
        await owner.open(url)


async def test_a_refusal_says_nothing_of_the_key(owner: Owner) -> None:
    async with agent(listen) as url:
        pass

    with pytest.raises(AgentRefused) as refused:
        await owner.open(url)

    assert KEY not in repr(refused.value) + repr(refused.value.__cause__)


class Gone:
    """A server's side that sees when the client's connection is gone."""

    def __init__(self) -> None:
        self.has_come = asyncio.Event()
        self.is_gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Never answer."""
        self.has_come.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        self.is_gone.set()


async def test_an_upgrade_that_nobody_answers_is_given_up_and_closed(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.socket, "CONNECT_WITHIN_S", 0.1)
    gone = Gone()
    async with raw_agent(gone) as url, asyncio.timeout(8):
        with pytest.raises(AgentRefused, match="connect TimeoutError"):
            await owner.open(url)
        await gone.is_gone.wait()

    assert owner.closed == []


async def test_a_cancelled_connect_leaves_nothing_open(owner: Owner) -> None:
    gone = Gone()
    async with raw_agent(gone) as url, asyncio.timeout(8):
        opening = asyncio.create_task(owner.open(url))
        await gone.has_come.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await gone.is_gone.wait()

    assert owner.closed == []


@pytest.mark.parametrize("turns", range(8))
async def test_a_connect_cancelled_at_any_step_leaves_nothing_open(
    owner: Owner, turns: int
) -> None:
    here: set[ServerConnection] = set()

    async def count(connection: ServerConnection) -> None:
        here.add(connection)
        try:
            await listen(connection)
        finally:
            here.discard(connection)

    async with agent(count) as url, asyncio.timeout(8):
        opening = asyncio.create_task(owner.open(url))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await opening).close()
        await settle()
        await eventually(lambda: not here)

    assert owner.closed == []


# -- closed by the peer -------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1011, 4000])
async def test_the_peers_close_is_told_once_with_its_code(owner: Owner, code: int) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code)

    async with agent(close) as url:
        socket = await owner.open(url)
        await owner.until(lambda: bool(owner.closed))
        socket.close()
        await settle()

    assert owner.messages == ["last words"]
    assert owner.closed == [f"closed {code}"]


async def test_a_connection_that_breaks_is_1006(owner: Owner) -> None:
    async def abort(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with agent(abort) as url:
        await owner.open(url)
        await owner.until(lambda: bool(owner.closed))
        await settle()

    assert owner.closed == ["closed 1006"]


async def test_the_order_is_the_agents_whatever_comes_together(owner: Owner) -> None:
    async def speak(connection: ServerConnection) -> None:
        said = connection.protocol
        said.send_binary(b"a")
        said.send_binary(b"b")
        said.send_text(b"text")
        said.send_binary(b"c")
        said.send_text(b"more")
        connection.transport.write(b"".join(said.data_to_send()))
        await listen(connection)

    async with agent(speak) as url:
        socket = await owner.open(url)
        await owner.until(lambda: "more" in owner.messages)
        socket.close()

    sound = [message for message in owner.messages if isinstance(message, bytes)]
    assert b"".join(sound) == b"abc"
    assert owner.messages[-3:] == ["text", b"c", "more"]


async def test_the_last_speech_is_told_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sockets end in the same turn of the loop."""
    monkeypatch.setattr(rota, "TURN_S", 0.0)
    owners = [Owner() for _ in range(20)]
    agents: list[ServerConnection] = []

    async def wait(connection: ServerConnection) -> None:
        agents.append(connection)
        await listen(connection)

    async with agent(wait) as url:
        for each in owners:
            await each.open(url)
        for connection in agents:
            connection.protocol.send_binary(b"last")
            connection.transport.write(b"".join(connection.protocol.data_to_send()))
            connection.transport.close()
        for each in owners:
            await each.until(lambda each=each: bool(each.closed))  # type: ignore[misc]

    assert [each.messages for each in owners] == [[b"last"]] * len(owners)


async def test_an_end_of_stream_without_a_close_is_1006(owner: Owner) -> None:
    async def end(connection: ServerConnection) -> None:
        connection.transport.write_eof()
        await listen(connection)

    async with agent(end) as url:
        await owner.open(url)
        await owner.until(lambda: bool(owner.closed))

    assert owner.closed == ["closed 1006"]


async def test_a_message_beyond_all_measure_ends_it(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.socket, "MAX_MESSAGE", 1000)

    async def shout(connection: ServerConnection) -> None:
        await connection.send(b"\x20" * 1001)
        await listen(connection)

    async with agent(shout) as url:
        await owner.open(url)
        await owner.until(lambda: bool(owner.closed))

    assert owner.messages == []
    assert len(owner.closed) == 1


async def test_what_is_sent_after_the_end_goes_nowhere(owner: Owner) -> None:
    async with agent(lambda connection: connection.close(1000)) as url:
        socket = await owner.open(url)
        await owner.until(lambda: bool(owner.closed))
        socket.send("too late")
        socket.send(b"\xff" * 160)
        socket.check(1e9)
        socket.close()

    assert owner.closed == ["closed 1000"]


async def test_an_answer_to_the_last_words_of_a_closing_peer_goes_nowhere(owner: Owner) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.recv()
        # In one write: the owner acts on the words while the close is already read.
        connection.transport.write(b"\x81\x03bye\x88\x02\x03\xe8")
        await listen(connection)

    raised: list[Exception] = []

    async with agent(close) as url:

        def answer(message: str | bytes) -> None:
            owner.on_message(message)
            try:
                socket.send("FunctionCallResponse")
                socket.send(b"\xff" * 160)
                socket.check(1e9)
            except Exception as exc:  # noqa: BLE001
                raised.append(exc)

        socket = AgentSocket(url, KEY, answer, owner.on_closed)
        await socket.open()
        socket.send("hello")
        await owner.until(lambda: bool(owner.closed))

    assert raised == []
    assert owner.messages == ["bye"]
    assert owner.closed == ["closed 1000"]


async def test_closing_on_the_last_words_of_a_closing_peer_is_quiet(owner: Owner) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.write(b"\x81\x03bye\x81\x03not\x88\x02\x03\xe8")
        await listen(connection)

    raised: list[Exception] = []

    async with agent(close) as url:

        def hang_up(message: str | bytes) -> None:
            owner.on_message(message)
            try:
                socket.close()
            except Exception as exc:  # noqa: BLE001
                raised.append(exc)

        socket = AgentSocket(url, KEY, hang_up, owner.on_closed)
        await socket.open()
        socket.send("hello")
        await owner.until(lambda: bool(owner.messages))
        await settle()

    assert raised == []
    assert owner.messages == ["bye"]
    assert owner.closed == []


# -- closed by us -------------------------------------------------------------


async def test_our_close_is_1000_and_is_not_told_to_us(owner: Owner) -> None:
    codes: list[int | None] = []

    async def look(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with agent(look) as url:
        socket = await owner.open(url)
        socket.close()
        socket.close()
        await eventually(lambda: bool(codes))

    assert codes == [1000]
    assert owner.closed == []


async def test_what_comes_after_our_close_is_not_told(owner: Owner) -> None:
    async def talk(connection: ServerConnection) -> None:
        while True:
            await connection.send("more")
            await asyncio.sleep(0)

    async with agent(talk) as url:
        socket = await owner.open(url)
        await owner.until(lambda: bool(owner.messages))
        socket.close()
        count = len(owner.messages)
        await settle()

    assert len(owner.messages) == count
    assert owner.closed == []


async def test_a_peer_that_never_answers_our_close_is_let_go(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.socket, "CLOSE_WITHIN_S", 0.1)
    gone = asyncio.Event()

    async def freeze(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.3)
        assert not gone.is_set()
        connection.transport.resume_reading()
        await connection.wait_closed()
        gone.set()

    async with agent(freeze) as url, asyncio.timeout(8):
        socket = await owner.open(url)
        socket.close()
        await asyncio.sleep(0.2)
        assert socket._transport is not None
        assert socket._transport.is_closing()
        await gone.wait()

    assert owner.closed == []


# -- silent and slow peers ----------------------------------------------------


def seconds_until_noticed(socket: AgentSocket, owner: Owner) -> Iterator[float]:
    """Check twice a second, as the worker does, without waiting for the seconds to pass."""
    start = now = asyncio.get_running_loop().time()
    while not owner.closed:
        now += 0.5
        socket.check(now)
        yield now - start


async def test_a_silent_peer_is_noticed_by_its_missing_pong(owner: Owner) -> None:
    async def freeze(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.2)
        connection.transport.resume_reading()

    async with agent(freeze) as url:
        socket = await owner.open(url)
        noticed_after = [*seconds_until_noticed(socket, owner)][-1]
        await settle()

    assert owner.closed == ["no pong"]
    assert 2.5 <= noticed_after <= 3


async def test_a_peer_that_answers_its_pings_stays(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.socket, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(worker.socket, "PONG_WITHIN_S", 0.5)
    async with agent(listen) as url:
        socket = await owner.open(url)
        for _ in range(30):
            await asyncio.sleep(0.02)
            socket.check(asyncio.get_running_loop().time())
        assert owner.closed == []
        socket.close()


async def test_a_peer_that_was_not_looked_at_for_long_has_its_time_to_answer(owner: Owner) -> None:
    async with agent(listen) as url:
        socket = await owner.open(url)
        start = asyncio.get_running_loop().time()
        socket.check(start + 1)
        await settle()
        for late in (5.0, 5.5, 6.0):  # Redis stood still meanwhile
            socket.check(start + late)
        await settle()

        assert owner.closed == []
        socket.close()


async def test_a_frozen_peer_is_noticed_while_the_loop_runs(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.socket, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(worker.socket, "PONG_WITHIN_S", 0.1)

    async def freeze(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await owner.is_told.wait()
        connection.transport.resume_reading()

    async with agent(freeze) as url, asyncio.timeout(5):
        socket = await owner.open(url)
        while not owner.closed:
            await asyncio.sleep(0.01)
            socket.check(asyncio.get_running_loop().time())

    assert owner.closed == ["no pong"]


async def test_a_ping_a_second_is_enough(owner: Owner) -> None:
    received = bytearray()

    async def count(connection: ServerConnection) -> None:
        receive = connection.protocol.receive_data

        def look(data: bytes | bytearray) -> None:
            received.extend(data)
            receive(data)

        connection.protocol.receive_data = look  # type: ignore[method-assign]
        await listen(connection)

    async with agent(count) as url:
        socket = await owner.open(url)
        await settle()
        start = asyncio.get_running_loop().time()
        for number in range(1, 5):
            socket.check(start + number / 2 + 0.1)
            await settle()
        await eventually(lambda: len(received) >= 12)
        # A ping of ours is six bytes.
        assert (len(received), received[0], received[6]) == (12, 0x89, 0x89)
        socket.close()


async def test_sound_for_a_slow_peer_is_dropped_and_counted(owner: Owner) -> None:
    async def freeze(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.3)
        connection.transport.resume_reading()

    async with agent(freeze) as url:
        socket = await owner.open(url)
        await asyncio.sleep(0.05)
        for _ in range(20_000):
            socket.send(b"\xff" * 1600)
        assert socket._transport is not None
        backlog = socket._transport.get_write_buffer_size()
        socket.close()

    assert backlog <= worker.socket.BACKLOG_BYTES + 2000
    # Of 32 MB: what the kernel's buffers and our own took is at most a third.
    assert socket.dropped_bytes > 20_000_000


async def test_words_for_a_slow_peer_are_not_dropped(owner: Owner) -> None:
    received: list[Any] = []

    async def wake_late(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.2)
        connection.transport.resume_reading()
        async for message in connection:
            received.append(message)
            if isinstance(message, str):
                await connection.send("got it")

    async with agent(wake_late) as url:
        socket = await owner.open(url)
        await asyncio.sleep(0.05)
        for _ in range(10_000):
            socket.send(b"\xff" * 1600)
        socket.send("FunctionCallResponse")
        await owner.until(lambda: owner.messages == ["got it"])
        socket.close()

    assert received[-1] == "FunctionCallResponse"
    assert socket.dropped_bytes == (10_000 - len(received) + 1) * 1600


async def test_a_slow_peer_that_has_closed_is_sent_nothing_more(owner: Owner) -> None:
    async def close(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.1)
        connection.transport.write(b"\x88\x02\x03\xe8")
        await asyncio.sleep(0.3)
        connection.transport.resume_reading()

    async with agent(close) as url:
        socket = await owner.open(url)
        await asyncio.sleep(0.05)
        for _ in range(20_000):
            socket.send(b"\xff" * 1600)
        await asyncio.sleep(0.1)
        # The close was read, but what lies in the buffer keeps the transport open.
        socket.send(b"\xff" * 160)
        socket.send("FunctionCallResponse")
        socket.check(asyncio.get_running_loop().time() + 1)
        socket.close()
