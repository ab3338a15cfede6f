"""A recording's files, read back."""

import io
import json
import struct
import tomllib
import wave
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replay import picture
from replay.export import Exported, export, write_stereo
from replay.masking import masked
from replay.picture import envelope, shortened
from replay.recording import Recording
from replay.report import HOLDFAST
from replay.timeline import timeline
from replay.tracks import Segment, Track
from shared import record
from shared.calls import Call
from shared.sound import DECODE
from tests.replay.tape import LOUD, Log, down, recording, sequence_at, up

if TYPE_CHECKING:
    from typing_extensions import Buffer

SETTINGS = '{"type": "Settings"}'


def talk() -> Recording:
    """A greeting, a turn that interrupts it, an answer with markup in it."""
    echoes = [(220, "m1"), (1500, "m2"), (3220, "m3"), (3420, "m4"), (3600, "#7")]
    entries = up(5, echoes, loud=(1400, 2000))

    def at(ms: int) -> int:
        return sequence_at(entries, ms)

    log: Log = [
        (0, record.Attached("MZ1", "edge-1")),
        (0, record.Taken("worker-1", 1)),
        (0, record.Configured(SETTINGS, "id")),
        (60, record.Said(1, "Hello, how are you today?", 2)),
        (1490, record.Onset(at(1480), barge_in=True)),
        (1490, record.Cut(1, 1390, 2120, "Hello, how", at(1480))),
        (2500, record.Heard("costs < $5 & tax_free?", at(2500))),
        (2600, record.ToolAsked("f1", "price", "{}", 1, at(2600))),
        (2700, record.ToolAnswered("f1", "price", "5", at(2700))),
        (3000, record.Said(2, "Five -->\n\U0001f600 dollars.", at(3000))),
        (3090, record.Answering(590, 1090, at(3080))),
        (3500, record.Said(3, "Never heard.", at(3500))),
        (3510, record.Trouble("agent", "SLOW", fatal=False, up=at(3500))),
        (3700, record.Pressed("7", at(3700))),
        (5000, record.Over("caller hung up", at(4980))),
    ]
    call = Call(
        caller="+15551234567", called="+15559876543", agent="cars", started_ms=1_700_000_000_000
    )
    return recording((entries, down("a120 m1 a2000 m2 ! b120 m3 b200 m4 !")), log=log, call=call)


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    return export(talk(), tmp_path / "new" / "folder")


def lines(exported: Exported) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported.transcript.read_text().splitlines()]


def test_the_sound_has_the_caller_left_and_the_agent_right(exported: Exported) -> None:
    with wave.open(str(exported.sound)) as sound:
        form = sound.getparams()
        samples = array("h", sound.readframes(form.nframes))

    assert (form.nchannels, form.sampwidth, form.framerate, form.nframes) == (2, 2, 8000, 40_000)
    left, right = samples[0::2], samples[1::2]
    assert set(left[1400 * 8 : 2000 * 8]) == {DECODE[LOUD[0]]}
    assert set(right[110 * 8 : 1490 * 8]) == {DECODE[ord("a")]}
    assert set(right[1520 * 8 : 3100 * 8]) == {0}
    assert set(right[3110 * 8 : 3430 * 8]) == {DECODE[ord("b")]}


def test_the_transcript_tells_all_that_happened_in_order(exported: Exported) -> None:
    told = lines(exported)

    assert [each["t"] for each in told] == sorted(each["t"] for each in told)
    assert [each["kind"] for each in told] == [
        *("sentence", "turn", "barge-in", "tool", "answer", "sentence", "sentence"),
        *("trouble", "digits", "end"),
    ]
    first, turn = told[:2]
    assert (first["text"], first["heard"]) == ("Hello, how are you today?", "Hello, how")
    assert (first["who"], first["t"], first["cut"]) == ("agent", 110, True)
    assert (turn["who"], turn["t"], turn["end"]) == ("caller", 1480, 2000)
    assert told[4]["latency_ms"] == 590


def test_subtitles_have_what_was_heard_and_no_markup_of_its_own(exported: Exported) -> None:
    cues = exported.subtitles.read_text().split("\n\n")

    assert cues[0] == "WEBVTT"
    assert cues[1:] == [
        "00:00:00.110 --> 00:00:01.510\n<v Agent>Hello, how",
        "00:00:01.480 --> 00:00:02.000\n<v Caller>costs &lt; $5 &amp; tax_free?",
        "00:00:03.110 --> 00:00:03.430\n<v Agent>Five --&gt; \U0001f600 dollars.\n",
    ]


