"""One connection to Redis, on which batches form by themselves.

    post(), ask() --> waiting --> pipelines under way --> Redis
                                         ^                  |
                                         '-- next, when all answers are in

Whatever is written in one turn of the loop leaves as one pipeline. Sound that is
written while a round trip is under way leaves with the next: under load the batches
grow, a lone frame waits for nothing. With hundreds of calls it gathers a little longer,
since each pipeline wakes two processes. What somebody waits for (a question, a `clear`,
a note, the first entry of a stream) does not wait for that: it leaves at the end of its
turn, and takes along what was written before it, so that all stays in order.

When the connection breaks, the pipelines under way and all behind them are sent
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

from shared.bus.commands import Command, Entry, Hurried, Question, Repeated, expect_success
from shared.bus.errors import BusDown
from shared.bus.wire import DEADLINE_S, Answer, Argument, Connect, Wire, encode, keep_connected

log = logging.getLogger("bus")

# Kept for a Redis that is away, of sound and of the rest each: two seconds of a hundred calls.
BACKLOG_BYTES = 2 * 1024 * 1024

# Sent again on a new connection. A file that is synced every second lacks up to two at a crash,
# a replica much less. In bytes: two seconds of a hundred and fifty calls.
REPLAY_S = 2.0
REPLAY_BYTES = 4 * 1024 * 1024

# A shorter pause than this is none.
SHORTEST_S = 0.001

# Pipelines under way at once, at most: what is under way cannot be given up any more.
AHEAD = 4


class Link:
    """A connection that is kept up, and the queue of commands before it.

    Args:
        greeting: What each new connection begins with.
        on_connect: Called when one has, to post what a new master may lack.
        gather_s: For how long sound gathers after a round trip, at present.
    """

    def __init__(
        self,
        connect: Connect,
        greeting: Iterable[tuple[Argument, ...]] = (),
        on_connect: Callable[[], None] = lambda: None,
        gather_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._connect = connect
        self._greeting = [encode(command) for command in greeting]
        self._on_connect = on_connect
        self._gather_s = gather_s
        self._waiting: list[Command] = []
        self._waiting_bytes = 0
        self._under_way: deque[list[Command]] = deque()
        self._is_hurried = False  # whether something waits that must not wait for sound
        self._is_held = False  # whether sound waits for what is under way, or gathers
        self._ready = asyncio.Event()
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
        return len(self._waiting) + sum(map(len, self._under_way))

    @property
    def is_idle(self) -> bool:
        """Whether Redis has answered all that was written."""
        return not self._waiting and not self._under_way

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
        self._put((Repeated if repeats else Command)(encode(command), answer))

    def post_now(self, *command: Argument) -> None:
        """Send a command that another process waits for, and that may be sent again later."""
        self._put(Hurried(encode(command), expect_success))

    def post_entry(self, command: bytes, kind: type[Entry]) -> None:
        """Send an entry that is encoded already."""
        self._put(kind(command, expect_success))

    async def ask(self, *command: Argument) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            Refused: If Redis answers with an error.
            BusDown: If no answer came within the deadline. The command may still take effect.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        question = Question(encode(command), answer)
        self._put(question)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await answer
        except TimeoutError:
            raise BusDown("redis did not answer") from None
        finally:
            # Nobody waits any more: it must not take effect when Redis is back in an hour.
            if question in self._waiting:
                self._waiting.remove(question)
                self._waiting_bytes -= len(question.data)

    def _put(self, command: Command) -> None:
        self._waiting.append(command)
        self._waiting_bytes += len(command.data)
        if self._waiting_bytes > self._check_at:
            self._give_up()
        if command.hurries:
            self._is_hurried = True
        if not self._is_held or (self._is_hurried and len(self._under_way) < AHEAD):
            self._ready.set()

    def _give_up(self) -> None:
        """Drop the oldest sound, and the oldest of the rest, of which there is too much.

        A quarter more than is too much, so that this is seldom to be done.
        """
        self.sound_dropped += (sound := self._drop_oldest(sound=True))
        self.posts_dropped += (posts := self._drop_oldest(sound=False))
        self._check_at = max(BACKLOG_BYTES, self._waiting_bytes + BACKLOG_BYTES // 4)
        if (sound or posts) and not self._is_overfull:
            self._is_overfull = True
            log.warning("backlog full, the oldest is dropped")

    def _drop_oldest(self, *, sound: bool) -> int:
        kind = [c for c in self._waiting if not c.is_awaited and c.is_sound == sound]
        size = sum(len(command.data) for command in kind)
        if size <= BACKLOG_BYTES:
            return 0
        dropped = set()
        for command in kind:
            if size <= BACKLOG_BYTES * 3 // 4:
                break
            size -= len(command.data)
            self._waiting_bytes -= len(command.data)
            dropped.add(command)
        self._waiting = [command for command in self._waiting if command not in dropped]
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
            self._take_back()

    def _take_back(self) -> None:
        """What was not answered waits again, in its order, if it is wanted still."""
        lost = [command for batch in self._under_way for command in batch if command.is_wanted]
        self._under_way.clear()
        self._waiting[:0] = lost
        self._waiting_bytes += sum(len(command.data) for command in lost)
        self._release()

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
            self._ready.clear()
            wire.check()
            if self._waiting:
                self._send(wire)

    def _send(self, wire: Wire) -> None:
        batch, self._waiting = self._waiting, []
        self._under_way.append(batch)
        self._waiting_bytes = 0
        self._is_hurried, self._is_held = False, True
        pipeline = b"".join([command.data for command in batch])
        wire.send(pipeline, len(batch), partial(self._take, batch, pipeline))

    def _take(
        self, batch: list[Command], pipeline: bytes, answers: list[Answer] | Exception
    ) -> None:
        if isinstance(answers, Exception):
            self._ready.set()  # for the pump to see that the connection is lost
            return
        self._under_way.popleft()
        self._remember(batch, pipeline)
        for command, answer in zip(batch, answers, strict=True):
            command.answer(answer)
        if self._is_hurried:
            self._ready.set()
        if not self._under_way:
            self._gather()

    def _gather(self) -> None:
        if (pause := self._gather_s()) < SHORTEST_S:
            self._release()
        else:
            asyncio.get_running_loop().call_later(pause, self._release)

    def _release(self) -> None:
        """Sound may leave."""
        if not self._under_way:
            self._is_held = False
            if self._waiting:
                self._ready.set()

    def _remember(self, batch: list[Command], pipeline: bytes) -> None:
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
