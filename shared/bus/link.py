"""One connection to Redis, on which batches form by themselves.

    post(), ask() --> queue --> one pipeline --> Redis
                                    ^              |
                                    '-- next one --' when all answers are in

Whatever is written in one turn of the loop leaves as one pipeline, and what is
written while a round trip is under way leaves with the next: under load the
batches grow, a lone frame waits for nothing.

When the connection breaks, the pipeline under way and all behind it are sent
again on the next one. So every command must be safe to send twice: entries
carry ids of ours (Redis answers "equal or smaller" to the second), scripts
number what they append. While Redis is away the queue is bounded, and sound is
what is given up, oldest first: it would be stale when Redis is back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from redis.exceptions import RedisError, ResponseError

from shared.bus.errors import BusDown, Refused
from shared.bus.wire import (
    BACKOFF_S,
    DEADLINE_S,
    Answer,
    Argument,
    Connect,
    Wire,
    connected,
    encode,
)

log = logging.getLogger("bus")

# Sound kept for a Redis that is away: two seconds of a hundred calls. Older sound is dropped.
BACKLOG_BYTES = 2 * 1024 * 1024


class _Command:
    """One command under way, and who waits for its answer."""

    __slots__ = ("answer", "data", "sound")

    def __init__(self, data: bytes, sound: bool, answer: Callable[[Answer], None]) -> None:
        self.data = data
        self.sound = sound
        self.answer = answer


def expect_success(answer: Answer) -> None:
    # "Equal or smaller than the top item": the entry had arrived before its connection broke.
    if isinstance(answer, ResponseError) and "equal or smaller" not in str(answer):
        log.warning("redis refused a write", extra={"error": str(answer).partition(" ")[0]})


def _settle(waiting: asyncio.Future[Answer], answer: Answer) -> None:
    if waiting.done():
        return
    if isinstance(answer, ResponseError):
        waiting.set_exception(Refused(str(answer).partition(" ")[0]))
    else:
        waiting.set_result(answer)


class Link:
    """A connection that is kept up, and the queue of commands before it."""

    def __init__(self, connect: Connect, greeting: Iterable[tuple[Argument, ...]] = ()) -> None:
        self._connect = connect
        self._greeting = [encode(command) for command in greeting]
        self._queue: deque[_Command] = deque()
        self._ready = asyncio.Event()
        self._sound_bytes = 0
        self.up_since: float | None = None
        """Loop time since when Redis has answered; None while it does not."""
        self.sound_dropped = 0
        """Pieces of sound given up while Redis was away."""

    @property
    def is_up(self) -> bool:
        """Whether Redis answers."""
        return self.up_since is not None

    def post(
        self,
        *command: Argument,
        sound: bool = False,
        answer: Callable[[Answer], None] = expect_success,
    ) -> None:
        """Send a command; `answer` is called with Redis' answer, which may be a ResponseError."""
        self._put(_Command(encode(command), sound, answer))

    def post_packed(self, command: bytes, *, sound: bool) -> None:
        """Send a command that is encoded already; nobody needs its answer."""
        self._put(_Command(command, sound, expect_success))

    async def ask(self, *command: Argument) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            Refused: If Redis answers with an error.
            BusDown: If no answer came within the deadline. The command may still take effect.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = _Command(encode(command), False, partial(_settle, answer))
        self._put(waiting)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await answer
        except TimeoutError:
            raise BusDown("redis did not answer") from None
        finally:
            # Nobody waits any more: it must not take effect when Redis is back in an hour.
            if waiting in self._queue:
                self._queue.remove(waiting)

    def _put(self, command: _Command) -> None:
        self._queue.append(command)
        if command.sound:
            self._sound_bytes += len(command.data)
            if self._sound_bytes > BACKLOG_BYTES:
                self._drop_oldest_sound()
        self._ready.set()

    def _drop_oldest_sound(self) -> None:
        oldest = next(command for command in self._queue if command.sound)
        self._queue.remove(oldest)
        self._sound_bytes -= len(oldest.data)
        self.sound_dropped += 1

    async def run(self) -> None:
        """Keep the connection up and the queue moving, until cancelled."""
        failures = 0
        while True:
            try:
                async with connected(self._connect) as wire:
                    await wire.round_trip(self._greeting)
                    self.up_since = asyncio.get_running_loop().time()
                    failures = 0
                    await self._pump(wire)
            except (RedisError, OSError, TimeoutError) as exc:
                if failures == 0:
                    log.warning("redis is away", extra={"error": type(exc).__name__})
            finally:
                self.up_since = None
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    async def _pump(self, wire: Wire) -> None:
        while True:
            await self._ready.wait()
            # What is taken here stays at the head of the queue until it is answered:
            # a broken connection needs no repair, only another one.
            batch = list(self._queue)
            answers = await wire.round_trip([command.data for command in batch])
            self._settle(batch, answers)

    def _settle(self, batch: list[_Command], answers: list[Answer]) -> None:
        for command in batch:
            if self._queue and self._queue[0] is command:
                self._queue.popleft()
                if command.sound:
                    self._sound_bytes -= len(command.data)
        if not self._queue:
            self._ready.clear()
        for command, answer in zip(batch, answers, strict=True):
            command.answer(answer)
