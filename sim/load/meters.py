"""What processes cost, read from outside: CPU and memory from /proc, traffic from Redis itself."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter as clock
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")

REDIS_WITHIN_S = 5.0

Pids = Mapping[str, Sequence[int]]
"""Role to the processes that play it."""


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis' own counts since it started, and what it holds."""

    commands: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    memory: int = 0

    @classmethod
    def read(cls, port: int) -> Self:
        """Ask the Redis at this port."""
        with socket.create_connection(("127.0.0.1", port), timeout=REDIS_WITHIN_S) as connection:
            connection.sendall(b"INFO stats\r\nINFO memory\r\nQUIT\r\n")
            text = connection.makefile("rb").read().decode()
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """What INFO says."""
        found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        names = (
            "total_commands_processed",
            "total_net_input_bytes",
            "total_net_output_bytes",
            "used_memory",
        )
        return cls(*(int(found.get(name, 0)) for name in names))


@dataclass(frozen=True, slots=True)
class Reading:
    """All meters at one moment."""

    at: float
    cpu_s: dict[str, float]
    """Seconds of CPU by role."""
    rss_kb: dict[str, int]
    machine_s: float
    """Seconds of CPU that the whole machine has been busy."""
    redis: Redis = field(default_factory=Redis)

    @classmethod
    def take(cls, pids: Pids, redis_port: int = 0) -> Self:
        """Read everything now. Processes that are gone count nothing."""
        return cls(
            clock(),
            {role: sum(map(cpu_s, each)) for role, each in pids.items()},
            {role: sum(map(rss_kb, each)) for role, each in pids.items()},
            _machine_s(Path("/proc/stat").read_text()),
            Redis.read(redis_port) if redis_port else Redis(),
        )


def cpu_s(pid: int) -> float:
    """CPU that a process has used."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    # The second field is the program's name, which may hold anything but its last parenthesis.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_kb(pid: int) -> int:
    """Memory of a process that is in RAM."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if "VmRSS" in line), 0)


def _machine_s(stat: str) -> float:
    """Busy time of all cores: everything but idle and waiting for disks."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, stat.splitlines()[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICKS


def machine() -> str:
    """The CPU's name and how many cores we may use."""
    text = Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return f"{names[0] if names else 'unknown CPU'}, {cores()} cores"


def cores() -> int:
    """How many cores we may use."""
    return len(os.sched_getaffinity(0))
