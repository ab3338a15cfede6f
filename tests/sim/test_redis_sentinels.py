"""A guarded master of one's own."""

import socket
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.sentinel import Sentinel

from sim.redis import RedisFailed
from sim.redis_cluster import await_truth
from sim.redis_sentinels import NAME, QUORUM, SENTINELS, RedisSentinels


@pytest.fixture
def guarded() -> Iterator[RedisSentinels]:
    with RedisSentinels() as running:
        yield running


def test_every_sentinel_knows_the_others_and_the_replica(guarded: RedisSentinels) -> None:
    for sentinel in guarded.sentinels:
        with Redis(port=sentinel.port, decode_responses=True) as client:
            seen = client.sentinel_master(NAME)
        assert seen["num-other-sentinels"] == SENTINELS - 1
        assert seen["num-slaves"] == 1
        assert seen["quorum"] == QUORUM


def test_an_ordinary_client_finds_the_master(guarded: RedisSentinels) -> None:
    hosts = [("127.0.0.1", each.port) for each in guarded.sentinels]
    found = Sentinel(hosts)  # type: ignore[no-untyped-call]

    place = found.discover_master(NAME)  # type: ignore[no-untyped-call]
    assert place == ("127.0.0.1", guarded.master.port)


def test_a_replica_takes_over_with_all_that_it_was_told(guarded: RedisSentinels) -> None:
    former = guarded.master
    with guarded.client(former) as client:
        client.set("a", "b")
        client.wait(1, 1000)
    former.kill()

    def is_replaced() -> bool:
        try:
            return guarded.master is not former
        except RedisFailed:
            return False

    await_truth(is_replaced, 15.0, "nobody takes over")
    with guarded.client(guarded.master) as client:
        assert client.get("a") == "b"
        assert client.info("replication")["role"] == "master"


def test_a_password_is_asked_for() -> None:
    with RedisSentinels(password="s3cret") as guarded:
        assert ":s3cret@" in guarded.url
        with Redis(port=guarded.master.port) as client, pytest.raises(AuthenticationError):
            client.ping()
        with guarded.client(guarded.servers[1]) as client:
            assert client.info("replication")["master_link_status"] == "up"


def test_after_the_block_nothing_listens_any_more() -> None:
    with RedisSentinels(replicas=2) as guarded:
        ports = [each.port for each in (*guarded.servers, *guarded.sentinels)]
        assert len(ports) == 3 + SENTINELS

    for port in ports:
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.1", port))
