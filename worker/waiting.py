"""A caller's wait for an answer, on the conversation's clock: when it begins, and what ends it."""

from worker.common import Common
from worker.ear import Ear
from worker.owed import Due, Owed
from worker.terms import State
from worker.timers import Timer


class Waiting:
    """Whether an answer is owed, and the timer that looks after it."""

    def __init__(self, common: Common, ear: Ear) -> None:
        self._common = common
        self._ear = ear
        self._owed = Owed()
        self.has_functions = False
        """Whether functions are under way: until they are answered the agent owes nothing."""

    @property
    def is_owed(self) -> bool:
        return self._owed.is_owed

    def begin(self, now: float) -> None:
        """The caller waits for an answer from now on."""
        if self._common.state is State.TALKING and not self.has_functions:
            is_told = Timer.HOLD in self._common.timers
            self._common.timers.set(Timer.OWED, self._owed.begin(now, is_told=is_told))

    def again(self, now: float) -> None:
        """What interrupted the wait has come to nothing, or to an answer of ours.

        A caller who speaks does not wait: then it goes on when his turn has come to nothing, too.
        """
        if self._owed.is_paused and not self._ear.is_open:
            self.begin(now)

    def pause(self) -> None:
        """The agent need not answer now."""
        self._owed.pause()
        self._common.timers.stop(Timer.OWED)

    def stop(self) -> None:
        """Nothing is owed any more."""
        self._owed.stop()
        self._common.timers.stop(Timer.OWED, Timer.FILLER)

    def answered(self) -> None:
        """The agent speaks."""
        if self._owed.is_owed:
            self._owed.answered()
            self._common.timers.stop(Timer.OWED)

    def look(self, now: float) -> Due | None:
        """What is to be done for a caller who waits."""
        due, again_at = self._owed.look(now)
        if again_at is not None:
            self._common.timers.set(Timer.OWED, again_at)
        return due
