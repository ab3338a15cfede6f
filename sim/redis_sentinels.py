"""A master, its replicas, and the Sentinels that see to it that there is a master.

Each Sentinel begins with a configuration that knows the others, as if it had long been
running. A master that is killed is replaced after one to three seconds, see DOWN_AFTER_MS.
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from sim.redis import HOST, RedisFailed, RedisServer, free_port
from sim.redis_cluster import READY_S, await_truth

NAME = "mymaster"

SENTINELS = 3
QUORUM = 2

DOWN_AFTER_MS = 500
"""Silence after which a Sentinel takes the master for dead. Production has more: up to 2 s."""


class _Sentinel(RedisServer):
    """One Sentinel; `conf` is what it knows at first, and then its own file."""

    def __init__(self, port: int) -> None:
        super().__init__("--sentinel", port=port)
        self._options = ("--sentinel",)
        self.conf = ""

    @property
    def name(self) -> str:
        """The Sentinel's id, made of its port."""
        return f"{self.port:040x}"

    def configure(self, folder: Path) -> list[str]:
        path = folder / "sentinel.conf"
        if not path.exists():
            path.write_text(self.conf)
        return [str(path)]


class RedisSentinels:
    """A guarded master that lives as long as its `with` block, or from `start` to `stop`.

    Args:
        replicas: How many servers beside the master have its data.
        password: What the servers, and not the Sentinels, ask for.
    """

    def __init__(self, replicas: int = 1, password: str = "") -> None:
        self._password = password
        self._servers = [
            RedisServer(
                *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
                appendonly=True,
                port=free_port(),
            )
            for _ in range(1 + replicas)
        ]
        self._sentinels = [_Sentinel(free_port()) for _ in range(SENTINELS)]
        for sentinel in self._sentinels:
            sentinel.conf = self._conf(sentinel)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The master, by the Sentinels that name it."""
        user = f":{self._password}@" if self._password else ""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self._sentinels)
        return f"redis+sentinel://{user}{hosts}/{NAME}/0"

    @property
    def servers(self) -> list[RedisServer]:
        """All servers, the one that was master at the beginning first."""
        return list(self._servers)

    @property
    def sentinels(self) -> list[RedisServer]:
        """All Sentinels."""
        return list(self._sentinels)

    def start(self) -> None:
        """Start all, and return when the replicas have the master's data and are known.

        Raises:
            RedisMissing: If no redis-server is installed.
            RedisFailed: If it is not ready within READY_S.
        """
        with ExitStack() as undo:
            undo.callback(self.stop)
            for server in self._servers:
                server.start()
            for server in self._servers:
                self._lock(server)
            for replica in self._servers[1:]:
                with self.client(replica) as client:
                    client.replicaof(HOST, str(self._servers[0].port))
            await_truth(self._is_synced, READY_S, "the replicas do not follow")
            for sentinel in self._sentinels:
                sentinel.start()
            await_truth(self._is_watched, READY_S, "the Sentinels do not see all")
            undo.pop_all()

    def stop(self) -> None:
        """End all."""
        for process in (*self._sentinels, *self._servers):
            process.stop()

    def client(self, server: RedisServer) -> "Redis":
        """A client of one server."""
        return Redis(port=server.port, password=self._password or None, decode_responses=True)

    @property
    def master(self) -> RedisServer:
        """Who is master now, as the Sentinels see it.

        Raises:
            RedisFailed: If they see none.
        """
        for sentinel in self._sentinels:
            with suppress(RedisError), Redis(port=sentinel.port, socket_timeout=1.0) as client:
                _, port = client.sentinel_get_master_addr_by_name(NAME)
                server = next(each for each in self._servers if each.port == int(port))
                if server.is_running:
                    return server
        raise RedisFailed("the Sentinels name no master")

    def _lock(self, server: RedisServer) -> None:
        if self._password:
            with Redis(port=server.port) as client:
                client.config_set("masterauth", self._password, "requirepass", self._password)

    def _conf(self, myself: _Sentinel) -> str:
        secret = [f"sentinel auth-pass {NAME} {self._password}"] if self._password else []
        lines = [
            f"sentinel myid {myself.name}",
            f"sentinel monitor {NAME} {HOST} {self._servers[0].port} {QUORUM}",
            *secret,
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 3000",
            *(f"sentinel known-replica {NAME} {HOST} {each.port}" for each in self._servers[1:]),
            *(
                f"sentinel known-sentinel {NAME} {HOST} {each.port} {each.name}"
                for each in self._sentinels
                if each is not myself
            ),
        ]
        return "\n".join([*lines, ""])

    def _is_synced(self) -> bool:
        for replica in self._servers[1:]:
            with self.client(replica) as client:
                if client.info("replication").get("master_link_status") != "up":
                    return False
        return True

    def _is_watched(self) -> bool:
        for sentinel in self._sentinels:
            with Redis(port=sentinel.port, decode_responses=True) as client:
                seen = client.sentinel_master(NAME)
                replicas = client.sentinel_slaves(NAME)
            if seen["flags"] != "master" and seen["flags"] != {"master"}:
                return False
            if any(each["flags"] not in ("slave", {"slave"}) for each in replicas):
                return False
        return True
