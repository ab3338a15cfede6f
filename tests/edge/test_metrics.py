"""What an edge tells of its phones while they are there, and when they are gone."""

from websockets.asyncio.client import connect

from edge.metrics import EdgeMetrics
from tests.edge.kit import Edge, listening, until


def told(edge: Edge) -> dict[str, float]:
    """Of all that is not 0, by name and labels."""
    samples = [each for family in EdgeMetrics(edge.face).collect() for each in family.samples]
    named = {" ".join([each.name, *each.labels.values()]): each.value for each in samples}
    return {name.removeprefix("holdfast_"): value for name, value in named.items() if value}


async def test_a_socket_that_never_has_a_call(redis: str) -> None:
    async with listening(redis) as edge:
        assert told(edge) == {}
        async with connect(edge.stream, proxy=None):
            await until(lambda: told(edge).get("phones_live") == 1.0)
        await until(lambda: told(edge).get("phones_ended_total refused") == 1.0)

        assert "phones_live" not in told(edge)


async def test_every_end_that_we_name_is_told_from_the_first(redis: str) -> None:
    async with listening(redis) as edge:
        families = {family.name: family for family in EdgeMetrics(edge.face).collect()}

    assert [sample.value for sample in families["holdfast_phones_ended"].samples].count(0.0) > 10
    assert [s.labels["direction"] for s in families["holdfast_phone_messages"].samples] == [
        "up",
        "down",
    ]


async def test_an_edge_that_is_told_to_stop(redis: str) -> None:
    async with listening(redis) as edge:
        assert edge.face.is_ready
        edge.fleet.drain(1.0)

        assert told(edge) == {"draining": 1.0}
        assert not edge.face.is_ready
