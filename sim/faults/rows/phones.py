"""Phone sockets that are lost, half open or slow: nothing stays, and others hear nothing of it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import product
from math import inf
from typing import Any

from sim.faults.echo import check_untouched, trips
from sim.faults.finding import Finding
from sim.faults.footprint import Footprint
from sim.faults.scenario import scenario
from sim.faults.stage import House, Stage, Talk, until
from sim.faults.words import ASK, HEARD_OUT, PACED, say
from sim.load.statistics import Spread, spread
from sim.phone.caller import HangUp, Listen, Wait
from sim.phone.record import Event
from sim.phone.track import Impairments, Span

ECHOES = 5
LOOK_S = 0.005
APART_S = 0.15
BASE_S = 3.0
REATTACH_S = 1.5

ROOM: dict[str, Any] = {"MAX_CALLS": "60", "MAX_SESSIONS": "60"}
GONE_WITHIN_S = 5.0 + REATTACH_S

GONE = "all of the call gone ≤ 5 s after its end; other calls' p99 untouched"


class Beside:
    """A few calls that go on meanwhile, each frame of which comes back.

    Phones and agent share this process, so it watches how late its own loop is: a frame that was
    under way while the stand-ins themselves stood still says nothing about the bridge.
    """

    def __init__(self, house: House) -> None:
        self._talks = [house.echo(90) for _ in range(ECHOES)]
        self._marks: list[float] = []
        self._lags: list[tuple[float, float]] = []
        self._watching = asyncio.create_task(self._watch(), name="lags")

    async def settle(self) -> None:
        """Wait until there is a base line."""
        await until(lambda: all(talk.phone.now_ms > 1500 for talk in self._talks))
        self.mark()
        await asyncio.sleep(BASE_S)
        self.mark()

    def mark(self) -> None:
        """One stretch of time ends here, and another begins."""
        self._marks.append(time.monotonic())

    async def check(self, finding: Finding) -> None:
        """The round trips since the last mark are as they were before."""
        self.mark()
        await asyncio.sleep(0.3)
        for talk in self._talks:
            finding.expect(not talk.is_over, "other calls go on")
            finding.same("others' sockets", len(talk.phone.result.streams), 1)
        check_untouched(finding, self._stretch(0), self._stretch(-2))

    async def _watch(self) -> None:
        while True:
            since = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if now - since > 2 * LOOK_S:
                self._lags.append((since, now))

    def _stretch(self, first: int) -> Spread:
        begins, ends = self._marks[first], self._marks[first + 1]
        lags = [lag for lag in self._lags if begins <= lag[0] < ends + 1]
        found = []
        for talk in self._talks:
            zero = time.monotonic() - talk.phone.now_ms / 1000
            for trip in trips(talk.phone.result.streams[0], (begins - zero) * 1000):
                sent, back = zero + trip.sent_ms / 1000, zero + (trip.back_ms or inf) / 1000
                if sent < ends and back < inf and not _overlaps(sent, back, lags):
                    found.append(back - sent)
        return spread(found)

    async def stop(self) -> None:
        self._watching.cancel()
        await asyncio.gather(*(talk.stop() for talk in self._talks))


def _overlaps(begins: float, ends: float, lags: list[tuple[float, float]]) -> bool:
    return any(since < ends and begins < until_ for since, until_ in lags)


async def beside_others(
    stage: Stage, house: House, harm: Callable[[], Awaitable[None]], gone_within_s: float
) -> None:
    """Do harm beside a few calls: they do not notice, and nothing is left of it afterwards."""
    others = Beside(house)
    await others.settle()
    before = Footprint.of(house)
    await harm()
    since = time.monotonic()
    await until(lambda: Footprint.of(house).holds_no_more_than(before), 2 * gone_within_s)
    stage.finding.figure("all gone after s", time.monotonic() - since, most=gone_within_s)
    await others.check(stage.finding)
    await others.stop()
    await house.is_empty()


# -- lost ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """How a call comes, and how its end is known."""

    is_bin: bool
    tells: bool
    """Whether the carrier reports the call's end."""


WAYS = (
    Way(is_bin=True, tells=False),
    Way(is_bin=False, tells=True),
    Way(is_bin=False, tells=False),
)

STATES: dict[str, dict[str, Any]] = {
    "before connected": {"impairments": Impairments(lose_at="connecting")},
    "before start": {"impairments": Impairments(lose_at="connected")},
    "after start": {"impairments": Impairments(lose_at="started")},
    "in the greeting": {"impairments": Impairments(lose_after_s=0.3)},
    "in talk": {"impairments": Impairments(lose_after_s=3.2)},
    "after a mark": {},
}


