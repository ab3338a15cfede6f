"""The whole product on one machine: Redis, an agent, an edge and workers, each a real process.

The demo, the load generator and the end-to-end tests all stand on this. What is a
stand-in here (the agent service, Redis from a wheel) is so by its address alone:
edge and worker are the programs that run in production, started as in production.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import httpx

from sim.guard import Guard
from sim.redis import RedisServer, free_port

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 20.0
STOP_WITHIN_S = 5.0


class StackFailed(RuntimeError):
    """A process of the stack did not come up; the end of its log is in the message."""


class Process:
    """One of our programs, with its log in a file."""

    def __init__(self, name: str, module: str, environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module.split()],
                cwd=ROOT,
                env={**_inherited(environ), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the parent alone
            )
        self._guard: Guard | None = Guard(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.status is None:
            self._process.send_signal(number)

    def stop(self, within_s: float = STOP_WITHIN_S) -> int:
        """SIGTERM, and SIGKILL for one that does not go. Returns the exit status."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(within_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL. Returns the exit status."""
        self.send(signal.SIGKILL)
        self.send(signal.SIGCONT)
        return self.wait(STOP_WITHIN_S)

    def wait(self, within_s: float) -> int:
        """Wait for it to end by itself. Raises: subprocess.TimeoutExpired."""
        status = self._process.wait(within_s)
        if self._guard:
            self._guard.dismiss()
            self._guard = None
        return status


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Our own environment, but for secrets in files that are given otherwise here."""
    return {
        key: value for key, value in os.environ.items() if key.removesuffix("_FILE") not in environ
    }


class Stack:
    """A stack that lives as long as its `with` block.

    Args:
        workers: How many workers.
        environ: Settings for edge and workers, over the defaults.
        folder: Where logs go; a temporary one if not given.
        redis: A Redis that is somebody else's to stop.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        redis: RedisServer | None = None,
        port: int = 0,
    ) -> None:
        self._temporary = TemporaryDirectory(prefix="holdfast-") if folder is None else None
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._own_redis = redis is None
        self.redis = redis or RedisServer()
        self.port = port or free_port()
        self._settings = dict(environ or {})
        self._started = 0
        self._wanted = workers
        self.edges: list[Process] = []
        self.workers: list[Process] = []

    @property
    def url(self) -> str:
        """Where the edge listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        return f"{self.url}/twilio/voice"

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/twilio"

    @property
    def environ(self) -> dict[str, str]:
        """The settings that edge and workers get."""
        defaults = {
            "REDIS_URL": self.redis.url,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "AGENTS": str(ROOT / "agents"),
            "LOG_FORMAT": "json",
        }
        return {**defaults, **self._settings}

    def __enter__(self) -> Self:
        try:
            if self._own_redis:
                self.redis.start()
            self.add_edge()
            for _ in range(self._wanted):
                self.add_worker()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def add_edge(self, port: int = 0, **environ: str) -> Process:
        """Start one more edge; the first has the stack's port. May have settings of its own."""
        environ = {**self.environ, "PORT": str(port or self.port), **environ}
        return self._start("edge", "edge", environ, self.edges)

    def add_worker(self, **environ: str) -> Process:
        """Start one more worker, with settings of its own if given."""
        return self._start("worker", "worker", {**self.environ, **environ}, self.workers)

    def _start(
        self, name: str, module: str, environ: Mapping[str, str], group: list[Process]
    ) -> Process:
        self._started += 1
        process = Process(f"{name}-{self._started}", module, environ, self.folder)
        group.append(process)
        return process

    def wait_ready(self) -> None:
        """Wait until the edge takes calls and sees every running worker.

        Raises:
            StackFailed: If a process ended, or it took too long.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            for process in (*self.edges, *self.workers):
                if process.status is not None:
                    raise StackFailed(f"{process.name} ended:\n{process.log[-2000:]}")
            if time.monotonic() > deadline:
                raise StackFailed(f"not ready in {READY_WITHIN_S} s, see {self.folder}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        running = sum(worker.status is None for worker in self.workers)
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2.0)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and json.loads(answer.text)["workers"] >= running

    def stop(self) -> None:
        """Stop everything; nothing is left behind but the logs in a folder that was given."""
        for process in (*self.edges, *self.workers):
            process.send(signal.SIGTERM)
        for process in (*self.edges, *self.workers):
            process.stop()
        if self._own_redis:
            self.redis.stop()
        if self._temporary:
            self._temporary.cleanup()
