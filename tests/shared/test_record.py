"""The entries of a call's log, and their bytes: recordings outlive the version that made them."""

from typing import get_args

import msgpack
import pytest

from shared.record import (
    ENTRIES,
    AnsweredBy,
    Answering,
    Attached,
    Configured,
    Cut,
    DialFailed,
    Ending,
    Entry,
    Finished,
    Heard,
    Latency,
    Lost,
    Onset,
    Over,
    Paused,
    Pressed,
    Released,
    Resumed,
    Said,
    Taken,
    ToolAnswered,
    ToolAsked,
    ToolCancelled,
    Transferring,
    Trouble,
    Typed,
    Updated,
)

# Each entry, and the array it is on the wire. A line never changes, lines are only added.
WIRE: list[tuple[Entry, list[object]]] = [
    (Attached("MZ1", "edge-1"), [1, "MZ1", "edge-1"]),
    (Taken("worker-1", 1_700_000_000_000, 9), [2, "worker-1", 1_700_000_000_000, 9]),
    (Configured("{}", "req-1", 3, "{1}"), [3, "{}", "req-1", 3, "{1}"]),
    (Onset(4, True), [4, 4, True]),
    (Heard("hello", 5), [5, "hello", 5]),
    (Said(1, "Hi.", 6, "bridge"), [6, 1, "Hi.", 6, "bridge", False]),
    (Cut(1, 400, 900, "H", 7), [7, 1, 400, 900, "H", 7]),
    (Answering(250, 700, 8), [8, 250, 700, 8]),
    (Latency({"total": 0.5}, 9), [9, {"total": 0.5}, 9]),
    (
        ToolAsked("t1", "look_up", "{}", 2, 10, "sig", "key"),
        [10, "t1", "look_up", "{}", 2, 10, "sig", "key", True],
    ),
    (Updated("prompt", "Be brief.", 23), [31, "prompt", "Be brief.", 23]),
    (Paused(24), [32, 24]),
    (Resumed(25), [33, 25]),
    (ToolAnswered("t1", "look_up", "found", 11), [11, "t1", "look_up", "found", 11]),
    (ToolCancelled("t1", "look_up", 12), [12, "t1", "look_up", 12]),
    (Pressed("12#", 13), [13, "12#", 13]),
    (Trouble("agent", "1011", False, 14), [14, "agent", "1011", False, 14]),
    (Lost("MZ1", "socket closed 1006"), [15, "MZ1", "socket closed 1006"]),
    (Over("caller hung up", 16), [16, "caller hung up", 16]),
    (Finished(17), [17, 17]),
    (Ending("agent ended the call", 18), [18, "agent ended the call", 18]),
    (Released("worker-1"), [19, "worker-1"]),
    (Transferring("+1555", 9), [20, "+1555", 9]),
    (DialFailed("busy"), [21, "busy"]),
    (Typed("4", 9), [22, "4", 9]),
    (AnsweredBy("machine_end_beep"), [23, "machine_end_beep"]),
]


@pytest.mark.parametrize(("entry", "array"), WIRE)
def test_entry(entry: Entry, array: list[object]) -> None:
    wire = msgpack.packb(array)

    assert ENTRIES.pack(entry) == wire
    assert ENTRIES.unpack(wire) == entry


def test_a_field_that_an_older_writer_does_not_know_takes_its_default() -> None:
    older = msgpack.packb([10, "t1", "look_up", "{}", 2, 10])

    assert ENTRIES.unpack(older) == ToolAsked("t1", "look_up", "{}", 2, 10)


def test_every_entry_is_listed_here() -> None:
    assert {type(entry) for entry, _ in WIRE} == set(get_args(Entry))


def test_bytes_of_an_entry() -> None:
    assert ENTRIES.pack(Heard("yes", 300)) == b"\x93\x05\xa3yes\xcd\x01\x2c"


@pytest.mark.parametrize(
    ("array", "entry"),
    [
        ([2, "worker-1", 5], Taken("worker-1", 5, 0)),
        ([4, 4], Onset(4, False)),
        ([6, 1, "Hi.", 6], Said(1, "Hi.", 6, "default")),
        ([16, "bye"], Over("bye", 0)),
    ],
)
def test_an_older_entry_takes_defaults(array: list[object], entry: Entry) -> None:
    assert ENTRIES.unpack(msgpack.packb(array)) == entry


@pytest.mark.parametrize(
    "entry",
    [
        Configured("4711", "req"),
        Heard("4711", 1),
        Said(1, "4711", 1),
        Cut(1, 2, 3, "4711", 1),
        ToolAsked("t", "f", "4711", 1, 1),
        ToolAnswered("t", "f", "4711", 1),
        Pressed("4711", 1),
        Updated("prompt", "4711"),
    ],
)
def test_words_and_digits_do_not_show(entry: Entry) -> None:
    assert "4711" not in repr(entry)
