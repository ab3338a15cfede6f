"""The names on the bus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from shared import keys

CALL = "CA00000000000000000000000000000001"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (keys.call(3, "CA1"), "{3}:call:CA1"),
        (keys.log(3, "CA1"), "{3}:log:CA1"),
        (keys.up(3, "MZ1"), "{3}:up:MZ1"),
        (keys.down(3, "MZ1"), "{3}:down:MZ1"),
        (keys.inbox(3, "edge-1"), "{3}:inbox:edge-1"),
        (keys.wake(3, "edge-1"), "{3}:wake:edge-1"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert name == expected


def test_all_that_dispatch_and_claim_touch_lies_in_one_slot() -> None:
    names = [keys.DISPATCH, keys.EPOCHS, keys.WORKERS, keys.EDGES, keys.INDEX]

    assert len({key_slot(name.encode()) for name in names}) == 1


def test_all_that_belongs_to_a_lane_lies_in_one_slot() -> None:
    names = [
        keys.call(3, "CA1"),
        keys.log(3, "CA2"),
        keys.up(3, "MZ1"),
        keys.down(3, "MZ2"),
        keys.inbox(3, "w"),
        keys.wake(3, "w"),
    ]

    assert len({key_slot(name.encode()) for name in names}) == 1


def test_the_hash_tag_of_a_name_is_what_redis_takes_for_it() -> None:
    for name, tag in ((keys.DISPATCH, keys.CALLS), (keys.call(13, "CA1"), "13")):
        assert keys.tag_of(name) == tag
        assert key_slot(name.encode()) == key_slot(tag.encode())


def test_a_call_has_one_lane_for_good() -> None:
    """Every version and every machine must reckon the same."""
    assert [keys.lane_of(CALL, lanes) for lanes in (1, 2, 8, 64)] == [0, 0, 6, 46]


def test_calls_spread_over_all_lanes() -> None:
    lanes = {keys.lane_of(f"CA{number:032x}", 8) for number in range(200)}

    assert lanes == set(range(8))


@given(st.integers(1, 64), st.text())
def test_whatever_a_call_is_called_all_of_it_lies_in_its_lane(lanes: int, name: str) -> None:
    lane = keys.lane_of(name, lanes)
    makers = (keys.call, keys.log, keys.up, keys.down, keys.inbox, keys.wake)

    assert 0 <= lane < lanes
    assert {keys.tag_of(make(lane, name)) for make in makers} == {str(lane)}
    slots = {key_slot(make(lane, name).encode()) for make in makers}
    assert slots == {key_slot(b"{%d}" % lane)}


def test_what_is_a_processs_own() -> None:
    names = [keys.inbox(3, "w"), keys.wake(3, "w"), keys.up(3, "MZ1"), keys.INDEX]

    assert [keys.is_of_process(name.encode()) for name in names] == [True, True, False, False]
