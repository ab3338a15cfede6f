"""`replay check`: a folder of bundles against an agent, with what is expected of each."""

import shutil
from pathlib import Path

import pytest

from replay import check
from replay.main import main
from sim.corpus.main import FOLDER
from tests.replay.house import asked, house


async def test_each_expectation_is_told_and_one_that_is_not_met_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tool", "barge-in"):
        shutil.copy(FOLDER / f"{name}.call", tmp_path)
    (tmp_path / "tool.yaml").write_text(
        "calls: [{name: book_table, arguments: {day: Saturday}}]\nsays: [window]\n"
        "never_interrupts: true\nends: agent ended the call\n"
    )
    (tmp_path / "barge-in.yaml").write_text("calls: [book_table]\nsays: [garden]\n")
    command = asked("check", str(tmp_path), "--timing", "turns", "--speed", "max")
    command.to = tmp_path / "new"

    async with house(tmp_path) as home:
        status = await command.run(command, home.settings)

    assert status == check.UNMET
    told = capsys.readouterr().out.splitlines()
    assert sorted(told[:-1]) == [
        "FAIL barge-in         says /garden/",
        "ok   barge-in         calls book_table",
        'ok   tool             calls book_table({"day": "Saturday"})',
        "ok   tool             ends: agent ended the call",
        "ok   tool             never interrupts",
        "ok   tool             says /window/",
    ]
    assert told[-1] == "6 expectations of 2 calls: 1 not met"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "barge-in.call",
        "tool.call",
    ]


def test_a_folder_without_expectations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FOLDER / "plain.call", tmp_path)

    assert main(["check", str(tmp_path)]) == check.UNUSABLE
    assert "no bundle in it has expectations" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bundle", "expectations", "what"),
    [
        (None, "say: [x]", "plain.yaml: say: is not known"),
        (b"no bundle", "says: [x]", "plain.call"),
    ],
)
def test_a_file_that_cannot_be_used(
    tmp_path: Path,
    bundle: bytes | None,
    expectations: str,
    what: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "plain.call").write_bytes(bundle or (FOLDER / "plain.call").read_bytes())
    (tmp_path / "plain.yaml").write_text(expectations)

    assert main(["check", str(tmp_path)]) == check.UNUSABLE
    assert what in capsys.readouterr().err
