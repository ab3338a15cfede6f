"""Commands rewritten as another version would have written them."""

from collections import Counter

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from shared import keys
from shared.calls import DISPATCHES, Ringing
from shared.messages import DOWN, UP, Audio, Clear, Mark, Sentence
from shared.record import ENTRIES, Said, Taken
from sim.faults.versions import Rewrite, Rewriter, next_version, previous_version

SOUND = b"\x90" * 160


def command(*arguments: bytes) -> bytes:
    parts = [b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments]
    return b"*%d\r\n%b" % (len(arguments), b"".join(parts))


def rewritten(rewrite: Rewrite, *arguments: bytes) -> bytes:
    """The last argument of a command, rewritten."""
    out = Rewriter(rewrite, Counter()).feed(command(*arguments))
    assert out.startswith(b"*%d\r\n" % len(arguments))
    return out[: -len(b"\r\n")].rpartition(b"\r\n")[2]


def up(message: Audio | Mark, rewrite: Rewrite) -> bytes:
    return rewritten(rewrite, b"XADD", keys.up(0, "MZ1").encode(), b"1-0", b"", UP.pack(message))


def test_the_next_version_has_more_fields_and_this_one_reads_them() -> None:
    mark = Mark("a", 20)

    assert up(mark, next_version) != UP.pack(mark)
    assert UP.unpack(up(mark, next_version)) == mark


def test_the_next_version_has_kinds_that_this_one_ignores() -> None:
    key = keys.down(0, "MZ1").encode()
    sentence = rewritten(next_version, b"XADD", key, b"1-1", b"", DOWN.pack(Sentence(1)))
    clear = rewritten(next_version, b"XADD", key, b"1-2", b"", DOWN.pack(Clear()))

    assert DOWN.unpack(sentence) is None
    assert DOWN.unpack(clear) == Clear()


def test_the_previous_version_left_out_what_has_its_default() -> None:
    assert up(Mark("a", 0), previous_version) == msgpack.packb([2, "a"])
    assert UP.unpack(up(Mark("a", 0), previous_version)) == Mark("a", 0)
    assert up(Mark("a", 20), previous_version) == UP.pack(Mark("a", 20))


def test_scripts_are_rewritten_too() -> None:
    log, call = keys.log(0, "CA1").encode(), keys.call(0, "CA1").encode()
    said = ENTRIES.pack(Said(1, "Hello.", 7))
    out = rewritten(previous_version, b"EVALSHA", b"f" * 40, b"2", log, call, b"3600", said)
    assert len(out) < len(said)
    assert ENTRIES.unpack(out) == Said(1, "Hello.", 7)

    ringing = DISPATCHES.pack(Ringing("CA1", "+1", "+2"))
    new, epochs = keys.DISPATCH.encode(), keys.EPOCHS.encode()
    out = rewritten(next_version, b"EVALSHA", b"f" * 40, b"2", new, epochs, b"CA1", ringing)
    assert DISPATCHES.unpack(out) == Ringing("CA1", "+1", "+2")


def test_all_other_commands_pass_as_they_are() -> None:
    counts: Counter[str] = Counter()
    plain = command(b"HSET", keys.call(0, "CA1").encode(), b"a", msgpack.packb([1, SOUND]))

    assert Rewriter(next_version, counts).feed(plain) == plain
    assert not counts


@given(st.lists(st.integers(1, 40), max_size=40))
def test_it_makes_no_difference_how_commands_are_cut_on_their_way(sizes: list[int]) -> None:
    log, call = keys.log(0, "CA1").encode(), keys.call(0, "CA1").encode()
    data = command(
        b"XADD", keys.up(0, "MZ1").encode(), b"1-0", b"", UP.pack(Audio(SOUND, 20))
    ) + command(b"EVALSHA", b"f" * 40, b"2", log, call, ENTRIES.pack(Taken("worker-1", 3)))
    whole = Rewriter(next_version, Counter()).feed(data)
    pieces, rest = [], data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    rewriter = Rewriter(next_version, Counter())

    assert b"".join(map(rewriter.feed, [*pieces, rest])) == whole
