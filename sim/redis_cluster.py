"""A Redis Cluster of local processes: three masters, each with a replica that takes over.

It begins with a configuration as if it had long been running (each node's own
`nodes.conf`), which saves the seconds in which nodes get to know each other. A master
that is killed is replaced after some two seconds, see NODE_TIMEOUT_MS.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from sim.redis import HOST, RedisFailed, RedisServer, free_port

SLOTS = 16384
MASTERS = 3

NODE_TIMEOUT_MS = 500
"""Silence after which a node counts as failed. Production has more: up to 2 s."""

READY_S = 20.0


class _Node(RedisServer):
    """One node; `table` is the cluster as this node sees it at first, and then its own file."""

    def __init__(self, port: int, bus_port: int) -> None:
        super().__init__(
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-port", str(bus_port), "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            *("--repl-ping-replica-period", "1", "--appendonly", "yes"),
            port=port,
        )
        self.bus_port = bus_port
        self.table = ""

    @property
    def name(self) -> str:
        """The node's id, made of its port."""
        return f"{self.port:040x}"

    def configure(self, folder: Path) -> list[str]:
        path = folder / "nodes.conf"
        if not path.exists():
            path.write_text(self.table)
        return []


class RedisCluster:
    """A cluster that lives as long as its `with` block, or from `start` to `stop`."""

    def __init__(self) -> None:
        self._nodes = [_Node(free_port(), free_port()) for _ in range(2 * MASTERS)]
        for node in self._nodes:
            node.table = self._table(node)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The cluster, by all its nodes."""
        return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in self._nodes)}"

    @property
    def nodes(self) -> list[RedisServer]:
        """All nodes, those that were masters first at the beginning."""
        return list(self._nodes)

    def start(self) -> None:
        """Start it, and return when it takes writes and every replica has its master's data.

        Raises:
            RedisMissing: If no redis-server is installed.
            RedisFailed: If it is not ready within READY_S.
        """
        with ExitStack() as undo:
            undo.callback(self.stop)
            for node in self._nodes:
                node.start()
            await_truth(self._is_ready, READY_S, "the cluster does not come up")
            undo.pop_all()

    def stop(self) -> None:
        """End all nodes."""
        for node in self._nodes:
            node.stop()

    def master_of(self, key: str) -> RedisServer:
        """Who holds this key now, as those that run see it.

        Raises:
            RedisFailed: If nobody does.
        """
        slot = key_slot(key.encode())
        for asked in self._nodes:
            if not asked.is_running:
                continue
            with suppress(RedisError), Redis(port=asked.port, socket_timeout=1.0) as client:
                for first, last, master, *_ in client.execute_command("CLUSTER SLOTS"):
                    node = self._by_port(int(master[1]))
                    if first <= slot <= last and node.is_running:
                        return node
        raise RedisFailed(f"nobody holds the slot {slot}")

    def _by_port(self, port: int) -> RedisServer:
        return next(node for node in self._nodes if node.port == port)

    def _table(self, myself: _Node) -> str:
        lines = []
        for number, node in enumerate(self._nodes):
            first = self._nodes[number % MASTERS]
            part = number % MASTERS
            slots = f"{SLOTS * part // MASTERS}-{SLOTS * (part + 1) // MASTERS - 1}"
            role = f"master - 0 0 {part + 1} connected {slots}"
            if node is not first:
                role = f"slave {first.name} 0 0 {part + 1} connected"
            place = f"{HOST}:{node.port}@{node.bus_port},,tls-port=0,shard-id={part + 1:040x}"
            lines.append(f"{node.name} {place} {'myself,' if node is myself else ''}{role}")
        return "\n".join([*lines, f"vars currentEpoch {MASTERS} lastVoteEpoch 0", ""])

    def _is_ready(self) -> bool:
        for number, node in enumerate(self._nodes):
            with Redis(port=node.port, decode_responses=True) as client:
                if client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                    return False
                told = client.info("replication")
                if number >= MASTERS and told.get("master_link_status") != "up":
                    return False
        return True


def await_truth(condition: Callable[[], bool], within_s: float, complaint: str) -> None:
    """Wait until it is so. Raises: RedisFailed, if it does not become so."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RedisFailed(f"{complaint} within {within_s:g} s")
        time.sleep(0.02)
