"""What is shown while something takes long."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from replay.screen import progress

PROGRAM = "from replay.screen import progress; print(list(progress([5, 6], 'calls')))"


def test_without_a_terminal_there_is_no_bar(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress([1, 2, 3], "calls")) == [1, 2, 3]
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_a_bar_tells_how_far_it_is() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    root = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=theirs, cwd=root, check=True
    )

    shown = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert done.stdout == b"[5, 6]\n"
    assert "0/2" in shown
    assert "calls/s" in shown
