"""Calls archived when they are over."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from redis import Redis

from replay import archiving, export
from replay.archiving import Archiver
from replay.bundle import load_bundle
from replay.main import main
from replay.target import Target
from shared import keys
from shared.bus import Archive
from tests.replay.calls import archive as opened
from tests.replay.calls import record_call

ROOT = Path(__file__).parents[2]
FILES = ["call.wav", "report.json", "timeline.png", "transcript.jsonl", "transcript.vtt"]


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.logs.setup", lambda *_: None)


@pytest_asyncio.fixture
async def archive(redis: str) -> AsyncIterator[Archive]:
    async with opened(redis) as archive:
        yield archive


@pytest.fixture
def memory() -> Iterator[SimpleNamespace]:
    """A store without folders of its own: `files()` are its names and contents."""
    store = fsspec.filesystem("memory")
    store.rm("/calls", recursive=True) if store.exists("/calls") else None

    def files() -> dict[str, bytes]:
        return {name: store.cat_file(name) for name in store.find("/calls")}

    yield SimpleNamespace(url="memory://calls", files=files)
    store.rm("/calls", recursive=True) if store.exists("/calls") else None


def archived(folder: Path) -> list[str]:
    """The calls that are in a folder."""
    return sorted(path.name for path in folder.glob("*/*"))


def files(folder: Path) -> dict[str, int]:
    """What is in a folder of calls: names below it, and sizes."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.glob("*/*/*")}


async def test_a_call_that_is_over_is_exported_with_its_bundle(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    await record_call(redis, "CA1")
    call = await archive.call("CA1")
    assert call

    assert await Archiver(archive, Target(str(tmp_path))).look() == 0

    day = time.strftime("%Y-%m-%d", time.gmtime(call.started_ms / 1000))
    folder = tmp_path / day / "CA1"
    assert sorted(path.name for path in folder.iterdir()) == ["CA1.call", *FILES]
    assert json.loads((folder / "report.json").read_text())["from"] == "***567"
    assert load_bundle(folder / "CA1.call").call.caller == "***567"


async def test_a_url_of_any_kind_will_do(
    redis: str, archive: Archive, memory: SimpleNamespace, tmp_path: Path
) -> None:
    await record_call(redis, "CA1")
    await record_call(redis, "CA2")
    await Archiver(archive, Target(f"file://{tmp_path}")).look()
    there = {f"/calls/{name}" for name in files(tmp_path)}
    for call_sid in ("CA1", "CA2"):
        await archive.note_archived(call_sid, "not yet")

    await Archiver(archive, Target(memory.url)).look()

    assert set(memory.files()) == there
    assert len(there) == 12


async def test_each_call_is_archived_once_by_all_archivers(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    await record_call(redis, "CA1")
    await Archiver(archive, Target(str(tmp_path / "a"))).look()
    await record_call(redis, "CA2")

    await Archiver(archive, Target(str(tmp_path / "b"))).look()

    assert (archived(tmp_path / "a"), archived(tmp_path / "b")) == (["CA1"], ["CA2"])


async def test_a_call_that_goes_on_waits_for_its_end(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    await record_call(redis, "CA1", is_live=True)
    archiver = Archiver(archive, Target(str(tmp_path)))
    assert await archiver.look() == 0
    assert archived(tmp_path) == []

    with Redis.from_url(redis) as client:
        client.zrem(keys.INDEX, "CA1")  # a call longer than recordings are listed
        client.hset(keys.call(0, "CA1"), mapping={"state": "ended", "ended": 1})
        assert await archiver.look() == 0
        assert archived(tmp_path) == []  # its owner has yet to write the last of it

        client.hdel(keys.EPOCHS, "CA1")
        assert await archiver.look() == 0
    assert archived(tmp_path) == ["CA1"]


async def test_a_call_that_comes_back_after_its_end_is_archived_again(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    await record_call(redis, "CA1", seconds=1.0)
    archiver = Archiver(archive, Target(str(tmp_path)))
    await archiver.look()
    before = files(tmp_path)
    (tmp_path / next(iter(before))).with_name("old").write_text("")
    await asyncio.sleep(0.002)  # its end has another time, in ms
    await record_call(redis, "CA1", seconds=3.0)

    await archiver.look()

    after = files(tmp_path)
    assert set(after) == set(before)
    assert all(after[name] > 2 * before[name] for name in after if name.endswith(".wav"))


async def test_what_the_target_refuses_waits_in_redis(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    for number in range(5):
        await record_call(redis, f"CA{number}")
    (tmp_path / "calls").write_text("no folder")
    archiver = Archiver(archive, Target(str(tmp_path / "calls")))

    assert await archiver.look() == archiving.AWAY_AFTER
    (tmp_path / "calls").unlink()
    assert await archiver.look() == 0

    assert archived(tmp_path / "calls") == [f"CA{number}" for number in range(5)]


async def test_a_call_that_cannot_be_worked_out_has_its_bundle_archived(
    redis: str, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(export, "timeline", fail)
    await record_call(redis, "CA1")

    assert await Archiver(archive, Target(str(tmp_path))).look() == 0

    assert [name.split("/")[1:] for name in files(tmp_path)] == [["CA1", "CA1.call"]]


async def test_a_call_of_which_nothing_is_left_is_passed_over(
    redis: str, archive: Archive, tmp_path: Path
) -> None:
    with Redis.from_url(redis) as client:
        client.zadd(keys.INDEX, {"CA1": 5})

        assert await Archiver(archive, Target(str(tmp_path))).look() == 0
        await archive.note_archived("CA1", "1")
        assert not client.exists(keys.call(0, "CA1"))


def test_without_follow_it_ends(
    redis: str, memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(record_call(redis, "CA1"))
    monkeypatch.setenv("REDIS_URL", redis)
    monkeypatch.setenv("ARCHIVE", memory.url)

    assert main(["archive"]) == 0

    assert len(memory.files()) == 6


def test_what_could_not_be_archived_shows_in_the_exit_status(
    redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(record_call(redis, "CA1"))
    monkeypatch.setenv("REDIS_URL", redis)
    (tmp_path / "calls").write_text("no folder")

    assert main(["archive", "--to", str(tmp_path / "calls")]) == 1


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "ARCHIVE: must be set"),
        ({"ARCHIVE": "nosuch://bucket"}, "ARCHIVE: Protocol not known"),
        ({"ARCHIVE": "calls", "RECORDING": "off"}, "ARCHIVE: with RECORDING=off"),
    ],
)
def test_settings_that_cannot_be_used(
    environ: dict[str, str],
    sentence: str,
    redis: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    monkeypatch.delenv("ARCHIVE", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert main(["archive"]) == 2
    assert sentence in capsys.readouterr().err


def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_following_archives_calls_as_they_end_until_it_is_stopped(
    redis: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", "archive", "--follow", "--to", str(tmp_path)],
        env={"REDIS_URL": redis},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for call_sid in ("CA1", "CA2"):
            asyncio.run(record_call(redis, call_sid))
            until(lambda: call_sid in archived(tmp_path))  # noqa: B023
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert err.count("call archived") == 2
    assert "archive stopped" in err
