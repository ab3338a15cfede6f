"""The command line: what it prints, and its exit status."""

import asyncio
from pathlib import Path

import pytest

from replay import main as replay_main
from replay.main import main
from shared import record
from shared.bus import Registry, open_bus
from shared.calls import Ringing
from shared.messages import Audio, Mark

CALL = "CA" + "2" * 32


async def record_call(url: str) -> None:
    async with open_bus(url, "test-1") as bus:
        registry, journal = Registry(bus), bus.journal(CALL)
        ringing = Ringing(CALL, caller="+15551234567", called="+15559876543", agent="cars")
        await registry.dispatch(ringing, max_sessions=9, recording_ttl_s=60)
        await registry.dispatch(Ringing("CAgone", "", ""), max_sessions=9, recording_ttl_s=60)
        await bus.link.ask("DEL", "{0}:call:CAgone")
        await registry.attach(CALL, "MZ1")
        for n in range(1, 100):
            bus.up(CALL, "MZ1").send(f"{n}-0", Audio(b"\xff" * 160, n * 20))
        bus.up(CALL, "MZ1").send("100-0", Mark("1-1", 700))
        bus.down(CALL, "MZ1").send("7-1", Audio(b"a" * 4000))
        bus.down(CALL, "MZ1").send("7-2", Mark("1-1"))
        journal.write(record.Attached("MZ1", "edge-1"), record.Said(1, "Hello my dear.", 2))
        journal.write(record.Onset(50, barge_in=True), record.Cut(1, 300, 500, "Hello my", 50))
        journal.write(record.Heard("a car", 60), record.Heard(" ", 70))
        registry.abandon(CALL, "caller hung up")


@pytest.fixture
def recorded(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    asyncio.run(record_call(redis))


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are the process's; this one is pytest's."""
    monkeypatch.setattr("shared.logs.setup", lambda *_: None)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(replay_main, "ANSWER_S", 0.1)


@pytest.mark.usefixtures("recorded")
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[1:] == [
        *(CALL, "0:00.0", "***567", "cars", "1", "turn", "1", "barge-in"),
        *("caller", "hung", "up"),
    ]


@pytest.mark.usefixtures("recorded")
def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", CALL]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "  0:00.0  phone   connected",
        "  0:00.0  agent   Hello my [dear.]",
        "  0:01.0  caller  -- interrupts --",
        "  0:01.2  caller  a car",
        "  0:01.4  caller  (a noise)",
    ]


@pytest.mark.usefixtures("recorded")
def test_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", CALL, "--to", str(tmp_path / "out")]) == 0

    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(paths) == 5
    assert all(path.parent == tmp_path / "out" and path.stat().st_size for path in paths)


@pytest.mark.usefixtures("recorded")
def test_export_goes_to_a_folder_of_the_calls_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["export", CALL]) == 0
    assert (tmp_path / CALL / "report.json").exists()


@pytest.mark.usefixtures("recorded")
def test_a_call_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "CA404"]) == 1
    assert "no recording of CA404" in capsys.readouterr().err


@pytest.mark.usefixtures("recorded")
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert main(["export", CALL, "--to", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.usefixtures("nowhere")
def test_a_redis_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 1
    assert (
        capsys.readouterr().err == "replay: Redis does not answer; it is looked for at REDIS_URL\n"
    )


def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert main(["list"]) == 2
    assert capsys.readouterr().err.startswith("replay: REDIS_URL: must be set")


@pytest.mark.parametrize("arguments", [[], ["play"], ["show"], ["list", "more"]])
def test_a_command_that_is_none(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
