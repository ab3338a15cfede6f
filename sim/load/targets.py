"""What can be measured: the bridge as its own processes, the guide's server, or somebody's edge.

A target tells where phones connect, and which processes play which role. It lives as long as
its `with` block, and its agent service is already decided: the port where our generator listens.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx

from sim.redis import free_port
from sim.stack import Process, Stack, StackFailed

AGENT_PATH = "/v1/agent/converse"

SPARE_PLACES = 10
"""For guests: one at a time, and some that have not quite left."""

STARTS_WITHIN_S = 10.0
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Target:
    """Something that bridges calls."""

    name: str
    streams: tuple[str, ...]
    webhooks: tuple[str, ...] = ()
    pids: dict[str, list[int]] = field(default_factory=dict)
    """Role to processes; empty if they are not ours to look at."""
    redis_port: int = 0


def agent_url(port: int) -> str:
    """Where the generator's agent service is."""
    return f"ws://127.0.0.1:{port}{AGENT_PATH}"


@contextmanager
def bridge(agent_port: int, calls: int, edges: int = 1, workers: int = 1) -> Iterator[Target]:
    """The bridge: Redis, edges and workers, with places for all.

    Raises:
        StackFailed: If a process does not come up.
    """
    places = str(calls + SPARE_PLACES)
    environ = {
        "DEEPGRAM_AGENT_URL": agent_url(agent_port),
        "MAX_CALLS": places,
        "MAX_SESSIONS": places,
        "DRAIN_S": "1",
    }
    with Stack(workers=workers, environ=environ) as stack:
        ports = [stack.port, *(free_port() for _ in range(edges - 1))]
        for port in ports[1:]:
            stack.add_edge(port)
        for port in ports:
            _await_answer(f"http://127.0.0.1:{port}/readyz")
        pids = {
            "edge": [edge.pid for edge in stack.edges],
            "worker": [worker.pid for worker in stack.workers],
            "redis": [stack.redis.pid],
        }
        origins = [f"127.0.0.1:{port}" for port in ports]
        streams = tuple(f"ws://{origin}/twilio" for origin in origins)
        webhooks = tuple(f"http://{origin}/twilio/voice" for origin in origins)
        yield Target("bridge", streams, webhooks, pids, stack.redis.port)


@contextmanager
def guide(agent_port: int, *, forward: bool) -> Iterator[Target]:
    """The guide's server, forwarding each frame or with its buffer.

    Raises:
        StackFailed: If it does not come up.
    """
    port = free_port()
    options = f"--port {port} --agent {agent_url(agent_port)}" + (" --forward" if forward else "")
    with TemporaryDirectory(prefix="holdfast-load-") as folder:
        process = Process("guide", f"sim.load.guide {options}", {}, Path(folder))
        try:
            _await_answer(f"http://127.0.0.1:{port}/", any_status=True)
            name = "guide, each frame" if forward else "guide, 0.4 s"
            yield Target(name, (f"ws://127.0.0.1:{port}/twilio",), (), {"guide": [process.pid]})
        finally:
            process.stop()


@contextmanager
def running(stream: str) -> Iterator[Target]:
    """An edge that somebody else runs. Its processes are not ours to look at."""
    url = urlsplit(stream)
    scheme = "https" if url.scheme == "wss" else "http"
    yield Target(url.netloc, (stream,), (f"{scheme}://{url.netloc}/twilio/voice",))


def edge_ready_s() -> float:
    """From the start of an edge's process until it takes calls."""
    with Stack(workers=0) as stack:
        port = free_port()
        began = time.perf_counter()
        stack.add_edge(port)
        _await_answer(f"http://127.0.0.1:{port}/readyz")
        return time.perf_counter() - began


def _await_answer(url: str, *, any_status: bool = False) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2.0).status_code == httpx.codes.OK or any_status:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_S)
    raise StackFailed(f"{url} does not answer")
