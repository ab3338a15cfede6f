"""The record of a session: everything, up to a bound."""

import pytest

from sim.agent import SessionRecord


def test_frames_are_kept_both_ways() -> None:
    record = SessionRecord("id")
    record.note(b"\xff" * 160, sent=False)
    record.note('{"type":"Welcome"}', sent=True)
    record.note("no JSON", sent=False)

    assert [(f.sent, f.size, f.json()) for f in record.frames] == [
        (False, 160, {}),
        (True, 18, {"type": "Welcome"}),
        (False, 7, {}),
    ]
    assert record.sent == [{"type": "Welcome"}]
    assert record.heard == b"\xff" * 160


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.agent.record.SOUND_BYTES", 320)
    monkeypatch.setattr("sim.agent.record.FRAMES", 3)
    record = SessionRecord("id")
    for _ in range(5):
        record.note(b"\xff" * 160, sent=True)

    assert (len(record.spoken), record.spoken_bytes, len(record.frames)) == (320, 800, 3)


def test_voices_and_words_stay_out_of_logs() -> None:
    record = SessionRecord("id")
    record.user_turns.append("my PIN is 1234")
    record.note('{"content":"1234"}', sent=False)

    assert "1234" not in repr(record) + repr(record.frames)
