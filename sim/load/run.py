"""One run: a target, a generator against it, and the meters read at the generator's marks."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sim.load.meters import Reading, Redis
from sim.load.pace import Pace
from sim.load.plan import Findings, Plan
from sim.load.targets import Target
from sim.stack import ROOT

BEYOND_PLAN_S = 120.0
"""A generator that takes so much longer than it should is killed."""

RAW_BYTES_A_SECOND = 8000
"""Mu-law, one way."""

Watch = Callable[[Mapping[str, Any]], None]
"""Called with each line that the generator says."""


class RunFailed(RuntimeError):
    """The generator ended without findings; what it said last is in the message."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a call-second costs (one call for one second), and what a call does."""

    cpu_ms: dict[str, float] = field(default_factory=dict)
    """CPU a call-second by role."""
    cores: dict[str, float] = field(default_factory=dict)
    """How much of a core each role used."""
    others_cores: float = 0.0
    """Cores that others on this machine kept busy meanwhile."""
    rss_kb: float = 0.0
    """Memory a call, of all roles but Redis and the generator."""
    redis_commands: float = 0.0
    redis_bytes: float = 0.0
    redis_memory: float = 0.0
    """What Redis keeps of a call-second, bytes."""
    pace: float = 1.0
    """How fast a core was, of the fastest that it can be."""

    @property
    def bridge_cpu_ms(self) -> float:
        """CPU a call-second of all but the generator."""
        return sum(each for role, each in self.cpu_ms.items() if role != "generator")


@dataclass(frozen=True, slots=True)
class Result:
    """One target under one load."""

    target: str
    profile: str
    calls: int
    findings: Findings
    costs: Costs
    is_cut_short: bool = False
    """Whether Ctrl-C ended it."""


def measure(target: Target, plan: Plan, watch: Watch) -> Result:
    """Drive the plan's calls through the target. Ctrl-C ends it early, with what there is.

    Raises:
        RunFailed: If the generator fails.
    """
    idle = Reading.take(target.pids, target.redis_port)
    run = _Run(target, plan, watch)
    findings = run.findings()
    costs = Costs()
    if run.begun is not None:
        costs = cost(idle, run.begun, run.done, findings.calls, run.pace.share)
    return Result(target.name, plan.profile, plan.calls, findings, costs, run.is_cut_short)


class _Run:
    """A generator's process, and what it says."""

    def __init__(self, target: Target, plan: Plan, watch: Watch) -> None:
        self.begun: Reading | None = None
        self.is_cut_short = False
        self.pace = Pace()
        self._done: Reading | None = None
        self._target = target
        self._watch = watch
        self._limit_s = plan.seconds + plan.calls * 0.1 + BEYOND_PLAN_S
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sim.load.generator", plan.render()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C is for us alone
        )

    @property
    def done(self) -> Reading:
        assert self._done is not None, "what was begun ends, also early"
        return self._done

    def findings(self) -> Findings:
        """Wait for them."""
        with self._process:
            try:
                return self._listen()
            except KeyboardInterrupt:
                self._stop()
                return self._listen()
            finally:
                self._process.kill()

    def _stop(self) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        self.is_cut_short = True
        self._process.stdin.close()

    def _listen(self) -> Findings:
        assert self._process.stdout is not None, "it is a pipe"
        for line in self._process.stdout:
            message = orjson.loads(line)
            match message["event"]:
                case "measure":
                    self.begun = self._read_meters()
                case "measured":
                    self._done = self._read_meters()
                case "tick" if self.begun and not self._done:
                    self.pace.look()
                case "findings":
                    return Findings.of(message)
            self._watch(message)
        raise RunFailed(f"the generator ended with status {self._process.wait()}")

    def _read_meters(self) -> Reading:
        pids = {**self._target.pids, "generator": [self._process.pid]}
        return Reading.take(pids, self._target.redis_port)


def cost(idle: Reading, begun: Reading, done: Reading, calls: int, pace: float = 1.0) -> Costs:
    """What lies between the readings, a call-second or a call."""
    seconds = max(done.at - begun.at, 1e-3)
    call_seconds = max(calls, 1) * seconds
    used = {role: done.cpu_s[role] - begun.cpu_s[role] for role in done.cpu_s}
    grown = [done.rss_kb[role] - idle.rss_kb[role] for role in idle.rss_kb if role != "redis"]
    traffic = _less(done.redis, begun.redis)
    machine_s = done.machine_s - begun.machine_s
    return Costs(
        cpu_ms={role: each * 1000 / call_seconds for role, each in used.items()},
        cores={role: each / seconds for role, each in used.items()},
        others_cores=max(0.0, machine_s - sum(used.values())) / seconds,
        rss_kb=sum(grown) / max(calls, 1),
        redis_commands=traffic.commands / call_seconds,
        redis_bytes=(traffic.bytes_in + traffic.bytes_out) / call_seconds,
        redis_memory=traffic.memory / call_seconds,
        pace=pace,
    )


def _less(after: Redis, before: Redis) -> Redis:
    return Redis(
        after.commands - before.commands,
        after.bytes_in - before.bytes_in,
        after.bytes_out - before.bytes_out,
        after.memory - before.memory,
    )
