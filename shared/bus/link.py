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
number what they append.

A Redis that comes back may lack what it had answered last: the newest second of
its file, or what a new master had not been told yet. So the entries answered
lately are sent again, too, before all else, on every new connection; a Redis that
has them loses nothing by it.

While Redis is away the queue is bounded. What is given up is the oldest sound,
which would be stale when Redis is back, and beyond a bound of its own the oldest
of the rest that nobody waits for.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from redis.exceptions import ResponseError

from shared.bus.errors import BusDown, Refused
from shared.bus.wire import DEADLINE_S, Answer, Argument, Connect, Wire, encode, keep_connected
from shared.logs import Seldom

log = logging.getLogger("bus")
_seldom = Seldom(log)

# Kept for a Redis that is away, of sound and of the rest each: two seconds of a hundred calls.
BACKLOG_BYTES = 2 * 1024 * 1024

# Sent again on a new connection. A file that is synced every second lacks up to two at a crash,
# a replica much less. In bytes: two seconds of a hundred and fifty calls.
REPLAY_S = 2.0
REPLAY_BYTES = 4 * 1024 * 1024


class _Command:
    """One command under way, and who wants its answer."""

    __slots__ = ("answer", "data")

    is_sound = False
    is_awaited = False
    is_entry = False
    repeats = False  # whether it may be sent again long after it was answered

    def __init__(self, data: bytes, answer: Callable[[Answer], None]) -> None:
        self.data = data
        self.answer = answer


class _Question(_Command):
    __slots__ = ()
    is_awaited = True


class _Repeated(_Command):
    __slots__ = ()
    repeats = True


class _Entry(_Repeated):
    """An entry with an id of ours: Redis tells whether it had it."""

    __slots__ = ()
    is_entry = True


class _Sound(_Entry):
    __slots__ = ()
    is_sound = True


def expect_success(answer: Answer) -> None:
    # "Equal or smaller than the top item": the entry had arrived before its connection broke.
    if isinstance(answer, ResponseError) and "equal or smaller" not in str(answer):
        _seldom.warning("redis refused a write", error=str(answer).partition(" ")[0])


def _settle(waiting: asyncio.Future[Answer], answer: Answer) -> None:
    if waiting.done():
        return
    if isinstance(answer, ResponseError):
        waiting.set_exception(Refused(str(answer).partition(" ")[0]))
    else:
        waiting.set_result(answer)


