"""The agent's sound in sensitive passages: on the bus no longer than its edge needs to read it."""

from collections import deque
from collections.abc import Callable
from math import inf

from shared.bus import Outlet
from shared.messages import Audio, Down, Hush

# An edge reads within milliseconds; one that Redis was away from, within seconds.
READ_WITHIN_S = 5.0


class Passages:
    """Entries of a stream that must go soon. Times are seconds of this clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_hushed = False
        self._sent: deque[tuple[float, str]] = deque()

    def sent(self, entry_id: str, message: Down) -> None:
        """This went down."""
        if self._is_hushed and isinstance(message, Audio):
            self._sent.append((self._clock(), entry_id))
        self._is_hushed = isinstance(message, Hush) and message.length > 0

    def delete(self, down: Outlet[Down] | None, now: float = inf) -> None:
        """Delete from their stream those that nobody needs any more; by default all of them."""
        while self._sent and self._sent[0][0] + READ_WITHIN_S <= now:
            _, entry_id = self._sent.popleft()
            if down:
                down.forget(entry_id)
