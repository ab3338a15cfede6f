"""`python -m sim agent`: options become a server, and a signal ends it."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from sim.agent.cli import main
from tests.sim.agent.talk import KEY, Client


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--fault", "dorp"], "no fault 'dorp'"),
        (["--timing", "dorp=1"], "no timing 'dorp'"),
        (["--timing", "think_s=soon"], "timing think_s: expected a number"),
        (["--script", "/nowhere.yaml"], "No such file"),
        (["--stored", "some-id=/nowhere.yaml"], "No such file"),
        (["--faults", "{file}"], "expected a mapping"),
    ],
)
def test_bad_options_are_told(
    argv: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("[]")

    assert main([option.format(file=file) for option in argv]) == 2
    assert sentence in capsys.readouterr().err


async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("error: SERVER_GOING_AWAY\nafter_turn: 1")
    options = ["--port=0", f"--faults={file}", "--fault=after_turn=0", "--timing=idle_s=5"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim", "agent", *options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    line = (await process.stdout.readline()).decode()
    url = line.split()[4]
    async with connect(url, additional_headers=KEY) as socket:
        client = Client(socket)
        await client.listen()
    process.send_signal(signal.SIGTERM)

    assert client.types() == ["Welcome", "Error"]
    assert "(faults: error=SERVER_GOING_AWAY)" in line
    assert await process.wait() == 0
