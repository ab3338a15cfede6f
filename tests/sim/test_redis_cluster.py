"""A cluster of one's own."""

import socket
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.cluster import RedisCluster as Client

from sim.redis import RedisFailed
from sim.redis_cluster import MASTERS, RedisCluster, await_truth


@pytest.fixture(scope="module")
def lasting() -> Iterator[RedisCluster]:
    """For tests that leave it as it is."""
    with RedisCluster() as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as running:
        yield running


def test_it_holds_every_slot_on_three_masters_each_with_a_replica(lasting: RedisCluster) -> None:
    with Redis(port=lasting.nodes[0].port) as client:
        ranges = client.execute_command("CLUSTER SLOTS")

    assert sorted((first, last) for first, last, *_ in ranges)[0][0] == 0
    assert sum(last - first + 1 for first, last, *_ in ranges) == 16384
    assert [len(nodes) for _, _, *nodes in ranges] == [2] * MASTERS


def test_an_ordinary_client_can_use_it(lasting: RedisCluster) -> None:
    with Client(host="127.0.0.1", port=lasting.nodes[-1].port) as client:
        for number in range(20):
            client.set(f"key{number}", number)
        assert client.get("key7") == b"7"


def test_the_master_of_a_key_is_who_takes_it(lasting: RedisCluster) -> None:
    master = lasting.master_of("{calls}:new")
    with Redis(port=master.port) as client:
        assert client.set("{calls}:new", "x")


def test_a_replica_takes_over_with_all_that_it_was_told(cluster: RedisCluster) -> None:
    former = cluster.master_of("{0}")
    with Redis(port=former.port) as client:
        client.set("{0}:a", "b")
        client.wait(1, 1000)
    former.kill()

    def is_replaced() -> bool:
        try:
            return cluster.master_of("{0}") is not former
        except RedisFailed:
            return False

    await_truth(is_replaced, 15.0, "nobody takes over")
    with Redis(port=cluster.master_of("{0}").port) as client:
        assert client.get("{0}:a") == b"b"


def test_who_was_killed_comes_back_where_it_was(cluster: RedisCluster) -> None:
    former = cluster.master_of("{0}")
    port = former.port
    former.kill()
    former.start()

    assert former.port == port
    await_truth(lambda: is_whole(cluster), 15.0, "the cluster does not heal")


def is_whole(cluster: RedisCluster) -> bool:
    with Redis(port=cluster.nodes[0].port, decode_responses=True) as client:
        return "fail" not in str(client.execute_command("CLUSTER NODES"))


def test_after_the_block_nothing_listens_any_more() -> None:
    with RedisCluster() as cluster:
        ports = [node.port for node in cluster.nodes]

    for port in ports:
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.1", port))


def test_what_does_not_come_true_fails() -> None:
    with pytest.raises(RedisFailed, match="it rains within 0"):
        await_truth(lambda: False, 0.05, "it rains")
