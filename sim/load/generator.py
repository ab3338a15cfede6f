"""`python -m sim.load.generator PLAN`: both ends of every call, in a process of their own.

    ramp    a call every 20 ms, until all of them are heard and have heard their greeting
    steady  measured
    guests  still with all others there, calls join and leave, one at a time
    drain   nobody says anything more; what is under way arrives
    end     the callers hang up

A line of JSON is written at each turn, so that who started it can read the other processes' meters
there. It ends early, in good order, when its standard input is closed: on Ctrl-C, or because
who started it is gone.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from time import perf_counter as clock
from urllib.parse import urlsplit

import orjson
import uvloop

from sim.load import guests, stamped
from sim.load.agent import House, server
from sim.load.call import Call, Tally
from sim.load.pacer import Pacer
from sim.load.phone import Phone
from sim.load.plan import Findings, Plan

RAMP_EVERY_S = 0.02
READY_WITHIN_S = 15.0
SETTLE_S = 1.0

DRAIN_WITHIN_S = 2.0
"""What has not arrived by then is overdue. A phone silent for longer would be hung up on."""

END_WITHIN_S = 3.0
CONNECT_WITHIN_S = 10.0

POLL_S = 0.05

STDIN = 0


def emit(event: str, **fields: object) -> None:
    """Tell who started us."""
    sys.stdout.buffer.write(orjson.dumps({"event": event, **fields}) + b"\n")
    sys.stdout.buffer.flush()


class Generator:
    """One run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.calls: dict[int, Call] = {}
        self.phones: list[Phone] = []
        self.house = House(plan.profile, self.tally, self.calls, plan.barge_in_every_s)
        self.pacer = Pacer(self.tally)
        self.stopped = asyncio.Event()

    async def run(self) -> Findings:
        """Everything, in order; what was measured until it was stopped."""
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            server(self.house), "127.0.0.1", self.plan.agent_port, backlog=1024
        )
        ticking = asyncio.create_task(self._tick(), name="tick")
        try:
            return await self._measure()
        finally:
            ticking.cancel()
            listening.close()

    async def _measure(self) -> Findings:
        await self._ramp()
        gc.collect()
        gc.disable()  # a collection would be this process's own latency
        await self.pause(SETTLE_S)
        running = sum(phone.call.is_heard and not phone.is_over for phone in self.phones)
        emit("measure", calls=running)
        self.tally.since = clock()
        await self.pause(self.plan.seconds)
        self.tally.until = clock()
        emit("measured")
        if not self.stopped.is_set():
            await guests.come_and_go(self)
        await self._drain()
        await self._end()
        seconds = self.tally.until - self.tally.since
        return Findings(running, seconds, self.tally.spreads(), dict(self.tally.counts))

    async def pause(self, seconds: float) -> None:
        """Sleep, unless we are stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopped.wait()

    async def wait_for(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until something is so. Returns whether it is."""
        deadline = clock() + within_s
        while not is_so() and clock() < deadline:  # noqa: ASYNC110 -- every frame may change it
            await asyncio.sleep(POLL_S)
        return is_so()

    # -- callers --------------------------------------------------------------

    async def call(self, number: int, parameters: dict[str, str], *, is_late: bool) -> Phone:
        """Bring a phone to the bridge. Returns once `start` is sent and its frames run.

        Raises:
            OSError, TimeoutError: If the bridge does not take it.
        """
        call = self.calls[number] = Call(number, self.tally, is_late=is_late)
        url = urlsplit(self.plan.streams[number % len(self.plan.streams)])
        phone = Phone(call, self.tally, url.path, parameters)
        self.phones.append(phone)
        host, port = url.hostname or "", url.port or 80
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                if is_late:
                    await stamped.connect(phone, host, port)
                else:
                    await asyncio.get_running_loop().create_connection(lambda: phone, host, port)
                await phone.started
        except (OSError, TimeoutError) as exc:
            phone.fail(type(exc).__name__)
            raise
        self.pacer.join(phone)
        return phone

    async def _ramp(self) -> None:
        began = clock()
        async with asyncio.TaskGroup() as joining:
            for number in range(self.plan.calls):
                await self.pause(max(0.0, began + number * RAMP_EVERY_S - clock()))
                if self.stopped.is_set():
                    break
                joining.create_task(self._join(number), name=f"join:{number}")
        await self.wait_for(self._is_running, READY_WITHIN_S)

    async def _join(self, number: int) -> None:
        with suppress(OSError, TimeoutError):
            await self.call(number, {}, is_late=False)

    def _is_running(self) -> bool:
        return self.stopped.is_set() or all(
            phone.is_over or (phone.call.is_heard and phone.call.is_greeted)
            for phone in self.phones
        )

    # -- the end --------------------------------------------------------------

    async def _drain(self) -> None:
        self.house.is_quiet = True
        for phone in self.phones:
            phone.is_silent = True
        await self.wait_for(self._is_drained, DRAIN_WITHIN_S)
        for call in self.calls.values():
            call.close()
        counts = self.tally.counts
        counts["overdue"] += counts["greeting_frames"] - counts["greeting_frames_arrived"]

    def _is_drained(self) -> bool:
        return all(trail.is_settled for call in self.calls.values() for trail in call.trails)

    async def _end(self) -> None:
        for phone in self.phones:
            phone.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN_S):
                for phone in self.phones:
                    await phone.ended.wait()

    async def _tick(self) -> None:
        began = clock()
        while True:
            await asyncio.sleep(1.0)
            live = sum(not phone.is_over for phone in self.phones)
            up = self.tally.delays.get("up", ())[-2000:]
            emit(
                "tick",
                at=clock() - began,
                live=live,
                measured=max(0.0, min(clock(), self.tally.until) - self.tally.since),
                up_ms=sorted(up)[len(up) // 2] * 1000 if len(up) else None,
            )


async def _serve(plan: Plan) -> None:
    generator = Generator(plan)
    asyncio.get_running_loop().add_reader(STDIN, _on_input, generator.stopped)
    findings = await generator.run()
    emit("findings", **asdict(findings))


def _on_input(stopped: asyncio.Event) -> None:
    if not os.read(STDIN, 4096):
        asyncio.get_running_loop().remove_reader(STDIN)
        stopped.set()


def main(argv: list[str]) -> int:
    """Exit status 0 once the findings are told."""
    uvloop.run(_serve(Plan.read(argv[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
