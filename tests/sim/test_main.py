"""`python -m sim`: a name on the command line becomes a stand-in."""

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from sim.__main__ import STAND_INS, main, usage


def stand_in(monkeypatch: pytest.MonkeyPatch, run: Callable[[list[str]], int]) -> None:
    """Put `run` where the command line finds the phone."""
    module = ModuleType("sim.phone.cli")
    vars(module)["main"] = run
    monkeypatch.setitem(sys.modules, "sim.phone.cli", module)


def test_the_named_stand_in_gets_the_rest_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda argv: 3 if argv == ["--to", "ws://x"] else 4)

    assert main(["phone", "--to", "ws://x"]) == 3


def test_ctrl_c_ends_it_silently(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_argv: list[str]) -> int:
        raise KeyboardInterrupt

    stand_in(monkeypatch, interrupted)

    assert main(["phone"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [[], ["fax"], ["--to", "phone"]])
def test_an_unknown_name_is_refused_with_the_usage(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert capsys.readouterr() == ("", usage() + "\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_the_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr() == (usage() + "\n", "")


def test_the_usage_lists_every_stand_in() -> None:
    assert all(f"\n  {name} " in usage() for name in STAND_INS)


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m sim NAME")
