"""Which call a phone socket may have, on a real Redis that any edge asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.twilio import Started
from tests.edge.kit import CALL, STREAM, Edge, a_worker, an_edge, ask, calls

OTHER = CALL[:-1] + "2"


@pytest.fixture
async def edge(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis) as edge:
        yield edge


@asynccontextmanager
async def two_edges(redis: str, **settings: Any) -> AsyncIterator[tuple[Edge, Edge]]:
    async with (
        an_edge(redis, "edge-1", **settings) as one,
        an_edge(redis, "edge-2", **settings) as two,
    ):
        yield one, two


async def admits(edge: Edge, call_sid: str = CALL, **parameters: str) -> bool:
    """Whether a socket that begins so is let in."""
    started = Started(call_sid, STREAM, 1, parameters)
    return await edge.face.desk.admit(started) is not None


async def test_a_token_of_one_edge_opens_a_socket_at_another_once(redis: str) -> None:
    async with two_edges(redis) as (one, two):
        token = await one.token()

        assert await admits(two, token=token)
        assert not await admits(one, token=token)
        assert not await admits(two, token=token)
        assert two.face.counts.sockets_without_token == 1


@pytest.mark.parametrize("requires", ["on", "off"])
async def test_a_call_of_a_webhook_needs_its_own_token(redis: str, requires: str) -> None:
    async with an_edge(redis, REQUIRE_TOKEN=requires) as edge:
        token, foreign = await edge.token(), await edge.token("/twilio/voice", CallSid=OTHER)
        refused = [{}, {"token": ""}, {"token": "x"}, {"token": foreign}]

        assert not any([await admits(edge, **each) for each in refused])
        assert await admits(edge, token=token)
        assert await admits(edge, OTHER, token=foreign)


async def test_a_token_that_is_late_opens_nothing(redis: str) -> None:
    async with an_edge(redis, TOKEN_S="0.1", NOTICE="off") as edge:
        token = await edge.token()
        await asyncio.sleep(0.2)

        assert not await admits(edge, token=token)
        assert (await edge.call()).tokens == ()


async def test_a_bin_s_call_needs_no_token(edge: Edge) -> None:
    assert await admits(edge)
    assert await calls(edge) == 1


@pytest.mark.parametrize("parameters", [{}, {"token": "x"}])
async def test_unless_a_token_is_required(redis: str, parameters: dict[str, str]) -> None:
    async with an_edge(redis, REQUIRE_TOKEN="1") as edge:
        assert not await admits(edge, **parameters)
        assert await calls(edge) == 0
        assert await ask(edge, "KEYS", "{0}:call:*") == []
        assert edge.face.counts.sockets_without_token == 1


async def test_a_token_is_worth_nothing_for_a_call_that_nobody_announced(redis: str) -> None:
    async with an_edge(redis, REQUIRE_TOKEN="1") as edge:
        token = await edge.token()

        assert not await admits(edge, OTHER, token=token)
        assert await admits(edge, token=token)


async def test_a_bin_s_callers_are_counted_if_it_says_who_calls(redis: str) -> None:
    async with an_edge(redis, MAX_CALLS_PER_CALLER="1") as edge, a_worker(redis) as worker:
        await worker.beat(places=10)
        assert await admits(edge, **{"from": "+1"})
        assert not await admits(edge, OTHER, **{"from": "+1"})
        assert await admits(edge, OTHER)
        assert edge.face.counts.crowded == 1


async def test_a_second_socket_of_a_bin_s_call_is_refused(edge: Edge) -> None:
    assert await admits(edge)
    edge.registry.door.attach(CALL, STREAM)

    assert not await admits(edge)
    assert edge.face.counts.sockets_doubled == 1
