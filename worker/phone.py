"""The caller's phone, as its owner knows it: attached or not, and whether it still speaks.

Twilio sends a frame each 20 ms, in silence too, so a phone that gives none has lost its
edge, or the bus. An agent that hears nothing at all hangs up: then it is fed silence.
"""

from math import inf

from shared.sound import FRAME_S, SILENT_FRAME
from worker.common import Common
from worker.ear import Ear
from worker.playout import Playout
from worker.timers import Timer

# Silence goes out in pieces of 40 ms, as a phone's would.
FEED_FRAMES = 2
FEED_S = FEED_FRAMES * FRAME_S

# A phone that is attached and gives no sound for so long: the agent must hear something.
FEED_AFTER_S = 2.0

# What comes sooner after we have joined a stream was written before: its phone may be gone since.
BACKLOG_S = 1.0

# The edge looks for frames itself: none for this long, and nothing from the edge, means that
# there is no edge.
SILENT_S = 5.0


class Phone:
    """Whether there is one. `now` is the owner's clock, seconds.

    Args:
        reattach_s: How long a call waits for a phone that was lost.
    """

    def __init__(
        self, common: Common, ear: Ear, playout: Playout, reattach_s: float, now: float
    ) -> None:
        self._common = common
        self._timers = common.timers
        self._ear = ear
        self._playout = playout
        self._reattach_s = reattach_s
        self._rejoined_at = -inf
        self._heard_at = now
        self._is_missed = False

    @property
    def is_attached(self) -> bool:
        return self._playout.is_attached

    def attach(self, now: float) -> None:
        """It is there, on a new stream whose clock starts anew."""
        self._timers.stop(Timer.RING, Timer.REATTACH)
        self._timers.set(Timer.FEED, now + FEED_AFTER_S)
        self._common.up = 0
        self._ear.attach()
        self._heard_at, self._is_missed = now, False
        self._common.effects.phone += self._playout.attach()

    def rejoin(self, now: float) -> None:
        """It was there before us, on a stream that we go on with, if it still speaks."""
        self._timers.stop(Timer.RING)
        self._timers.set(Timer.FEED, now + FEED_AFTER_S)
        # Nothing is lost yet: however short the grace, it is given time to be heard.
        self._timers.set(Timer.REATTACH, now + max(self._reattach_s, SILENT_S))
        self._playout.is_attached = True
        self._heard_at = self._rejoined_at = now
        self._common.effects.phone += self._playout.end()

    def detach(self, now: float) -> None:
        """It is gone, for a while at least."""
        self._playout.detach()
        self._ear.detach()
        # It may be told twice, to an ear that listens again.
        self._timers.start(Timer.REATTACH, now + self._reattach_s)
        self._timers.set(Timer.FEED, now)

    def spoke(self, now: float) -> None:
        """An entry of its stream has come."""
        is_awaited = Timer.REATTACH in self._timers and self.is_attached
        if is_awaited and now - self._rejoined_at > BACKLOG_S:
            self._timers.stop(Timer.REATTACH)

    def sounds(self, now: float) -> None:
        """A frame has come that had not come before."""
        self._heard_at = now
        if self._is_missed:
            self._is_missed = False
            self._common.privacy.sends_again()
            self._common.effects.phone += self._playout.resume()
            self._timers.stop(Timer.REATTACH)

    def is_lost(self, now: float) -> bool:
        """Whether it has gone without a word, as of now."""
        is_lost = self.is_attached and now - self._heard_at > SILENT_S
        self._is_missed = self._is_missed or is_lost
        return is_lost

    def silence(self, at: float, now: float) -> list[bytes]:
        """What to feed the agent; in real time, from absolute deadlines, while there is no sound.

        Args:
            at: When this was due.
        """
        heard_at = now if self._ear.is_behind else self._heard_at
        if (self.is_attached or self._ear.is_behind) and heard_at + FEED_AFTER_S > now:
            self._timers.set(Timer.FEED, heard_at + FEED_AFTER_S)
            return []
        self._timers.set(Timer.FEED, at + FEED_S if at + 1 > now else now + FEED_S)
        return [self._ear.fed(SILENT_FRAME * FEED_FRAMES)]
