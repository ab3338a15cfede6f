"""One connection to Redis as a pair of pipes: pipelines go in, answers come out.

The client library connects, with all that belongs to that (TLS, passwords).
From then on its streams are used as they are, below its commands: a pipeline of a
hundred is one write and, mostly, one read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

# An answer that takes longer than this is a dead Redis. One that restarts is back before.
DEADLINE_S = 10.0

# Between attempts to connect: quick at first, since a restarted Redis is back within the second.
BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)

# Answers are read in pieces of this size: a second of a hundred calls' sound.
READ_BYTES = 1024 * 1024

# Errors that are not about the command: another connection loads the scripts, finds the
# master, or waits until Redis has read its file.
NOT_OURS = ("NOSCRIPT", "READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED")

Argument = str | bytes | int | float
Answer = Any
Connect = Callable[[], Connection]


def connector(url: str) -> Connect:
    """A maker of connections to the Redis at this URL.

    The client library's own retries are off: it would send a pipeline twice and not say so.

    Raises:
        ValueError: If the URL is none that the client knows.
    """
    pool = ConnectionPool.from_url(
        url,
        protocol=2,
        socket_timeout=None,  # deadlines are set a pipeline, not a read
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        health_check_interval=0,
    )
    return pool.make_connection


def encode(command: Iterable[Argument]) -> bytes:
    """One command in Redis' own protocol (RESP)."""
    parts = [p if isinstance(p, bytes) else str(p).encode() for p in command]
    return b"*%d\r\n" % len(parts) + b"".join(map(bulk, parts))


def bulk(part: bytes) -> bytes:
    """One part of a command, or any other string of bytes, as RESP has it."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


class Wire:
    """A connection that is read in bulk: the answers to a pipeline cost one read, not one each."""

    def __init__(self, connection: Connection) -> None:
        assert connection._reader is not None  # it has connected
        assert connection._writer is not None
        self._reader = connection._reader
        self._writer = connection._writer
        self._parser = hiredis.Reader(replyError=ResponseError)

    async def round_trip(self, commands: Sequence[bytes]) -> list[Answer]:
        """Send commands as one pipeline and read an answer for each; errors are answers, too.

        Raises:
            RedisError, OSError, TimeoutError: If the connection is of no use any more.
        """
        answers: list[Answer] = []
        if commands:
            async with asyncio.timeout(DEADLINE_S):
                self._writer.write(b"".join(commands))
                await self._writer.drain()
                while len(answers) < len(commands):
                    self._parse(await self._reader.read(READ_BYTES), answers)
        return answers

    def _parse(self, data: bytes, answers: list[Answer]) -> None:
        if not data:
            raise RedisConnectionError("closed")
        self._parser.feed(data)
        while (answer := self._parser.gets()) is not False:
            if isinstance(answer, ResponseError) and str(answer).startswith(NOT_OURS):
                raise RedisConnectionError(str(answer).partition(" ")[0])
            answers.append(answer)


@asynccontextmanager
async def connected(connect: Connect) -> AsyncIterator[Wire]:
    """A connection to Redis for as long as the block runs."""
    connection = connect()
    try:
        async with asyncio.timeout(DEADLINE_S):  # a host may accept, and then never greet
            await connection.connect()  # type: ignore[no-untyped-call]
        yield Wire(connection)
    finally:
        await connection.disconnect(nowait=True)
