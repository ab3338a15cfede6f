"""All that a process reads of one lane, on two connections.

    quick   the notes for this process, and the streams of calls that have just come
    crowd   the streams of all other calls

With hundreds of calls a read of the crowd brings hundreds of frames, which take their time.
Neither a note nor a call that joins waits for them: a stream is read among few at first, and
once its call is no news any more, it joins the crowd.
"""

import asyncio
from collections.abc import Callable

from shared.bus.lane import Lane, Sink
from shared.bus.wire import Connect

# A call is new for so long: its greeting has been said by then.
NEW_S = 1.0


class Reader:
    """The reading side of one lane.

    Args:
        inbox: The stream of notes.
        read_inbox: Takes its entries, those without a payload, too: these only end a blocking read.
        wake: A stream of this process's own, for the crowd's.
        write: Writes an entry without a payload to one of the two.
        on_loss: Called when the crowd's connection broke.
        pause: Seconds that entries of the crowd gather between two reads, at most.
    """

    def __init__(
        self,
        connect: Connect,
        inbox: str,
        read_inbox: Sink,
        wake: str,
        write: Callable[[str], None],
        on_loss: Callable[[], None],
        pause: float,
    ) -> None:
        self._quick = Lane(connect, inbox, read_inbox, lambda: write(inbox), pause=None)
        self._crowd = Lane(connect, wake, lambda _: None, lambda: write(wake), on_loss, pause)
        self._new: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_up(self) -> bool:
        """Whether Redis answers on both."""
        return self._quick.is_up and self._crowd.is_up

    @property
    def streams(self) -> int:
        """How many streams of calls are read."""
        return self._quick.followed + self._crowd.followed

    def follow(self, key: str, sink: Sink, cursor: str = "0-0") -> None:
        """Hand every entry of the stream after the cursor to `sink`, see `Lane.follow`.

        Raises:
            RuntimeError: If the stream is followed: two readers are a bug.
        """
        if self.follows(key):
            raise RuntimeError(f"two readers of {key.split(':', 2)[1]}")
        self._quick.follow(key, sink, cursor)
        loop = asyncio.get_running_loop()
        self._new[key] = loop.call_later(NEW_S, self._join_crowd, key)

    def follows(self, key: str) -> bool:
        """Whether the stream's entries are handed over."""
        return self._quick.follows(key) or self._crowd.follows(key)

    def unfollow(self, key: str) -> None:
        """Read the stream no more. Unknown streams are ignored."""
        if joining := self._new.pop(key, None):
            joining.cancel()
        self._quick.unfollow(key)
        self._crowd.unfollow(key)

    def _join_crowd(self, key: str) -> None:
        del self._new[key]
        self._quick.hand_over(key, self._crowd)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._quick.run(), name="bus:quick")
            tasks.create_task(self._crowd.run(), name="bus:crowd")
