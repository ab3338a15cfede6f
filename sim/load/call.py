"""What both ends of a call know of it: which frames are under way, and since when.

A frame departs at one end and arrives at the other; `Trail` keeps the time between the two, and
sees what never arrives, arrives twice, or arrives behind a later one. Sound of a turn that the
caller cut may be dropped anywhere on its way: that is not lost but taken back. Arriving after
the `clear`, though, it is stale, and every byte of it counts.
"""

import sys
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf

from shared.sound import FRAME_BYTES
from sim.load import tag
from sim.load.statistics import Spread, spread


class Trail:
    """Numbered frames on one way, from departure to arrival."""

    def __init__(self) -> None:
        self.sent = 0
        self.arrived = 0
        self.disordered = 0
        self._under_way: dict[int, float] = {}
        self._newest = -1
        self._cut: list[range] = []

    def depart(self, number: int, now: float) -> None:
        self.sent += 1
        self._under_way[number] = now

    def arrive(self, number: int) -> float | None:
        """When this frame departed; None if it never did, or has arrived before."""
        departed = self._under_way.pop(number, None)
        if departed is None or number < self._newest:
            self.disordered += 1
        self.arrived += departed is not None
        self._newest = max(self._newest, number)
        return departed

    def cut(self, numbers: range) -> None:
        """These frames need not arrive any more."""
        self._cut.append(numbers)

    def end(self) -> None:
        """What has not arrived by now, and nothing behind it, need not arrive any more."""
        self._cut.append(range(self._newest + 1, sys.maxsize))

    @property
    def taken_back(self) -> int:
        """Frames that did not arrive, and need not."""
        return len(self._under_way) - len(self._missing())

    @property
    def lost(self) -> int:
        """Frames that have not arrived, though a later one has."""
        return sum(number < self._newest for number in self._missing())

    @property
    def overdue(self) -> int:
        """Frames that have not arrived, and none behind them: they may still be on their way."""
        return sum(number > self._newest for number in self._missing())

    @property
    def is_settled(self) -> bool:
        """Whether all has arrived that should."""
        return all(map(self._is_cut, self._under_way))

    def _missing(self) -> list[int]:
        return [number for number in self._under_way if not self._is_cut(number)]

    def _is_cut(self, number: int) -> bool:
        return any(number in cut for cut in self._cut)


def _no_delays() -> "array[float]":
    return array("d")


@dataclass(eq=False)
class Tally:
    """What is measured over all calls of a run."""

    since: float = inf
    until: float = inf
    counts: Counter[str] = field(default_factory=Counter)
    delays: dict[str, "array[float]"] = field(default_factory=lambda: defaultdict(_no_delays))
    watched: "array[float] | None" = None
    """Where the delay of every frame that arrives is put, too, if that is wanted."""

    def frame(self, name: str, departed: float, now: float) -> None:
        """A frame has arrived."""
        if self.watched is not None:
            self.watched.append(now - departed)
        if self.since <= departed < self.until:
            self.delays[name].append(now - departed)

    def add(self, name: str, began: float, now: float) -> None:
        """Something took from `began` to `now`; it counts if it began while we measure."""
        if self.since <= began < self.until:
            self.always(name, now - began)

    def always(self, name: str, seconds: float) -> None:
        """Something took so long, and counts whenever it was."""
        self.delays[name].append(seconds)

    def spreads(self) -> dict[str, Spread]:
        return {name: spread(values) for name, values in self.delays.items()}


