"""The corpus is replayed: the same frames to the agent, byte for byte, and the same log."""

from dataclasses import replace
from pathlib import Path

import pytest

from replay.bundle import load_bundle
from shared.record import Heard
from sim.corpus.check import check, finding_of
from sim.corpus.main import FOLDER, main, told
from sim.corpus.same import caller_sound
from sim.corpus.scenes import SCENES

MAX_BYTES = 150_000


async def test_every_bundle_can_be_repeated() -> None:
    findings = await check(FOLDER, SCENES)

    assert [f.name for f in findings if not f.is_same_sound] == []
    assert {f.name: told(f) for f in findings if f.differs_at is not None} == {}
    for finding in findings:
        assert finding.replayed.call.replays == finding.recorded.call_sid
        assert finding.replayed.call_sid != finding.recorded.call_sid


def test_there_is_a_small_bundle_of_each_kind() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.call")) == sorted(SCENES)
    assert all(path.stat().st_size <= MAX_BYTES for path in FOLDER.glob("*.call"))
    assert all(load_bundle(path).streams for path in FOLDER.glob("*.call"))


def test_a_log_that_is_another_is_found() -> None:
    recorded = load_bundle(FOLDER / "plain.call")
    log = list(recorded.log)
    log[7:8] = [(0, Heard("something else", 9))]
    sound = [caller_sound(recorded)]

    same = finding_of("plain", recorded, replace(recorded, log=recorded.log), sound)
    other = finding_of("plain", recorded, replace(recorded, log=tuple(log)), sound)
    shorter = finding_of("plain", recorded, replace(recorded, log=recorded.log[:-1]), sound)
    assert same.is_same
    assert (other.is_same, other.differs_at) == (False, 7)
    assert "OTHER from entry 7 on" in told(other)[0]
    assert "('Heard', 'something else')" in "".join(told(other))
    assert shorter.differs_at == len(recorded.log) - 1


def test_sound_that_is_another_is_found() -> None:
    recorded = load_bundle(FOLDER / "plain.call")
    sound = bytearray(caller_sound(recorded))
    sound[len(sound) // 2] ^= 1

    finding = finding_of("plain", recorded, recorded, [bytes(sound)])
    assert not finding.is_same
    assert "OTHER BYTES" in told(finding)[0]


def test_a_folder_without_bundles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--folder", str(tmp_path), "--only", "plain"]) == 1
    assert "plain.call" in capsys.readouterr().err
