"""When a call counts as repeated."""

import pytest

from replay.recording import Recording, Stream
from shared import record
from shared.messages import Audio
from sim.corpus.same import caller_sound, is_same_sound, timeless

HUSH = b"\xff" * 160
A, B, C = (bytes([n]) * 160 for n in (1, 2, 3))


def call(*streams: bytes) -> Recording:
    made = []
    for sound in streams:
        pieces = [sound[at : at + 160] for at in range(0, len(sound), 160)]
        made.append(Stream("MZ", tuple((n, Audio(p, n * 20)) for n, p in enumerate(pieces))))
    return Recording("CA1", streams=tuple(made))


ONE = call(HUSH + A + HUSH + B + HUSH)


def test_silence_around_the_call_does_not_count() -> None:
    assert caller_sound(ONE) == HUSH + A + HUSH + B + HUSH
    assert is_same_sound(ONE, [HUSH * 9 + A + HUSH + B])


@pytest.mark.parametrize(
    "heard",
    [
        A + B,
        A + HUSH + HUSH + B,
        A + HUSH + C,
        A + HUSH,
        HUSH + B,
        b"",
        A + HUSH + B[:-1] + b"\x07",
    ],
)
def test_anything_else_does(heard: bytes) -> None:
    assert not is_same_sound(ONE, [heard])


def test_where_a_phone_was_lost_silence_may_lie_between() -> None:
    assert is_same_sound(call(A + HUSH, B), [A + HUSH * 30 + B])
    assert not is_same_sound(call(A + HUSH, B), [A + HUSH * 30 + C])


def test_where_a_worker_died_two_sessions_heard_the_call_and_none_of_it_is_missing() -> None:
    whole = call(A + B + C)

    assert is_same_sound(whole, [A + B, HUSH + B + C])
    assert is_same_sound(whole, [A, B + C])
    assert not is_same_sound(whole, [A, C])
    assert not is_same_sound(whole, [B, B + C])


def test_a_log_without_times_and_made_up_names() -> None:
    def log(n: int) -> list[tuple[int, record.Entry]]:
        return [
            (n, record.Taken(f"worker-{n}", n)),
            (n, record.Attached(f"MZ{n}", f"edge-{n}")),
            (n, record.Configured("{}", f"request-{n}", n)),
            (n, record.Answering(n, n, n)),
            (n, record.Cut(1, n, 500, "so far", n)),
            (n, record.ToolAsked(f"c{n}", "book", "{}", 1, n)),
            (n, record.ToolAnswered(f"c{n}", "book", "done", n)),
            (n, record.Latency({"total_latency": n / 10}, n)),
            (n, record.Lost(f"MZ{n}", "gone")),
            (n, record.Over("caller hung up", n)),
        ]

    assert timeless(log(1)) == timeless(log(2))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (record.Heard("a car", 1), record.Heard("a bar", 1)),
        (record.Onset(1, barge_in=True), record.Onset(1)),
        (record.Said(1, "Yes.", 1), record.Said(1, "Yes.", 1, "bridge")),
        (record.ToolAnswered("c", "book", "done", 1), record.ToolAnswered("c", "book", "full", 1)),
        (record.Configured("{}", "r", 1), record.Configured('{"agent": {}}', "r", 1)),
        (record.Over("caller hung up"), record.Over("agent failed")),
        (record.Finished(1), record.Released("w")),
    ],
)
def test_what_was_said_and_done_is_told_apart(a: record.Entry, b: record.Entry) -> None:
    assert timeless([(0, a)]) != timeless([(0, b)])
