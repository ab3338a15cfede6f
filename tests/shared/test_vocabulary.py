"""The codec of the bus: what it writes, what it reads of other versions, what it refuses."""

from dataclasses import dataclass, field, fields
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calls import DISPATCHES, Ringing
from shared.messages import DOWN, NOTES, UP, Down, Note, Up
from shared.record import ENTRIES, Entry
from shared.vocabulary import BadMessage, Vocabulary


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 7


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    weight: float = 0.0
    is_new: bool = False
    sizes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


V: Vocabulary[Point | Thing | Nothing] = Vocabulary({1: Point, 2: Thing, 3: Nothing})


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Point(1, 2), b"\x93\x01\x01\x02"),
        (Thing("a", 0.5, True), b"\x95\x02\xa1a\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xc3\x80"),
        (Nothing(), b"\x91\x03"),
    ],
)
def test_a_message_is_an_array_of_its_code_and_fields(
    message: Point | Thing | Nothing, wire: bytes
) -> None:
    assert V.pack(message) == wire
    assert V.unpack(wire) == message


def test_an_unknown_code_is_nothing_to_this_version() -> None:
    assert V.unpack(msgpack.packb([99, "new", {"in": "2.0"}])) is None


def test_fields_that_a_newer_version_added_are_ignored() -> None:
    assert V.unpack(msgpack.packb([1, 5, 6, "more", [1, 2]])) == Point(5, 6)
    assert V.unpack(msgpack.packb([3, "more"])) == Nothing()


def test_a_field_that_an_older_version_did_not_send_takes_its_default() -> None:
    assert V.unpack(msgpack.packb([1, 5])) == Point(5, 7)
    assert V.unpack(msgpack.packb([2, "a"])) == Thing("a", 0.0, False, {})


def test_a_whole_number_serves_as_a_fraction() -> None:
    assert V.unpack(msgpack.packb([2, "a", 3])) == Thing("a", 3)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hello",
        b"\xc1",  # never used by msgpack
        b"\x90",  # no code
        b"\x91\x01",  # a field without a default is missing
        b"\x93\x01\x01",  # cut off
        b"\x91\x03\x00",  # something follows
        b"\x05",  # not an array
        b"\xc0",
        b"\x91\x90",  # a code that is an array
        b"\xdd\xff\xff\xff\xff\x01",  # an array of four milliards
        b"\xc6\xff\xff\xff\xff\x01",  # as many bytes
        b"\xdf\xff\xff\xff\xff\x01",
        b"\x91" * 4000,  # deeper than any stack
        b"\x92\x02\xa1\xff",  # text that is none
        b"\x92\x01\x81\x90\x00",  # a key that is an array
        b"\x92\x01\xd6\xff\xff\xff\xff\xff",  # a time
        b"\x92\x01\xc7\x01\xff\x00",  # a time of a wrong length
        b"\x92\x01\xd4\x05\x00",  # an extension type
    ],
)
def test_what_is_no_message_is_refused(garbage: bytes) -> None:
    with pytest.raises(BadMessage):
        V.unpack(garbage)


@pytest.mark.parametrize(
    "wrong",
    [
        [1, "1"],
        [1, 1.5],
        [1, None],
        [1, 1, b"2"],
        [2, 1],
        [2, b"a"],
        [2, "a", "1"],
        [2, "a", 1.0, 1],
        [2, "a", 1.0, True, []],
        [2, "a", 1.0, True, {"a": "b"}],
        [2, "a", 1.0, True, {b"a": 1.0}],
        [2, "a", 1.0, True, {"a": [1.0]}],
    ],
)
def test_a_field_of_the_wrong_type_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(BadMessage):
        V.unpack(msgpack.packb(wrong))


@pytest.mark.parametrize("data", [b"\xa44711", msgpack.packb([1, "4711"]), b"\x92\x01\xa44711\x00"])
def test_a_refusal_quotes_nothing(data: bytes) -> None:
    with pytest.raises(BadMessage) as refusal:
        V.unpack(data[:-1])

    assert "4711" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_a_message_that_cannot_be_written_leaves_no_trace_in_the_next() -> None:
    with pytest.raises(OverflowError):
        V.pack(Point(1, 2**70))

    assert V.pack(Point(1, 2)) == b"\x93\x01\x01\x02"


# -- whatever arrives ------------------------------------------------------------

ALL: list[Vocabulary[Any]] = [V, UP, DOWN, NOTES, ENTRIES, DISPATCHES]

INTS = st.integers(-(2**63), 2**64 - 1)
SCALARS = (
    st.none()
    | st.booleans()
    | INTS
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=5))
    | st.builds(msgpack.Timestamp, st.integers(0, 2**34 - 1), st.integers(0, 10**9 - 1))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.binary(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ARRAYS = st.builds(
    lambda code, values: [code, *values], st.integers(0, 17), st.lists(VALUES, max_size=8)
)
PACKED = (ARRAYS | VALUES).map(msgpack.packb)
DAMAGED = st.builds(
    lambda data, at, new: data[: at % len(data)] + new + data[at % len(data) + 1 :],
    PACKED,
    st.integers(0, 1000),
    st.binary(max_size=3),
)


@given(st.sampled_from(ALL), st.binary() | PACKED | DAMAGED)
def test_whatever_arrives_is_read_ignored_or_refused(
    vocabulary: Vocabulary[Any], data: bytes
) -> None:
    try:
        message = vocabulary.unpack(data)
    except BadMessage:
        return  # the only exception that unpack() documents

    # What was read is whole: it can be written again, and reads the same.
    if message is not None:
        assert repr(vocabulary.unpack(vocabulary.pack(message))) == repr(message)


SENT: dict[object, st.SearchStrategy[Any]] = {
    int: INTS,
    str: st.text(st.characters(exclude_categories=["Cs"])),
    bytes: st.binary(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    dict[str, float]: st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False), max_size=3),
}
KINDS = [
    (vocabulary, kind)
    for vocabulary, union in [(UP, Up), (DOWN, Down), (NOTES, Note), (ENTRIES, Entry)]
    for kind in get_args(union)
] + [(DISPATCHES, Ringing)]


@given(st.sampled_from(KINDS), st.data())
def test_whatever_is_written_is_read_by_every_version(
    case: tuple[Vocabulary[Any], Any], data: st.DataObject
) -> None:
    vocabulary, kind = case
    message = kind(**{each.name: data.draw(SENT[each.type]) for each in fields(kind)})
    packed = vocabulary.pack(message)

    assert vocabulary.unpack(packed) == message
    newer = [*msgpack.unpackb(packed), data.draw(SCALARS)]
    assert vocabulary.unpack(msgpack.packb(newer)) == message
