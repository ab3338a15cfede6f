"""When nothing is under way: for a prompt, and for a change of whoever serves the call."""

from worker.common import Common
from worker.desk import Desk
from worker.speech import Speech
from worker.steering import Steering
from worker.terms import State
from worker.waiting import Waiting


class Quiet:
    """Looks at all who may have something under way."""

    def __init__(
        self, common: Common, speech: Speech, waiting: Waiting, desk: Desk, steering: Steering
    ) -> None:
        self._common = common
        self._speech = speech
        self._waiting = waiting
        self._desk = desk
        self._steering = steering

    @property
    def is_idle(self) -> bool:
        """Whether all has been heard that was said, and nobody is owed an answer."""
        ear, playout = self._speech.ear, self._speech.playout
        is_idle = not self._waiting.is_owed and not ear.is_open
        is_idle = is_idle and playout.is_heard_out and not ear.is_behind
        is_idle = is_idle and self._desk.is_idle and self._steering.is_idle
        return self._common.state is State.TALKING and is_idle

    @property
    def is_moment(self) -> bool:
        """Whether besides nobody is about to speak: another may go on unheard."""
        return self.is_idle and not self._speech.is_answering and not self._speech.ear.is_loud
