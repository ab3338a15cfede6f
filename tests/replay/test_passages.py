"""Sensitive passages: silence in what is read back, and nothing in a bundle."""

from pathlib import Path

from replay.bundle import load_bundle, load_original, save_bundle
from replay.passages import Passage, passages_of
from replay.recording import Recording, read
from shared.bus.archive import Original, OriginalStream
from shared.messages import DOWN, UP, Audio, Digit, Down, Hush, Mark, Up
from shared.record import ENTRIES, Attached, Entry, Paused, Resumed
from shared.sound import SILENCE

OPEN, SECRET = b"\x11" * 160, b"\x66" * 160

LOG: list[Entry] = [Attached("MZ1", "edge-1"), Paused(2), Resumed(4)]
UP_ENTRIES: list[tuple[int, Up]] = [
    (1, Audio(OPEN, 0)),
    (2, Audio(OPEN, 20)),
    (3, Audio(SECRET, 40)),
    (4, Digit("7", 60)),
    (5, Mark("m", 60)),
    (6, Audio(OPEN, 80)),
]
DOWN_ENTRIES: list[Down] = [
    Audio(OPEN),
    Hush(160),
    Audio(SECRET),
    Mark("m"),
    Hush(160),  # whose sound its owner has deleted
    Hush(0),
    Audio(OPEN),
]


def paused(log: list[Entry] = LOG) -> Original:
    """A call with a passage, as its owner left it when it died."""
    return Original(
        "CA1",
        {b"stream:MZ1": b"1", b"state": b"ended"},
        tuple((b"%d-0" % i, ENTRIES.pack(entry)) for i, entry in enumerate(log, 1)),
        (
            OriginalStream(
                "MZ1",
                tuple((b"%d-0" % number, UP.pack(each)) for number, each in UP_ENTRIES),
                tuple((b"1-%d" % i, DOWN.pack(each)) for i, each in enumerate(DOWN_ENTRIES, 1)),
            ),
        ),
    )


def sounds(recording: Recording) -> tuple[list[bytes], list[bytes]]:
    """What is left of the sound, up and down."""
    (stream,) = recording.streams
    up = [each.mulaw for _, each in stream.up if isinstance(each, Audio)]
    return up, [each.mulaw for each in stream.down if isinstance(each, Audio)]


def test_a_passage_is_silence_to_who_reads_the_call() -> None:
    recording = read(paused())

    silence = SILENCE * 160
    assert sounds(recording) == ([OPEN] * 3, [OPEN, silence, silence, OPEN])
    assert not any(isinstance(each, Digit) for _, each in recording.streams[0].up)


def test_a_bundle_has_nothing_of_it_whatever_is_asked_for(tmp_path: Path) -> None:
    for numbers in (False, True):
        path = save_bundle(paused(), tmp_path / f"{numbers}.call", numbers=numbers)
        (stream,) = load_original(path).streams

        assert not any(SECRET in payload for _, payload in (*stream.up, *stream.down))
        assert not any(isinstance(UP.unpack(payload), Digit) for _, payload in stream.up)
        assert sounds(load_bundle(path)) == sounds(read(paused()))


def test_one_that_nobody_ended_goes_on_to_the_end() -> None:
    up, _ = sounds(read(paused(LOG[:2])))

    assert up == [OPEN] * 2


def test_it_goes_on_from_one_phone_to_the_next() -> None:
    log: list[Entry] = [Attached("MZ1", "e"), Paused(7), Attached("MZ2", "e"), Resumed(9)]

    passages = passages_of([*log, Attached("MZ3", "e")])

    assert passages == {"MZ1": [Passage(7)], "MZ2": [Passage(0, 9)]}


def test_a_call_without_one_is_as_it_was() -> None:
    assert passages_of(LOG[:1]) == {}
    assert len(read(paused(LOG[:1])).streams[0].up) == len(UP_ENTRIES)
