"""The demonstration of the example: a function, keys and a transfer, in one call."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sim.redis import free_port
from sim.stack import ROOT


def test_the_restaurant_books_a_table_takes_a_number_and_puts_the_caller_through(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim", "demo", "--example", "restaurant", "--to", str(tmp_path)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   the keys 5550142 reached the function that waited for them" in done.stdout
    assert "ok   the carrier dialled +15550142" in done.stdout
    assert "FAIL" not in done.stdout
    with closing(sqlite3.connect(tmp_path / "bookings.sqlite")) as book:
        assert book.execute("SELECT guests, name FROM bookings").fetchall() == [(4, "Ann")]