class Link:
    """A connection that is kept up, and the queue of commands before it.

    Args:
        greeting: What each new connection begins with.
        on_connect: Called when one has, to post what a new master may lack.
    """

    def __init__(
        self,
        connect: Connect,
        greeting: Iterable[tuple[Argument, ...]] = (),
        on_connect: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect = connect
        self._greeting = [encode(command) for command in greeting]
        self._on_connect = on_connect
        self._queue: deque[_Command] = deque()
        self._ready = asyncio.Event()
        self._queue_bytes = 0
        self._check_at = BACKLOG_BYTES  # when next to look whether something is to be given up
        self._answered: deque[tuple[float, bytes, list[bool]]] = deque()
        self._answered_bytes = 0
        self._is_overfull = False
        self.up_since: float | None = None
        """Loop time since when Redis has answered; None while it does not."""
        self.sound_dropped = 0
        """Pieces of sound given up while Redis was away."""
        self.posts_dropped = 0
        """Other writes given up while Redis was away."""
        self.restored = 0
        """Entries of streams that Redis had acknowledged and lost, and has again."""

    @property
    def is_up(self) -> bool:
        """Whether Redis answers."""
        return self.up_since is not None

    @property
    def queued(self) -> int:
        """Commands that wait for their answers."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether Redis has answered all that was written."""
        return not self._queue

    def post(
        self,
        *command: Argument,
        repeats: bool = False,
        answer: Callable[[Answer], None] = expect_success,
    ) -> None:
        """Send a command; `answer` is called with Redis' answer, which may be a ResponseError.

        Args:
            repeats: Whether it may be sent again later, for a Redis that has forgotten it.
        """
        self._put((_Repeated if repeats else _Command)(encode(command), answer))

    def post_packed(self, command: bytes, *, sound: bool) -> None:
        """Send a command that is encoded already and may be repeated; nobody needs its answer."""
        self._put((_Sound if sound else _Entry)(command, expect_success))

    async def ask(self, *command: Argument) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            Refused: If Redis answers with an error.
            BusDown: If no answer came within the deadline. The command may still take effect.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = _Question(encode(command), partial(_settle, answer))
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
                self._queue_bytes -= len(waiting.data)

    def _put(self, command: _Command) -> None:
        self._queue.append(command)
        self._queue_bytes += len(command.data)
        if self._queue_bytes > self._check_at:
            self._give_up()
        self._ready.set()

    def _give_up(self) -> None:
        """Drop the oldest sound, and the oldest of the rest, of which there is too much.

        A quarter more than is too much, so that this is seldom to be done.
        """
        self.sound_dropped += (sound := self._drop_oldest(sound=True))
        self.posts_dropped += (posts := self._drop_oldest(sound=False))
        self._check_at = max(BACKLOG_BYTES, self._queue_bytes + BACKLOG_BYTES // 4)
        if (sound or posts) and not self._is_overfull:
            self._is_overfull = True
            log.warning("backlog full, the oldest is dropped")

    def _drop_oldest(self, *, sound: bool) -> int:
        kind = [c for c in self._queue if not c.is_awaited and c.is_sound == sound]
        size = sum(len(command.data) for command in kind)
        if size <= BACKLOG_BYTES:
            return 0
        dropped = set()
        for command in kind:
            if size <= BACKLOG_BYTES * 3 // 4:
                break
            size -= len(command.data)
            self._queue_bytes -= len(command.data)
            dropped.add(command)
        self._queue = deque(command for command in self._queue if command not in dropped)
        return len(dropped)

    async def run(self) -> None:
        """Keep the connection up and the queue moving, until cancelled."""
        await keep_connected(self._connect, self._use, self._tell)

    async def _use(self, wire: Wire) -> None:
        try:
            await wire.round_trip(b"".join(self._greeting), len(self._greeting))
            await self._repeat(wire)
            self.up_since = asyncio.get_running_loop().time()
            self._is_overfull = False
            self._check_at = BACKLOG_BYTES
            self._on_connect()
            await self._pump(wire)
        finally:
            self.up_since = None

    async def _repeat(self, wire: Wire) -> None:
        """Send again what was answered lately."""
        are_entries = [each for _, _, kinds in self._answered for each in kinds]
        lately = b"".join([pipeline for _, pipeline, _ in self._answered])
        answers = await wire.round_trip(lately, len(are_entries))
        pairs = zip(are_entries, answers, strict=True)
        restored = sum(is_entry and isinstance(id_, bytes) for is_entry, id_ in pairs)
        if restored:
            self.restored += restored
            log.warning("redis had lost entries", extra={"restored": restored})

    def _tell(self, loss: Exception, failures: int) -> None:
        if failures == 0:
            log.warning("redis is away", extra={"error": type(loss).__name__})

    async def _pump(self, wire: Wire) -> None:
        while True:
            await self._ready.wait()
            # What is taken here stays at the head of the queue until it is answered:
            # a broken connection needs no repair, only another one.
            batch = list(self._queue)
            pipeline = b"".join([command.data for command in batch])
            answers = await wire.round_trip(pipeline, len(batch))
            self._remember(batch, pipeline)
            self._settle(batch, answers)

    def _remember(self, batch: list[_Command], pipeline: bytes) -> None:
        """Keep what was answered lately. While Redis is away it does not grow older."""
        lately = [command for command in batch if command.repeats]
        if len(lately) < len(batch):
            pipeline = b"".join([command.data for command in lately])
        now = asyncio.get_running_loop().time()
        answered = self._answered
        if lately:
            answered.append((now, pipeline, [command.is_entry for command in lately]))
            self._answered_bytes += len(pipeline)
        while answered and (answered[0][0] < now - REPLAY_S or self._answered_bytes > REPLAY_BYTES):
            self._answered_bytes -= len(answered.popleft()[1])

    def _settle(self, batch: list[_Command], answers: list[Answer]) -> None:
        for command in batch:
            if self._queue and self._queue[0] is command:
                self._queue.popleft()
                self._queue_bytes -= len(command.data)
        if not self._queue:
            self._ready.clear()
        for command, answer in zip(batch, answers, strict=True):
            command.answer(answer)
