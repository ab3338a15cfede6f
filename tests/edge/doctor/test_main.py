"""`python -m edge check` as a program: what it prints, its exit status, and what it keeps quiet."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from twilio.request_validator import RequestValidator

from sim.stack import ROOT, Stack

TOKEN = "token-4711"
PUBLIC = "https://voice.invalid"
URL = f"{PUBLIC}/twilio/voice"


def check(*arguments: str, **environ: str) -> tuple[int, list[str], str]:
    """Exit status, lines of its output, and its complaints."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", "check", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    agent = {"DEEPGRAM_AGENT_URL": "ws://127.0.0.1:1/"}
    with Stack(environ=agent, folder=tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def test_nothing_is_bad(stack: Stack) -> None:
    status, lines, told = check(**{**stack.environ, "DEEPGRAM_AGENT_URL": ""})

    assert [line.split()[:2] for line in lines] == [
        ["ok", "settings"],
        ["ok", "redis"],
        ["ok", "workers"],
        ["ok", "edges"],
        ["skipped", "public"],
        ["skipped", "agent"],
    ]
    assert (status, told) == (0, "")


def test_something_is_bad_and_no_secret_shows(stack: Stack) -> None:
    secrets = {"TWILIO_AUTH_TOKEN": TOKEN, "DEEPGRAM_API_KEY": "key-4711", "PUBLIC_URL": PUBLIC}

    status, lines, told = check(**{**stack.environ, **secrets})

    assert status == 1
    assert [line for line in lines if line.startswith("bad")] != []
    assert "4711" not in "".join(lines)
    assert "4711" not in told


def test_without_a_redis_the_rest_is_looked_at() -> None:
    status, lines, told = check()

    assert (status, told) == (1, "")
    assert [line.split()[0] for line in lines] == ["ok", "bad", *["skipped"] * 4]
    assert "REDIS_URL" in lines[1]


def test_a_bad_setting() -> None:
    assert check(PUBLIC_URL="voice.example.com")[0::2] == (
        2,
        "edge: PUBLIC_URL: must be https://host, without a path\n",
    )
    assert check(BUSY_TWIML="/none")[0] == 2


def test_a_signature(stack: Stack) -> None:
    form = {"CallSid": "CA1", "FromCity": ""}
    signature = RequestValidator(TOKEN).compute_signature(URL, form)
    settings = {"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": PUBLIC}
    asked = ("--url", URL, "--signature", signature)

    by_field = check(*asked, "--field", "CallSid=CA1", "--field", "FromCity=", **settings)
    by_body = check(*asked, "--body", "CallSid=CA1&FromCity=", **settings)
    elsewhere = check(*asked, "--body", "CallSid=CA1&FromCity=", **settings, PORT="80")
    without = check(*asked, **settings)

    assert by_field == by_body == elsewhere
    assert by_field[0] == 0
    assert without[0] == 1
    assert without[1][0].startswith("bad      signature")


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        (("--url", URL, "--signature", "x"), {}, "TWILIO_AUTH_TOKEN"),
        (("--signature", "x"), {"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": PUBLIC}, "--url"),
        (
            ("--url", "voice", "--signature", "x"),
            {"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": PUBLIC},
            "--url",
        ),
        (("--url", URL, "--signature", "x", "--field", "A"), {}, "--field"),
        (("--nothing",), {}, "--nothing"),
    ],
)
def test_what_is_asked_wrongly(
    arguments: tuple[str, ...], settings: dict[str, str], told: str
) -> None:
    status, lines, complaint = check(*arguments, **settings)

    assert (status, lines) == (2, [])
    assert told in complaint