def test_the_picture_is_a_png_of_its_size(exported: Exported) -> None:
    assert exported.picture
    data = exported.picture.read_bytes()

    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (picture.WIDTH, picture.HEIGHT)


def test_the_report_has_the_figures_and_no_numbers(exported: Exported) -> None:
    text = exported.report.read_text()
    report = json.loads(text)

    assert report["duration_ms"] == 5000
    assert (report["turns"], report["barge_ins"], report["end"]) == (1, 1, "caller hung up")
    assert (report["sentences_cut"], report["sentences_unheard"]) == (1, 1)
    assert report["latency_ms"] == {"p50": 590, "max": 590}
    assert report["started"] == "2023-11-14T22:13:20+00:00"
    assert len(report["settings_sha256"][0]) == 64
    assert "5551234" not in text
    assert report["from"] == "***567"


def test_numbers_are_shown_to_those_who_ask(tmp_path: Path) -> None:
    report = json.loads(export(talk(), tmp_path, numbers=True).report.read_text())

    assert (report["from"], report["to"]) == ("+15551234567", "+15559876543")


@pytest.mark.parametrize(
    ("number", "shown"), [("+15551234567", "***567"), ("12345", "***"), ("", "")]
)
def test_masked(number: str, shown: str) -> None:
    assert masked(number) == shown


def test_nothing_but_the_files_is_left(exported: Exported) -> None:
    assert sorted(exported.sound.parent.iterdir()) == sorted(exported.paths)


def test_a_file_that_cannot_be_written_whole_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(talk(), tmp_path)
    before = (tmp_path / "timeline.png").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture, "draw", fail)
    with pytest.raises(OSError, match="No space"):
        export(talk(), tmp_path)

    assert (tmp_path / "timeline.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 5


def test_a_call_in_which_nothing_happened(tmp_path: Path) -> None:
    exported = export(Recording("CA1"), tmp_path)

    assert exported.subtitles.read_text() == "WEBVTT\n"
    assert lines(exported) == []
    assert json.loads(exported.report.read_text())["end"] is None


def test_an_envelope_has_the_loudest_of_each_part() -> None:
    track = Track((Segment(500, LOUD * 25),))

    levels = envelope(track, 1000, points=4)

    assert levels[:2] == [0, 0]
    assert levels[2] == levels[3] > 0.2


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [("a b", 9, "a b"), ("a\nb", 3, "a b"), ("one two three", 10, "one two..."), ("word", 3, "")],
)
def test_labels_are_shortened_to_their_room(text: str, room: int, shown: str) -> None:
    assert shortened(text, room) == shown


def test_the_timeline_is_not_touched_by_sound_beyond_its_end() -> None:
    assert Track((Segment(-5, b"ab" * 40), Segment(90, LOUD))).render(10) == b"ab" * 40
    assert timeline(talk()).duration_ms == 5000


class Watched(io.BytesIO):
    """A file that knows the largest piece that was written into it."""

    largest = 0

    def write(self, data: "Buffer", /) -> int:
        self.largest = max(self.largest, memoryview(data).nbytes)
        return super().write(data)


def test_long_sound_is_written_in_pieces_and_is_the_same() -> None:
    call = timeline(recording((up(200, loud=(59_900, 61_000)), down("a120 m1 a70000 m2"))))
    file = Watched()

    write_stereo(call, file)

    assert file.largest == 60 * 8000 * 4
    with wave.open(io.BytesIO(file.getvalue())) as sound:
        samples = array("h", sound.readframes(sound.getnframes()))
    for side, track in ((0, call.caller), (1, call.agent)):
        assert samples[side::2] == array("h", [DECODE[byte] for byte in track.render(200_000)])


def test_a_track_is_the_same_in_windows() -> None:
    track = Track((Segment(-5, b"ab" * 80), Segment(30, LOUD), Segment(45, b"c" * 80)))

    whole = track.render(60)

    for step in (1, 7, 160, 1000):
        parts = [track.window(at, min(480, at + step)) for at in range(0, 480, step)]
        assert b"".join(parts) == whole


def test_the_version_is_the_products() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

    assert project["project"]["version"] == HOLDFAST


def test_without_matplotlib_there_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.export.find_spec", lambda _: None)

    exported = export(talk(), tmp_path)

    assert exported.picture is None
    assert sorted(tmp_path.iterdir()) == sorted(exported.paths)
    assert len(exported.paths) == 4
