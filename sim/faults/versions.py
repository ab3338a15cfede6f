"""A process of another version, without its source: what it writes is rewritten on its way.

    this version's process --commands--> Rewriter --> Redis
                           <--------- answers -------

The next version has kinds that this one does not know, and fields behind those that it knows. The
previous one did not send the newest fields yet: where they hold their defaults, they are left out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import MISSING, fields
from typing import Any

import msgpack

from shared import keys
from shared.calls import DISPATCHES
from shared.messages import DOWN, NOTES, UP
from shared.record import ENTRIES
from shared.vocabulary import Vocabulary

UNKNOWN = 99
"""A kind that no version has yet."""

EXTRA = ("of another version", {"since": 2})
"""Fields that no version has yet."""

UNHEARD_OF: Mapping[bytes, int] = {b":down:": 9, b":log:": 9}
"""Kinds that the next version has others for: `Sentence`, `Latency`. No call hangs on them."""

CHUNK = 2**16

_VOCABULARIES: Mapping[bytes, Vocabulary[Any]] = {
    b":up:": UP,
    b":down:": DOWN,
    b":log:": ENTRIES,
    b":inbox:": NOTES,
    keys.DISPATCH.encode(): DISPATCHES,
}

Rewrite = Callable[[bytes, list[Any]], list[Any]]
"""(part of the key that says what stream it is, message) -> message."""


def next_version(where: bytes, message: list[Any]) -> list[Any]:
    """A message as the next version would write it."""
    if message[0] == UNHEARD_OF.get(where):
        return [UNKNOWN, *EXTRA]
    return [*message, *EXTRA]


def previous_version(where: bytes, message: list[Any]) -> list[Any]:
    """A message as the previous version would write it."""
    read: Any = _VOCABULARIES[where].unpack(msgpack.packb(message))
    defaults = [_default(field) for field in fields(read)]
    length = len(message)
    while length > 1 and defaults[length - 2] == message[length - 1]:
        length -= 1
    return message[:length]


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


class Rewriter:
    """The commands of one connection, in pieces as they come; no socket, no clock."""

    def __init__(self, rewrite: Rewrite, counts: Counter[str]) -> None:
        self._rewrite = rewrite
        self._counts = counts
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The commands that are complete by now, rewritten."""
        self._rest += data
        out = []
        while (found := _command(self._rest)) is not None:
            arguments, used = found
            self._rest = self._rest[used:]
            out.append(_render(self._rewritten(arguments)))
        return b"".join(out)

    def _rewritten(self, arguments: list[bytes]) -> list[bytes]:
        where = _where(arguments)
        return [self._message(where, each) for each in arguments] if where else arguments

    def _message(self, where: bytes, argument: bytes) -> bytes:
        # All else among the arguments is text, and no text begins like an array.
        if not argument or argument[0] & 0xF0 != 0x90:
            return argument
        message = msgpack.unpackb(argument)
        rewritten = self._rewrite(where, message)
        if rewritten == message:
            return argument
        self._counts["unknown" if rewritten[0] == UNKNOWN else "changed"] += 1
        packed: bytes = msgpack.packb(rewritten)
        return packed


def _where(arguments: Sequence[bytes]) -> bytes | None:
    """Which kind of stream a command writes to."""
    if arguments[0].upper() not in (b"XADD", b"EVALSHA"):
        return None
    names = [part for each in arguments[1:4] for part in _VOCABULARIES if part in each]
    return names[0] if names else None


def _command(data: bytes) -> tuple[list[bytes], int] | None:
    """The first command in some bytes, and how many of them it is; None if it is not all there."""
    end = data.find(b"\r\n")
    if end < 0:
        return None
    assert data[:1] == b"*", "clients send arrays"
    count, at = int(data[1:end]), end + 2
    arguments = []
    for _ in range(count):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size, at = int(data[at + 1 : end]), end + 2
        if len(data) < at + size + 2:
            return None
        arguments.append(data[at : at + size])
        at += size + 2
    return arguments, at


def _render(arguments: Sequence[bytes]) -> bytes:
    parts = [b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments]
    return b"*%d\r\n%b" % (len(arguments), b"".join(parts))


@asynccontextmanager
async def rewriting(port: int, rewrite: Rewrite) -> AsyncIterator[tuple[str, Counter[str]]]:
    """A way to the Redis at this port. Gives its URL, and what has been rewritten so far."""
    counts: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task, "a connection is served by a task"
        tasks.add(task)
        rewriter = Rewriter(rewrite, counts)
        with suppress(OSError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.wait(
                {
                    asyncio.create_task(_pipe(reader, up_writer, rewriter.feed)),
                    asyncio.create_task(_pipe(up_reader, writer, bytes)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
            up_writer.close()
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", counts
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pipe(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
) -> None:
    # A transport that the other side has closed says so with a RuntimeError.
    with suppress(OSError, RuntimeError):
        while data := await reader.read(CHUNK):
            writer.write(change(data))
            await writer.drain()
        writer.close()
