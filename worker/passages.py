"""The agent's sound in sensitive passages: on the bus no longer than its edge needs to read it."""

from collections import deque
from collections.abc import Callable, Iterable
from math import inf

from shared.bus import Outlet
from shared.messages import Audio, Down, Hush

# An edge reads within milliseconds; one that Redis was away from, within seconds.
READ_WITHIN_S = 5.0


class Hushed:
    """Of a stream's messages, asked about in order: whether each is for the caller alone."""

    def __init__(self) -> None:
        self._is_next = False

    def __call__(self, message: Down) -> bool:
        is_hushed = self._is_next and isinstance(message, Audio)
        self._is_next = isinstance(message, Hush) and message.length > 0
        return is_hushed


class Passages:
    """Entries of a stream that must go soon. Times are seconds of this clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_hushed = Hushed()
        self._sent: deque[tuple[float, str]] = deque()

    def sent(self, entry_id: str, message: Down) -> None:
        """This went down."""
        if self._is_hushed(message):
            self._sent.append((self._clock(), entry_id))

    def inherit(self, entry_ids: Iterable[str]) -> None:
        """A former owner has sent these, and has not come to delete them."""
        now = self._clock()
        self._sent += [(now, entry_id) for entry_id in entry_ids]

    def delete(self, down: Outlet[Down] | None, now: float = inf) -> None:
        """Delete from their stream those that nobody needs any more; by default all of them."""
        while self._sent and self._sent[0][0] + READ_WITHIN_S <= now:
            _, entry_id = self._sent.popleft()
            if down:
                down.forget(entry_id)
