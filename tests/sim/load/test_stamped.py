"""When something came, though it is read late, and how such a socket ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from time import perf_counter as clock

import pytest

from sim.load import stamped, websocket
from tests.shared.bus.help import until


class End(websocket.Peer):
    """Keeps what it reads, and when that had come."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[bytes, float | None]] = []
        self.transport: asyncio.Transport
        self.losses: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got.append((data, self.read_at))

    def connection_lost(self, exc: Exception | None) -> None:
        self.losses.append(exc)


class Peer(asyncio.Protocol):
    def __init__(self) -> None:
        self.got = b""
        self.is_over = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, Peer]]:
    end, peer = End(), Peer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: peer, "127.0.0.1", 0)
    await stamped.connect(end, "127.0.0.1", server.sockets[0].getsockname()[1])
    await until(lambda: hasattr(peer, "transport"))
    yield end, peer
    end.transport.close()
    peer.transport.abort()
    server.close()
    await asyncio.sleep(0)


async def test_what_is_read_late_came_when_it_came(ends: tuple[End, Peer]) -> None:
    end, peer = ends
    peer.transport.write(b"sound")
    came = clock()
    time.sleep(0.1)  # noqa: ASYNC251 -- the loop is busy
    await until(lambda: end.got)

    ((data, read_at),) = end.got
    assert data == b"sound"
    assert read_at == pytest.approx(came, abs=0.05)
    assert end.read_at is None


async def test_what_is_written_arrives(ends: tuple[End, Peer]) -> None:
    end, peer = ends
    end.transport.write(b"hello")
    await until(lambda: peer.got == b"hello")


async def test_each_end_sees_the_other_go(ends: tuple[End, Peer]) -> None:
    end, peer = ends
    peer.transport.close()
    await until(lambda: end.losses)
    end.transport.close()
    await asyncio.sleep(0)

    assert end.losses == [None]
    assert end.transport.is_closing()


async def test_closing_is_seen_by_the_peer(ends: tuple[End, Peer]) -> None:
    end, peer = ends
    end.transport.close()
    await until(lambda: peer.is_over)


async def test_a_peer_that_does_not_read_is_given_up(ends: tuple[End, Peer]) -> None:
    end, peer = ends
    peer.transport.pause_reading()
    end.transport.write(bytes(100_000_000))
    await until(lambda: end.losses)

    assert isinstance(end.losses[0], ConnectionError)


async def test_where_nobody_listens_nobody_connects() -> None:
    with pytest.raises(OSError, match=r"."):
        await stamped.connect(End(), "127.0.0.1", 1)
