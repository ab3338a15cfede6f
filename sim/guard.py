"""No child outlives us, however we end.

A guard is a shell of one line that reads from a pipe whose other end only we hold.
When we end, the kernel closes the pipe, and the guard kills the child and removes
its directory. The kernel's own way (PR_SET_PDEATHSIG) is Linux only, needs code
between fork and exec, which is unsafe beside threads, and fires when the starting
*thread* ends.
"""

import subprocess
from pathlib import Path

_WATCH = 'read -r line; kill -9 "$0"; [ -z "$1" ] || rm -rf "$1"'


class Guard:
    """Watches over one child process until `dismiss`.

    Args:
        folder: A directory that goes with the child.
    """

    def __init__(self, pid: int, folder: Path | None = None) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(pid), str(folder or "")],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us alone
        )

    def dismiss(self) -> None:
        """Watch no more."""
        with self._shell:
            self._shell.kill()
