"""What processes cost, read from outside."""

import os
import time

from sim.load.meters import Reading, Redis, cpu_s, machine, rss_kb

GONE = 2**22 + 1


def test_our_own_work_shows() -> None:
    before = cpu_s(os.getpid())
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass

    assert cpu_s(os.getpid()) - before >= 0.03
    assert rss_kb(os.getpid()) > 1000


def test_a_process_that_is_gone_costs_nothing() -> None:
    assert (cpu_s(GONE), rss_kb(GONE)) == (0.0, 0)


def test_redis_counts_are_read_by_name() -> None:
    info = (
        "+OK\r\n# Stats\r\ntotal_commands_processed:5\r\ntotal_net_input_bytes:6\r\n"
        "total_net_output_bytes:7\r\n# Memory\r\nused_memory:8\r\nused_memory_human:8B\r\n"
    )

    assert Redis.parse(info) == Redis(5, 6, 7, 8)


def test_a_reading_sums_what_plays_a_role() -> None:
    reading = Reading.take({"test": [os.getpid(), GONE]})

    assert reading.rss_kb["test"] > 1000
    assert 0 < reading.cpu_s["test"] <= reading.machine_s
    assert reading.redis == Redis()


def test_the_machine_has_a_name_and_cores() -> None:
    assert machine().endswith(" cores")