class Call:
    """One call, as its two ends see it."""

    def __init__(self, number: int, tally: Tally, *, is_late: bool = False) -> None:
        self.number = number
        self.is_late = is_late
        """Whether it joins while the others run: it is not measured with them."""
        self.up = Trail()
        self.echo = Trail()
        self.speech = Trail()
        self.started_at = 0.0
        self.heard_after: float | None = None
        """Seconds from `start` to the first of the caller's frames that the agent heard."""
        self.greeted_after: float | None = None
        """Seconds from `start` to the first sound that the caller heard."""
        self.returned_after: float | None = None
        """Seconds from `start` to the first of the caller's frames that came back."""
        self._tally = tally
        self._sent_at = array("d")
        self._cut_turn = -1
        self._barged_at: float | None = None
        self._is_cleared = False

    @property
    def trails(self) -> tuple[Trail, ...]:
        return (self.up, self.echo, self.speech)

    @property
    def is_greeted(self) -> bool:
        """Whether the caller has heard the agent."""
        return self.greeted_after is not None

    @property
    def is_heard(self) -> bool:
        """Whether the agent has heard the caller."""
        return self.heard_after is not None

    # -- the caller's end -----------------------------------------------------

    def next_frame(self, now: float) -> bytes:
        """The caller's next frame, as base64."""
        number = len(self._sent_at)
        self._sent_at.append(now)
        self.up.depart(number, now)
        return tag.frame_base64(tag.CALLER, self.number, 0, number)

    def played(self, sound: bytes, now: float) -> None:
        """Sound arrives at the phone."""
        self._greet(now)
        for found in tag.read(sound):
            if found is None:
                self._tally.counts["foreign"] += 1
            elif found.call == tag.UNBOUND:
                self._tally.counts["greeting_frames_arrived"] += 1
            elif found.call != self.number:
                self._tally.counts["strayed"] += 1
            elif found.kind == tag.CALLER:
                self._echoed(found.number, now)
            else:
                self._spoken(found, now)

    def _greet(self, now: float) -> None:
        if self.greeted_after is None:
            self.greeted_after = now - self.started_at
            if not self.is_late:
                self._tally.always("greeting", self.greeted_after)

    def _echoed(self, number: int, now: float) -> None:
        if (departed := self.echo.arrive(number)) is None:
            return
        if self.returned_after is None:
            self.returned_after = now - self.started_at
        if not self.is_late:
            self._tally.frame("down", departed, now)
            self._tally.frame("round_trip", self._sent_at[number], now)

    def _spoken(self, found: tag.Tag, now: float) -> None:
        departed = self.speech.arrive(found.number)
        if self._is_cleared and found.turn <= self._cut_turn:
            self._tally.counts["stale_bytes"] += FRAME_BYTES
        elif departed is not None and not self.is_late:
            self._tally.frame("down", departed, now)

    def cleared(self, now: float) -> None:
        """The bridge tells the phone to drop what it has not played."""
        self._tally.counts["clears"] += 1
        if self._barged_at is not None:
            self._tally.add("barge_in", self._barged_at, now)
            self._barged_at = None
            self._is_cleared = True

    def leave(self) -> None:
        """The caller hangs up while the others go on: what is on its way to him need not arrive."""
        self.speech.end()

    # -- the agent's end ------------------------------------------------------

    def heard(self, number: int, now: float) -> None:
        """A frame of the caller's arrives at the agent."""
        departed = self.up.arrive(number)
        if self.heard_after is None:
            self.heard_after = now - self.started_at
        if departed is not None and not self.is_late:
            self._tally.frame("up", departed, now)

    def barge_in(self, turn: int, now: float) -> None:
        """The agent hears the caller, and cuts this turn of its own."""
        self._tally.counts["barge_ins"] += 1
        self._tally.counts["barge_ins_without_clear"] += self._barged_at is not None
        self._cut_turn = turn
        self._barged_at = now
        self._is_cleared = False

    def close(self) -> None:
        """Count what is counted when no more will come."""
        counts = self._tally.counts
        counts["sent"] += self.up.sent
        counts["heard"] += self.up.arrived
        counts["spoken"] += self.echo.sent + self.speech.sent
        counts["returned"] += self.echo.arrived + self.speech.arrived
        counts["taken_back"] += self.speech.taken_back
        counts["barge_ins_without_clear"] += self._barged_at is not None
        for trail in self.trails:
            counts["lost"] += trail.lost
            counts["overdue"] += trail.overdue
            counts["out_of_order"] += trail.disordered