@scenario(9, "phone socket lost at every protocol state", GONE, is_alone=True, in_gate=False)
async def phones_lost(stage: Stage) -> None:
    async with stage.house(**ROOM, RING_S="2") as house:

        async def harm() -> None:
            talks = []
            for state, way in product(STATES, WAYS):
                talks.append(_lost(house, state, way))
                await asyncio.sleep(APART_S)
            results = [await talk.result() for talk in talks]
            stage.finding.figure("phones lost", len(results))
            for result in results:
                stage.finding.same("how a stream ended", result.streams[0].ended, "lost")

        # A phone that never came is waited for as long as it may ring, and half a second of notice.
        await beside_others(stage, house, harm, max(GONE_WITHIN_S, 5.0 + 2.0 + 4.5))


def _lost(house: House, state: str, way: Way) -> Talk:
    """A call whose phone is lost in this state, and whose caller then hangs up."""
    phone: list[Talk] = []

    def watch(event: Event) -> None:
        if state == "after a mark" and event.kind == "mark":
            phone[0].phone.drop()
        if event.kind == "stream over":
            phone[0].phone.hang_up()

    options = {**STATES[state], "on_event": watch}
    if way.tells:
        options["status_url"] = f"{house.stack.url}/twilio/status"
    phone.append(house.call(HEARD_OUT, say(ASK), Wait(30), is_bin=way.is_bin, **options))
    return phone[0]


# -- half open, slow ----------------------------------------------------------


@scenario(9, "phone sockets half open, and read slowly", GONE, is_alone=True, in_gate=False)
async def phones_half_open_and_slow(stage: Stage) -> None:
    async with stage.house(**ROOM) as house:
        others: list[float] = []

        async def harm() -> None:
            half = Impairments(half_open=Span(0.5, 30))
            slow = Impairments(read_delay_s=0.5)
            deaf = [house.call(Wait(30), is_bin=n % 2 == 0, impairments=half) for n in range(6)]
            lazy = [
                house.call(Listen(), say(ASK), Wait(3), HangUp(), impairments=slow)
                for _ in range(6)
            ]
            since = time.monotonic()
            sids = {talk.sid for talk in deaf}
            await until(lambda: all(talk.sessions and talk.sessions[0].close_code for talk in deaf))
            others.append(time.monotonic() - since)
            stage.finding.figure("half open noticed after s", others[0], most=0.5 + 3.0 + 2.5)
            stage.finding.same("half-open calls", len(sids), 6)
            for talk in lazy:
                await talk.result()
            for talk in deaf:
                await talk.stop()

        await beside_others(stage, house, harm, GONE_WITHIN_S)


# -- opened and dropped -------------------------------------------------------

AT_ONCE = 24
GROWN_BY_MB = 24.0
"""Buffers and the allocator take what some hundred calls need, and then no more."""


@scenario(
    10,
    "many calls opened and dropped",
    "descriptors, keys and memory back to the base line",
    is_alone=True,
)
async def calls_opened_and_dropped(stage: Stage) -> None:
    # Sound is under way to the phone at all times, also when it is lost.
    async with stage.house(record=False, timing=PACED, RECORDING_TTL_S="2", **ROOM) as house:
        finding, count = stage.finding, stage.scale.drops
        await _drop_many(house, max(2 * AT_ONCE, count // 10))
        await house.is_empty()
        await asyncio.sleep(1.0)
        before, since = Footprint.of(house), time.monotonic()
        await _drop_many(house, count)
        finding.figure("calls", count)
        finding.figure("calls a second", count / (time.monotonic() - since))
        since = time.monotonic()
        await until(lambda: Footprint.of(house).holds_no_more_than(before))
        finding.figure("all gone after s", time.monotonic() - since, most=GONE_WITHIN_S)
        after = Footprint.of(house)
        finding.figure("descriptors more", after.descriptors - before.descriptors, most=0)
        finding.figure("memory more MB", after.rss_mb - before.rss_mb, most=GROWN_BY_MB)
        finding.figure("keys left", after.eternal, most=before.eternal)


async def _drop_many(house: House, count: int) -> None:
    """So many calls, some at once: each is lost, or hung up, within its first second."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        after_s = random.Random(number).uniform(0.05, 0.8)
        is_lost = number % 2 == 0
        async with room:
            faults = Impairments(lose_after_s=after_s if is_lost else None)
            talk = house.call(Wait(after_s), HangUp(), is_bin=True, impairments=faults)
            await talk.result()

    await asyncio.gather(*(one(number) for number in range(count)))
