"""One blocking read for every stream of a lane, whatever the number of calls.

A read takes what has piled up on all streams and hands each stream's entries,
in order, to whoever follows it. Sound is read by plain cursor: a 20 ms frame is
never acknowledged and never delivered twice.

While a read blocks, the set of streams is fixed at Redis. Who joins therefore has an
entry written to a stream of this process's own, which is always among those read: that
ends the blocking read at once (CLIENT UNBLOCK would too, but loses its race with the
next read under load).

Ids of a call's streams are ours, so a cursor holds whoever is master. Those of the
process's own are the server's: a new master may number new entries below what was read
from the old one. So on a new connection that stream is read from its beginning, and
whoever takes its entries knows which of them are new.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from shared.bus.wire import Answer, Connect, Wire, bulk, keep_connected, settle
from shared.rota import Rota

# How long Redis may hold a read open when nothing comes. Short, so that a connection
# that died silently is noticed.
BLOCK_MS = 500

# Entries of one stream taken at once: five seconds of sound. A reader that lags behind
# catches up in pieces, and the other streams of the lane get their turn between them.
COUNT = 256

_XREAD = ("XREAD", "COUNT", COUNT, "BLOCK", BLOCK_MS, "STREAMS")
XREAD = b"".join(bulk(str(part).encode()) for part in _XREAD)
XREAD_PARTS = len(_XREAD)

# What comes of no more streams is handed over as it comes.
FEW = 16

# With so many streams a pause is as long as it may be; with half of them, a quarter of it.
PAUSE_STREAMS = 200

Entries = Sequence[tuple[bytes, Sequence[bytes]]]
"""As Redis has them: (id, (name, payload))."""

Sink = Callable[[Entries], None]


def pause_s(streams: int, longest: float) -> float:
    """How long to let entries gather before the next read or pipeline.

    Each wakes two processes, and what comes together goes on together, so under load fewer and
    fuller ones cost a fraction; a few calls are read and written as they come.
    """
    return longest * min(1.0, (streams / PAUSE_STREAMS) ** 2)


class _Stream:
    """Key and cursor as they go into the command: hundreds are in each read."""

    __slots__ = ("cursor", "key", "sink")

    def __init__(self, key: bytes, cursor: bytes, sink: Sink) -> None:
        self.key = bulk(key)
        self.cursor = bulk(cursor)
        self.sink = sink


class Lane:
    """The reading side of one lane: who follows which stream, and from where.

    Args:
        own: A stream of this process's own, read whoever joins.
        read_own: Takes its entries: after a reconnect those that are still there once more.
        wake: Writes an entry to it.
        on_loss: Called when a connection broke. One that writes may not notice by itself.
        pause: Seconds that entries gather between two reads, at most, see `pause_s`; at least the
            rest of a turn of the loop. None for a lane where nothing waits.
    """

    def __init__(
        self,
        connect: Connect,
        own: str,
        read_own: Sink,
        wake: Callable[[], None],
        on_loss: Callable[[], None] = lambda: None,
        pause: float | None = 0.0,
    ) -> None:
        self._connect = connect
        self._pause = pause
        self._wake = wake
        self._on_loss = on_loss
        self._own = _Stream(own.encode(), b"0-0", read_own)
        self._streams: dict[bytes, _Stream] = {own.encode(): self._own}
        self._is_reading = False
        self._rota = Rota()
        self.is_up = False

    @property
    def followed(self) -> int:
        """How many streams are followed."""
        return len(self._streams) - 1

    def follow(self, key: str, sink: Sink, cursor: str = "0-0") -> None:
        """Hand every entry of the stream after the cursor to `sink`, which must not block.

        A sink that raises ends the read loop: it is a bug.
        """
        self._add(key, _Stream(key.encode(), cursor.encode(), sink))

    def follows(self, key: str) -> bool:
        """Whether the stream's entries are handed over."""
        return key.encode() in self._streams

    def hand_over(self, key: str, to: "Lane") -> None:
        """From now on another lane reads this stream, from where this one is."""
        to._add(key, self._streams.pop(key.encode()))

    def _add(self, key: str, stream: _Stream) -> None:
        self._streams[key.encode()] = stream
        if self._is_reading:
            self._wake()

    def unfollow(self, key: str) -> None:
        """Read the stream no more. Unknown streams are ignored."""
        self._streams.pop(key.encode(), None)

    async def run(self) -> None:
        """Read until cancelled, over as many connections as that takes."""
        await keep_connected(self._connect, self._use, self._tell)

    async def _use(self, wire: Wire) -> None:
        self._own.cursor = bulk(b"0-0")
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self.is_up = True
            self._read(wire, lost)
            await lost
        finally:
            self.is_up = self._is_reading = False

    def _tell(self, loss: Exception, failures: int) -> None:
        if failures == 0:
            self._on_loss()

    def _read(self, wire: Wire, lost: asyncio.Future[None]) -> None:
        if lost.done():
            return
        asked = dict(self._streams)
        streams = asked.values()
        head = b"*%d\r\n%b" % (XREAD_PARTS + 2 * len(streams), XREAD)
        command = b"".join((head, *(s.key for s in streams), *(s.cursor for s in streams)))
        self._is_reading = True
        try:
            wire.send(command, 1, partial(self._take, wire, lost, asked))
        except Exception as exc:  # noqa: BLE001 (whoever waits for the loss sees to it)
            settle(lost, exc)

    def _take(
        self,
        wire: Wire,
        lost: asyncio.Future[None],
        asked: dict[bytes, _Stream],
        answers: list[Answer] | Exception,
    ) -> None:
        """The answer is in: what it has of a few streams is handed over now, of many in turns."""
        self._is_reading = False
        answer = answers if isinstance(answers, Exception) else answers[0]
        if isinstance(answer, Exception):
            settle(lost, answer)
            return
        work = [partial(self._hand, lost, key, asked[key], got) for key, got in answer or ()]
        work.append(partial(self._go_on, wire, lost, len(asked) if work else 0))
        for piece in work:
            if len(work) <= FEW:
                piece()
            else:
                self._rota.put(piece)

    def _go_on(self, wire: Wire, lost: asyncio.Future[None], streams: int) -> None:
        """All is handed over: read again, now or when more has gathered."""
        if self._pause is None or not streams:
            self._read(wire, lost)
        else:
            pause = pause_s(streams, self._pause)
            asyncio.get_running_loop().call_later(pause, self._read, wire, lost)

    def _hand(
        self, lost: asyncio.Future[None], key: bytes, stream: _Stream, entries: Entries
    ) -> None:
        if lost.done() or self._streams.get(key) is not stream:
            return  # it left while the read was under way
        try:
            stream.cursor = bulk(entries[-1][0])
            stream.sink(entries)
        except Exception as exc:  # noqa: BLE001 (the loop that reads ends by it)
            settle(lost, exc)
