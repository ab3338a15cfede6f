"""The greeting, which an agent file may have heard out: everyone answers "hello?"."""

from worker.history import Past
from worker.playout import Playout


class Greeting:
    """How far it goes, in the ledger of what is sent to the phone."""

    def __init__(self, past: Past, playout: Playout, *, is_protected: bool) -> None:
        self._playout = playout
        self._is_protected = is_protected
        self._is_to_come = past.is_new
        self._end = playout.sent if past.has_greeted and not past.turns else 0

    def text(self, *, is_ours: bool) -> None:
        """A sentence of the agent comes. `is_ours`: it says it because we asked for it."""
        if is_ours:
            self.over()

    def sound(self) -> None:
        """Sound of the agent has gone out."""
        if self._is_to_come:
            self._end = self._playout.sent

    def over(self) -> None:
        """What comes from now on is something else."""
        self._is_to_come = False

    def is_kept(self, clock: int) -> bool:
        """Whether it is to be heard out, and what is not heard yet is nothing else."""
        is_last = self._playout.heard(clock) < self._playout.sent == self._end
        return self._is_protected and (self._is_to_come or is_last)
