"""What edge and worker tell each other, and its bytes on the wire."""

from typing import get_args

import pytest

from shared.messages import (
    DOWN,
    NOTES,
    UP,
    Answered,
    Attach,
    Audio,
    Clear,
    Detached,
    Digit,
    Dispatched,
    Down,
    Dropped,
    Ended,
    HungUp,
    Hush,
    Leaving,
    Mark,
    Move,
    Note,
    Offer,
    Order,
    Outcome,
    Owned,
    Prepared,
    Sentence,
    Up,
    drop_stale,
    veiled,
)

# Deployed versions read these bytes: a line here never changes, lines are only added.
UP_WIRE: list[tuple[Up, bytes]] = [
    (Audio(b"\xff\x7f", 20), b"\x93\x01\xc4\x02\xff\x7f\x14"),
    (Mark("a1", 300), b"\x93\x02\xa2a1\xcd\x01\x2c"),
    (Digit("#", 1), b"\x93\x04\xa1#\x01"),
    (Ended("bye"), b"\x92\x05\xa3bye"),
    (Detached("gone"), b"\x92\x06\xa4gone"),
    (Dropped("a2"), b"\x92\x07\xa2a2"),
]
DOWN_WIRE: list[tuple[Down, bytes]] = [
    (Audio(b"\xff\x7f"), b"\x93\x01\xc4\x02\xff\x7f\x00"),
    (Mark("a1"), b"\x93\x02\xa2a1\x00"),
    (Clear(), b"\x91\x03"),
    (Ended("bye"), b"\x92\x05\xa3bye"),
    (Owned("w1", 2), b"\x93\x08\xa2w1\x02"),
    (Sentence(7), b"\x92\x09\x07"),
    (Move(), b"\x91\x0a"),
    (Hush(160), b"\x92\x15\xcc\xa0"),
]
NOTES_WIRE: list[tuple[Note, bytes]] = [
    (Attach("CA1", "MZ1"), b"\x93\x01\xa3CA1\xa3MZ1"),
    (HungUp("CA1", "bye"), b"\x93\x02\xa3CA1\xa3bye"),
    (Dispatched(), b"\x91\x03"),
    (Leaving("CA1", "MZ1"), b"\x93\x05\xa3CA1\xa3MZ1"),
    (Offer("CA1", "w1"), b"\x93\x06\xa3CA1\xa2w1"),
    (Prepared("CA1", "w1"), b"\x93\x07\xa3CA1\xa2w1"),
    (Answered("CA1", "fax"), b"\x93\x08\xa3CA1\xa3fax"),
    (Order("CA1", "o1", 1, "say", "Hi"), b"\x96\x0b\xa3CA1\xa2o1\x01\xa3say\xa2Hi"),
    (Outcome(1, "no"), b"\x93\x0c\x01\xa2no"),
]


@pytest.mark.parametrize(("message", "wire"), UP_WIRE)
def test_up(message: Up, wire: bytes) -> None:
    assert UP.pack(message) == wire
    assert UP.unpack(wire) == message


@pytest.mark.parametrize(("message", "wire"), DOWN_WIRE)
def test_down(message: Down, wire: bytes) -> None:
    assert DOWN.pack(message) == wire
    assert DOWN.unpack(wire) == message


@pytest.mark.parametrize(("note", "wire"), NOTES_WIRE)
def test_notes(note: Note, wire: bytes) -> None:
    assert NOTES.pack(note) == wire
    assert NOTES.unpack(wire) == note


def test_every_message_is_listed_here() -> None:
    assert {type(message) for message, _ in UP_WIRE} == set(get_args(Up))
    assert {type(message) for message, _ in DOWN_WIRE} == set(get_args(Down))
    assert {type(note) for note, _ in NOTES_WIRE} == set(get_args(Note))


def test_a_direction_does_not_know_the_messages_of_the_other() -> None:
    assert UP.unpack(DOWN.pack(Clear())) is None
    assert DOWN.unpack(UP.pack(Digit("1"))) is None


@pytest.mark.parametrize("code", [4, 11, 200])
def test_a_code_from_a_newer_version_is_nothing(code: int) -> None:
    assert DOWN.unpack(bytes([0x92, 0xCC, code, 0x01])) is None


def test_a_frame_costs_a_handful_of_bytes_beside_its_sound() -> None:
    assert len(UP.pack(Audio(bytes(160), 3_600_000))) == 160 + 9


@pytest.mark.parametrize("message", [Audio(b"4711"), Digit("4711")])
def test_sound_and_digits_do_not_show(message: Up) -> None:
    assert "4711" not in repr(message)


# -- Clear overtakes sound ---------------------------------------------------------

OLD, NEW = Audio(b"old"), Audio(b"new")
M1, M2 = Mark("1"), Mark("2")


@pytest.mark.parametrize(
    ("batch", "kept", "dropped"),
    [
        ([], [], []),
        ([OLD, M1, NEW], [OLD, M1, NEW], []),
        ([Clear(), NEW], [Clear(), NEW], []),
        ([OLD, M1, Clear(), NEW, M2], [Clear(), NEW, M2], [M1]),
        ([OLD, Clear(), OLD, M1, Clear()], [Clear()], [M1]),
        ([M1, OLD, M2, Clear()], [Clear()], [M1, M2]),
    ],
)
def test_a_clear_takes_back_the_sound_before_it(
    batch: list[Down], kept: list[Down], dropped: list[Mark]
) -> None:
    assert drop_stale(batch) == (kept, dropped)


def test_a_clear_takes_back_nothing_else() -> None:
    owned, ended = Owned("w2", 5), Ended("bye")

    assert drop_stale([OLD, owned, OLD, ended, Clear()]) == ([owned, ended, Clear()], [])


HUSHED: list[Down] = [
    Audio(b"\x01\x02"),
    Hush(2),
    Audio(b"\x03\x04"),
    Mark("m"),
    Hush(3),
    Audio(b"\x05" * 3),
]


def test_what_was_for_the_caller_alone_is_silence_to_who_reads_it_back() -> None:
    assert veiled([*HUSHED, Hush(0), Audio(b"\x06")]) == [
        Audio(b"\x01\x02"),
        Audio(b"\xff\xff"),
        Mark("m"),
        Audio(b"\xff" * 3),
        Audio(b"\x06"),
    ]


def test_it_is_so_too_when_the_sound_is_deleted() -> None:
    left: list[Down] = [each for each in HUSHED[1:] if not isinstance(each, Audio)]

    assert veiled([*left, Hush(0), Audio(b"\x06")]) == [
        Audio(b"\xff\xff"),
        Mark("m"),
        Audio(b"\xff" * 3),
        Audio(b"\x06"),
    ]


def test_a_clear_takes_a_hush_back_with_its_sound() -> None:
    kept, _ = drop_stale([Hush(2), Audio(b"\x03\x04"), Clear()])

    assert kept == [Clear()]
