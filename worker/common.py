"""What the parts of a conversation share: what is to be done, the log so far, the waits."""

from collections.abc import Sequence

from shared import record
from worker.privacy import Privacy
from worker.terms import Effects, State
from worker.timers import Timers


class Common:
    """One a conversation.

    Args:
        log: The call's log until now, as (server ms, entry).
    """

    def __init__(self, log: Sequence[tuple[int, record.Entry]]) -> None:
        self.effects = Effects()
        self.timers = Timers()
        self.privacy = Privacy()
        self.state = State.CONNECTING
        self.history = list(log)
        self.up = 0
        """Sequence number of the newest caller entry that was read."""

    def log(self, entry: record.Entry, kept: record.Entry | None = None) -> None:
        """Write an entry, and remember it: the next agent's past is folded from these.

        What nobody may read later is remembered, but not written.

        Args:
            kept: What is written of one that nobody may read.
        """
        self.effects.log.append(self.privacy.kept(kept or entry))
        self.history.append((0, entry))

    def take(self) -> Effects:
        """What is to be done since the last call."""
        effects, self.effects = self.effects, Effects()
        if effects.over:
            self.effects.over = effects.over
        effects.phone = self.privacy.phone(effects.phone)
        return effects
