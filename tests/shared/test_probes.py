"""What METRICS_PORT answers, and whom it does not wait for."""

import asyncio
import socket

import httpx
import pytest

from shared import probes as module
from shared.probes import is_free, probes
from sim.redis import free_port


async def test_the_three_paths() -> None:
    port, is_ready = free_port(), True
    async with (
        probes("127.0.0.1", port, lambda: is_ready, lambda: b"holdfast_calls_live 3\n"),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        metrics = await client.get("/metrics?name=x")
        ready = await client.get("/readyz")
        is_ready = False
        not_ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        other = await client.get("/")
        posted = await client.post("/metrics")

    assert (metrics.status_code, metrics.text) == (200, "holdfast_calls_live 3\n")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert [each.status_code for each in (ready, not_ready, alive)] == [200, 503, 200]
    assert [each.status_code for each in (other, posted)] == [404, 404]


async def test_who_sends_no_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_WITHIN_S", 0.05)
    port = free_port()
    async with probes("127.0.0.1", port, lambda: True, lambda: b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_without_a_port_there_is_no_server() -> None:
    async with probes("127.0.0.1", 0, lambda: True, lambda: b""):
        pass


def test_whether_a_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)

    assert is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", 0)
    assert not is_free("192.0.2.1", 0)  # no address of this machine's
