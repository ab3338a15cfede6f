"""What a loop has to do for hundreds of calls, a few at a time.

A loop asks which sockets have something to read, and sees to all of them before it asks
again. With hundreds of calls that can be hundreds of frames, behind which a note, a `clear` or a
call that joins would wait. So a frame is only taken from its socket then, and dealt with
in its turn: some are for half a millisecond, then the loop asks again, then the next are.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter as clock
from weakref import WeakKeyDictionary

# After so much work the loop asks again, whatever is left.
TURN_S = 0.0005


class Rota:
    """Pieces of work, done in order, some in each turn of the loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_due = False

    def put(self, work: Callable[[], None]) -> None:
        """Do this when its turn has come. What it raises is for the loop's exception handler."""
        self._waiting.append(work)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        self._is_due = False
        until = clock() + TURN_S
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
                if clock() > until:
                    break
        finally:
            self._go_on()


_of_sockets: WeakKeyDictionary[asyncio.AbstractEventLoop, Rota] = WeakKeyDictionary()


class Intake:
    """What one socket has received, handed to `take` when it is the socket's turn."""

    def __init__(self, take: Callable[[list[bytes]], None]) -> None:
        self._take = take
        self._pieces: list[bytes] = []
        self._rota = _of_sockets.setdefault(asyncio.get_running_loop(), Rota())

    def add(self, piece: bytes) -> None:
        """Something arrives."""
        if not self._pieces:
            self._rota.put(self.flush)
        self._pieces.append(piece)

    def flush(self) -> None:
        """Hand over what there is now."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._take(pieces)
