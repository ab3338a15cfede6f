"""One connection to Redis as a pair of pipes: pipelines go in, answers come out.

The client library connects, with all that belongs to that (TLS, passwords).
From then on its transport is used as it is, below its commands: a pipeline of a
hundred is one write and, mostly, one read.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import hiredis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

# An answer that takes longer than this is a dead Redis. One that restarts is back before.
DEADLINE_S = 10.0

# Between attempts to connect: quick at first, since a restarted Redis is back within the second.
BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)

# Errors that are not about the command. A new connection loads the scripts and makes the group,
# finds who is master now, or waits until there is one and it has read its file.
NOT_OURS = (
    "NOSCRIPT",
    "NOGROUP",
    "READONLY",
    "MASTERDOWN",
    "NOREPLICAS",
    "LOADING",
    "UNBLOCKED",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "TRYAGAIN",
)

Argument = str | bytes | int | float
Answer = Any


def encode(command: Iterable[Argument]) -> bytes:
    """One command in Redis' own protocol (RESP)."""
    parts = [p if isinstance(p, bytes) else str(p).encode() for p in command]
    return b"*%d\r\n" % len(parts) + b"".join(map(bulk, parts))


def bulk(part: bytes) -> bytes:
    """One part of a command, or any other string of bytes, as RESP has it."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def code_of(error: ResponseError) -> str:
    """What kind of error it is. The rest of it may quote what was written."""
    return str(error).partition(" ")[0]


Take = Callable[[list[Answer] | Exception], None]
"""Takes the answers to a pipeline, errors among them, or why there will be none."""


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """What is under way."""

    count: int
    take: Take
    asked_at: float
    deadline: asyncio.TimerHandle


class Wire(asyncio.Protocol):
    """A connection that is read in bulk: the answers to a pipeline cost one read, not one each."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader(protocolError=RedisConnectionError, replyError=ResponseError)
        self._answers: list[Answer] = []
        self._under_way: deque[_Pipeline] = deque()
        self._loss: Exception | None = None
        self.is_proven = False
        """Whether a whole pipeline has been answered."""

    @property
    def asked_at(self) -> float | None:
        """Loop time since when an answer is awaited; None while there is none to come."""
        return self._under_way[0].asked_at if self._under_way else None

    def check(self) -> None:
        """Do nothing while it works.

        Raises:
            RedisError, OSError, TimeoutError: If the connection is of no use any more.
        """
        if self._loss:
            raise self._loss

    def send(self, pipeline: bytes, count: int, take: Take) -> None:
        """Send so many commands, one or more; those before need not be answered yet.

        Args:
            take: Called once, as soon as the last answer is in or the connection is lost.

        Raises:
            RedisError, OSError, TimeoutError: If the connection is of no use any more.
        """
        self.check()
        deadline = self._loop.call_later(DEADLINE_S, self._fail, TimeoutError("redis is silent"))
        self._under_way.append(_Pipeline(count, take, self._loop.time(), deadline))
        self._transport.write(pipeline)

    async def round_trip(self, pipeline: bytes, count: int) -> list[Answer]:
        """Send so many commands and wait for an answer to each; errors are answers, too.

        Raises:
            RedisError, OSError, TimeoutError: If the connection is of no use any more.
        """
        if not count:
            return []
        answers: asyncio.Future[list[Answer]] = self._loop.create_future()
        self.send(pipeline, count, partial(settle, answers))
        return await answers

    async def ask(self, *command: Argument) -> Answer:
        """Send one command. Raises: RedisError, OSError, TimeoutError."""
        (answer,) = await self.round_trip(encode(command), 1)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def abort(self) -> None:
        """Break the connection, whatever is under way."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        answers = self._answers
        try:
            while (answer := self._parser.gets()) is not False:
                if isinstance(answer, ResponseError) and str(answer).startswith(NOT_OURS):
                    raise RedisConnectionError(code_of(answer))
                answers.append(answer)
        except RedisError as exc:
            self._fail(exc)
        while self._under_way and len(self._answers) >= self._under_way[0].count:
            self._finish(self._under_way.popleft())

    def _finish(self, pipeline: _Pipeline) -> None:
        pipeline.deadline.cancel()
        self.is_proven = True
        count = pipeline.count
        answers, self._answers = self._answers[:count], self._answers[count:]
        pipeline.take(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or RedisConnectionError("closed"))

    def _fail(self, exc: Exception) -> None:
        """The connection is of no use any more; the first reason counts."""
        self._loss = self._loss or exc
        while self._under_way:
            pipeline = self._under_way.popleft()
            pipeline.deadline.cancel()
            pipeline.take(self._loss)


def settle(waiting: asyncio.Future[Any], outcome: Any) -> None:
    """Give whoever waits what came, or raise it to him if it is an exception; if he waits still."""
    if waiting.done():
        return
    if isinstance(outcome, Exception):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


Connect = Callable[[], AbstractAsyncContextManager[Wire]]
"""Opens a connection for as long as a block runs."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Wire]:
    """A connection to the server at this URL for as long as the block runs.

    Raises:
        RedisError, OSError, TimeoutError: If there is none.
    """
    connection = maker(url)()
    try:
        async with asyncio.timeout(DEADLINE_S):  # a host may accept, and then never greet
            await connection.connect()  # type: ignore[no-untyped-call]
        assert connection._writer is not None  # it has connected
        wire = Wire(cast(asyncio.Transport, connection._writer.transport))
        connection._writer.transport.set_protocol(wire)
        yield wire
    finally:
        await connection.disconnect(nowait=True)


def maker(url: str) -> Callable[[], Connection]:
    """A maker of connections to the server at this URL.

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


async def keep_connected(
    connect: Connect,
    use: Callable[[Wire], Awaitable[None]],
    on_loss: Callable[[Exception, int], None],
) -> None:
    """Use one connection after the other, until cancelled.

    Args:
        on_loss: Called when one broke or could not be had, with how many did so in a row before.
    """
    failures = 0
    while True:
        wire = None
        try:
            async with connect() as wire:
                await use(wire)
        except (RedisError, OSError, TimeoutError) as exc:
            if wire and wire.is_proven:
                failures = 0
            on_loss(exc, failures)
        await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
        failures += 1
