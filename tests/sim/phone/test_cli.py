"""`python -m sim phone`, from its arguments to its exit code."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import pytest

from sim.phone import cli

LOUD = b"\x10" * 160


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words without a synthesizer, and nobody waits."""
    monkeypatch.setattr(cli, "speak", lambda text, voice: LOUD * len(text))
    monkeypatch.setattr(cli, "PATIENCE_S", 0.1)
    monkeypatch.setattr("sim.phone.call.SAY_MS_A_CHARACTER", 0.0)


async def answer_everything(line: Any) -> None:
    """Speak at the start and whenever the caller falls silent."""
    await line.read_until("start")
    await line.say(LOUD * 5)
    speech = False
    while True:
        payload = (await line.read()).get("media", {}).get("payload", "")
        if speech and payload.startswith("////"):
            await line.say(LOUD * 5)
        speech = payload.startswith("EBAQ")


async def phone(house: Any, *argv: str) -> int:
    """Run the command in a thread of its own, as it has its own loop."""
    return await asyncio.to_thread(cli.main, ["--stream", house.stream, *argv])


def saved(folder: Path) -> tuple[int, int]:
    """Channels and rate of the only recording in the folder."""
    (path,) = folder.glob("CA*.wav")
    with wave.open(str(path)) as file:
        return file.getnchannels(), file.getframerate()


async def test_an_answered_call_succeeds_and_is_saved(
    house: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.on_stream(answer_everything)

    assert await phone(house, "--text", "hi", "--save", str(tmp_path)) == 0

    printed = capsys.readouterr().out
    assert "agent speaks" in printed
    assert "say              hi" in printed
    assert saved(tmp_path) == (2, 8000)


async def test_an_unanswered_word_fails(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def greet_only(line: Any) -> None:
        await line.read_until("start")
        await line.say(LOUD * 5)
        await line.read_to_the_end()

    house.on_stream(greet_only)

    assert await phone(house, "--text", "hi", "--seconds", "1.2") == 1
    assert "no answer to 'hi'" in capsys.readouterr().err


async def test_a_call_that_ends_too_soon_fails(
    house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def close(line: Any) -> None:
        await line.read_until("start")
        await line.socket.send_text("rubbish")
        await line.socket.close()

    house.on_stream(close)

    assert await phone(house, "--text", "hi") == 1
    complaints = capsys.readouterr().err.splitlines()
    assert complaints == [
        "rejected: 31951 not JSON",
        "the call ended after 0 of 1 things to say",
        "the agent was never heard",
    ]


async def test_a_webhook_that_fails_is_told(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code = await asyncio.to_thread(cli.main, ["--webhook", house.origin + "/voice"])

    assert code == 1
    assert "error 11200: HTTP 404" in capsys.readouterr().err


async def test_a_written_conversation_is_followed(house: Any, tmp_path: Path) -> None:
    script = tmp_path / "talk.yaml"
    script.write_text("turns: [{heard: hello, caller: hello, say: [Hi.]}]")
    house.on_stream(answer_everything)

    assert await phone(house, "--script", str(script)) == 0


def test_a_file_that_is_no_recording_is_refused_before_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"ID3")

    assert cli.main(["--stream", "ws://127.0.0.1:1/x", "--wav", str(path)]) == 2
    assert capsys.readouterr().err == f"phone: {path} is not a WAV file\n"


def test_a_number_to_ring_is_required() -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
