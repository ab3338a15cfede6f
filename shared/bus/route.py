"""Who is master now, and a connection to it.

One server is where its URL says. With Sentinels the master is whom they name, in a
cluster whoever holds the slot of a hash tag. Both change at a failover, so that is
asked anew for each connection. And a host that vanishes leaves its connections open:
when an answer is late, it is asked whether somebody else is master meanwhile.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from redis.crc import key_slot
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.bus.address import Address, Kind, Place, parse
from shared.bus.wire import DEADLINE_S, Answer, Argument, Connect, Wire, connected, maker

log = logging.getLogger("bus")

# Who is asked for the master has this long to answer, before the next one is asked.
ASK_WITHIN_S = 1.0

# A read blocks for half a second, and a pipeline takes milliseconds: an answer that is later
# than this may never come.
SUSPECT_AFTER_S = 1.0
LOOK_EVERY_S = 0.5

UNREACHABLE = (RedisError, OSError, TimeoutError)


class Route(ABC):
    """The way to Redis. Made by `open_route`."""

    is_split = False
    """Whether hash tags lie on different servers."""

    fails_over = False
    """Whether another server may become master."""

    def to(self, tag: str) -> Connect:
        """Opens connections to whoever is master for this hash tag."""
        return partial(self._connected, tag)

    @abstractmethod
    def _connected(self, tag: str) -> AbstractAsyncContextManager[Wire]: ...

    @abstractmethod
    async def watch(self) -> None:
        """Break connections to who is not master any more, until cancelled."""

    @abstractmethod
    async def silence_ms(self) -> tuple[str, int]:
        """After how much silence a master is replaced, and the name of the setting."""


class _Server(Route):
    """One server, always the same."""

    def __init__(self, address: Address) -> None:
        self._url = address.url

    def _connected(self, tag: str) -> AbstractAsyncContextManager[Wire]:
        return connected(self._url)

    async def watch(self) -> None:
        return  # nobody else can be

    async def silence_ms(self) -> tuple[str, int]:
        raise RedisConnectionError("a single server is not replaced")


class _Guided(Route):
    """A master that others name: Sentinels, or the nodes of a cluster."""

    fails_over = True

    def __init__(self, address: Address) -> None:
        self._address = address
        self._guides = deque(address.places)
        self._as_user = True
        self._wires: dict[Wire, tuple[str, Place]] = {}

    @abstractmethod
    async def _find(self, tag: str) -> Place:
        """Where the master for a hash tag is. Raises: RedisError, if nobody can tell."""

    @asynccontextmanager
    async def _connected(self, tag: str) -> AsyncIterator[Wire]:
        async with asyncio.timeout(DEADLINE_S):
            place = await self._find(tag)
        async with connected(self._address.url_of(place)) as wire:
            self._wires[wire] = (tag, place)
            try:
                yield wire
            finally:
                del self._wires[wire]

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for tag in {tag for wire, (tag, _) in self._wires.items() if self._is_suspect(wire)}:
                await self._recheck(tag)

    def _is_suspect(self, wire: Wire) -> bool:
        """Whether it may lead to who is not master any more."""
        late = asyncio.get_running_loop().time() - SUSPECT_AFTER_S
        return wire.asked_at is not None and wire.asked_at < late

    async def _recheck(self, tag: str) -> None:
        try:
            now = await self._find(tag)
        except UNREACHABLE:
            return  # there is nowhere to go
        for wire, led in self._wires.items():
            if led[0] == tag and led[1] != now:
                log.warning("another redis is master now")
                wire.abort()

    async def _ask_around(self, *command: Argument) -> Answer:
        """Ask one after the other, in turns: one that was cut off tells what was."""
        for _ in range(len(self._guides)):
            place = self._guides[0]
            self._guides.rotate(-1)
            try:
                async with asyncio.timeout(ASK_WITHIN_S):
                    return await self._ask(place, *command)
            except UNREACHABLE:
                continue
        raise RedisConnectionError("nobody tells who is master")

    async def _ask(self, place: Place, *command: Argument) -> Answer:
        url = self._address.url_to_ask(place, as_user=self._as_user)
        try:
            async with connected(url) as wire:
                return await wire.ask(*command)
        except (AuthenticationError, ResponseError) as refusal:
            # Sentinels have users of their own, and mostly none: next time the other way.
            if isinstance(refusal, AuthenticationError) or str(refusal).startswith("NOAUTH"):
                self._as_user = not self._as_user
            raise


class _Sentinels(_Guided):
    def to(self, tag: str) -> Connect:
        return super().to("")  # one master for all

    def _is_suspect(self, wire: Wire) -> bool:
        """Always: a former master that lives is told so only seconds after there is another."""
        return True

    async def _told(self) -> dict[bytes, bytes]:
        flat = await self._ask_around("SENTINEL", "MASTER", self._address.master)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def silence_ms(self) -> tuple[str, int]:
        name = "down-after-milliseconds"
        return name, int((await self._told())[name.encode()])

    async def _find(self, tag: str) -> Place:
        told = await self._told()
        if b"_down" in told[b"flags"]:
            raise RedisConnectionError("the master is down")
        return told[b"ip"].decode(), int(told[b"port"])


class _Cluster(_Guided):
    is_split = True

    async def silence_ms(self) -> tuple[str, int]:
        name = "cluster-node-timeout"
        return name, int((await self._ask_around("CONFIG", "GET", name))[1])

    async def _find(self, tag: str) -> Place:
        slot = key_slot(f"{{{tag}}}".encode())
        ranges = await self._ask_around("CLUSTER", "SLOTS")
        for node in {_place(node) for _, _, *nodes in ranges for node in nodes}:
            if node not in self._guides:
                self._guides.append(node)
        for first, last, master, *_ in ranges:
            if first <= slot <= last:
                return _place(master)
        raise RedisConnectionError("nobody has the slot")


def _place(node: Answer) -> Place:
    """Where a cluster node says that it is. Raises: RedisError, if it does not know."""
    if not node[0]:
        raise RedisConnectionError("a cluster node does not know its own address")
    return node[0].decode(), int(node[1])


_ROUTES: dict[Kind, type[_Server | _Guided]] = {
    Kind.SERVER: _Server,
    Kind.SENTINEL: _Sentinels,
    Kind.CLUSTER: _Cluster,
}


def open_route(url: str) -> Route:
    """The way to the Redis at this URL.

    Raises:
        ValueError: If the URL is none that names a Redis.
    """
    address = parse(url)
    maker(address.url if address.kind is Kind.SERVER else address.url_of(address.places[0]))
    return _ROUTES[address.kind](address)
