"""All that a process writes with: one Link, or on a cluster one a hash tag.

What is written on one link stays in order. The slots of different hash tags may lie
on different servers, so between two tags only an answer makes an order.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from shared import keys
from shared.bus.commands import expect_success
from shared.bus.errors import BusDown
from shared.bus.link import Link
from shared.bus.route import Route
from shared.bus.scripts import ALL
from shared.bus.wire import Answer, Argument

FLUSH_WITHIN_S = 1.0


class Links:
    """The writing connections of one process. A command finds its own by the keys in it."""

    def __init__(
        self,
        route: Route,
        lanes: int,
        on_connect: Callable[[], None],
        gather_s: Callable[[], float],
    ) -> None:
        tags = [keys.CALLS, *map(str, range(lanes))]
        if route.is_split:
            self._links = {
                tag: Link(route.to(tag), _greeting(tag), on_connect, gather_s) for tag in tags
            }
        else:
            link = Link(route.to(keys.CALLS), _greeting(keys.CALLS), on_connect, gather_s)
            self._links = dict.fromkeys(tags, link)

    @property
    def all(self) -> list[Link]:
        """Each connection, once."""
        return list(dict.fromkeys(self._links.values()))

    @property
    def up_since(self) -> float | None:
        """Loop time since when Redis has answered on all of them; None while it does not."""
        since = [link.up_since for link in self.all]
        return None if None in since else max(at for at in since if at is not None)

    def of(self, name: str) -> Link:
        """The connection for this key."""
        return self._links[keys.tag_of(name)]

    def post(
        self,
        *command: Argument,
        repeats: bool = False,
        answer: Callable[[Answer], None] = expect_success,
    ) -> None:
        """Send a command, see `Link.post`."""
        self._for(command).post(*command, repeats=repeats, answer=answer)

    async def ask(self, *command: Argument) -> Answer:
        """Send a command and wait for its answer. Raises: BusDown, Refused."""
        return await self._for(command).ask(*command)

    def _for(self, command: Sequence[Argument]) -> Link:
        """One without a key goes where the calls are dispatched."""
        names = (part for part in command if isinstance(part, str) and part.startswith("{"))
        return self.of(next(names, keys.DISPATCH))

    async def run(self) -> None:
        """Keep the connections up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number, link in enumerate(self.all):
                tasks.create_task(link.run(), name=f"bus:link:{number}")

    async def flush(self) -> None:
        """Wait until Redis has all that was written, and what its answers caused, if it answers."""
        with suppress(BusDown, TimeoutError):
            async with asyncio.timeout(FLUSH_WITHIN_S):
                while busy := [link for link in self.all if not link.is_idle]:
                    await asyncio.gather(*(link.ask("PING") for link in busy))


def _greeting(tag: str) -> list[tuple[Argument, ...]]:
    """The scripts; and a write that only a master takes, which changes nothing."""
    greeting: list[tuple[Argument, ...]] = [("SCRIPT", "LOAD", script.lua) for script in ALL]
    if tag == keys.CALLS:
        greeting.append(("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0", "MKSTREAM"))
    else:
        greeting.append(("UNLINK", keys.inbox(int(tag), "")))
    return greeting
