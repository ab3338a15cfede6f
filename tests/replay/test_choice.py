"""Which recordings `list` and `export --all` mean."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from replay import choice
from replay.main import main
from shared import keys
from tests.replay.calls import record_call

DAY = 86_400_000
BEGUN = 1_700_000_000_000  # 2023-11-14T22:13:20Z
CALLS = {
    "CA1": {"agent": "cars", "caller": "+15551234567", "seconds": 2.0},
    "CA2": {"agent": "", "caller": "+15551234568", "cause": "agent ended it"},
    "CA3": {"agent": "cars", "caller": "anonymous", "is_live": True},
}


@pytest.fixture(autouse=True)
def recorded(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.logs.setup", lambda *_: None)
    monkeypatch.setenv("REDIS_URL", redis)
    for number, (call_sid, options) in enumerate(CALLS.items()):
        asyncio.run(record_call(redis, call_sid, **options))  # type: ignore[arg-type]
        with Redis.from_url(redis) as client:
            client.hset(keys.call(0, call_sid), "started", BEGUN + number * DAY)


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        ("", ["CA3", "CA2", "CA1"]),
        ("--limit 2", ["CA3", "CA2"]),
        ("--agent cars", ["CA3", "CA1"]),
        ("--agent default", ["CA2"]),
        ("--agent cars --limit 1 --until 2023-11-15", ["CA1"]),
        ("--since 2023-11-15", ["CA3", "CA2"]),
        ("--since 2023-11-15T22:13:20", ["CA3", "CA2"]),
        ("--since 2023-11-15T22:13:21", ["CA3"]),
        ("--until 2023-11-15", ["CA2", "CA1"]),
        ("--until 2023-11-15T22:13:20+00:00", ["CA1"]),
        ("--since 2023-11-15 --until 2023-11-15", ["CA2"]),
        ("--since 2h", []),
        ("--until 2h", ["CA3", "CA2", "CA1"]),
        ("--from 15551234567", ["CA1"]),
        ("--from +1(555)123-4568", ["CA2"]),
        ("--from 567", []),
        ("--from Anonymous", ["CA3"]),
        ("--ended hung", ["CA1"]),
        ("--ended Agent", ["CA2"]),
        ("--ended going", ["CA3"]),
        ("--longer 100", []),
        ("--longer -1", ["CA3", "CA2", "CA1"]),
    ],
)
def test_filters(arguments: str, listed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *arguments.split()]) == 0

    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == listed


def test_a_number_is_found_unmasked_and_shown_masked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--from", "+15551234567"]) == 0
    masked = capsys.readouterr().out
    assert main(["list", "--from", "+15551234567", "--numbers"]) == 0

    assert "***567" in masked
    assert "5551234567" not in masked
    assert "+15551234567" in capsys.readouterr().out


def test_sizes_are_told_in_multiples_of_the_sound(
    redis: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--size", "--limit", "1"]) == 0

    first, total = capsys.readouterr().out.splitlines()
    with Redis.from_url(redis) as client:
        names = client.keys("{0}:*3")
        held = sum(client.memory_usage(name) for name in names)
    assert len(names) == 4
    assert first.split()[-5:] == [f"{held / 1e6:.1f}", "MB", f"{held / 19840:.2f}", "x", "sound"]
    assert total == f"all of them: {held / 1e6:.1f} MB  {held / 19840:5.2f} x sound"


@pytest.mark.parametrize(("text", "ago"), [("90m", 90 * 60), ("2h", 7200), ("3d", 3 * 86400)])
def test_times_ago(text: str, ago: int) -> None:
    wanted = datetime.now(UTC) - timedelta(seconds=ago)

    assert abs(choice.since(text) - wanted.timestamp() * 1000) < 5000
