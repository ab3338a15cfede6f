"""The command line: what it prints, and its exit status."""

import asyncio
import io
from pathlib import Path

import pytest
from redis import Redis

from replay import source
from replay.main import main
from shared import keys
from tests.replay.calls import FROM, record_call

CALL = "CA" + "2" * 32


@pytest.fixture
def recorded(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    asyncio.run(record_call(redis, CALL))
    with Redis.from_url(redis) as client:
        client.zadd(keys.INDEX, {"CAgone": 5})  # expired, but for its name


@pytest.fixture(autouse=True)
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are the process's; this one is pytest's."""
    monkeypatch.setattr("shared.logs.setup", lambda *_: None)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(source, "ANSWER_S", 0.1)


@pytest.mark.usefixtures("recorded")
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[1:] == [
        *(CALL, "0:00.0", "***567", "cars", "1", "turn", "1", "barge-in"),
        *("0", "take-overs", "caller", "hung", "up"),
    ]


@pytest.mark.usefixtures("recorded")
def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", CALL]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "  0:00.0  phone   connected",
        "  0:00.0  bridge  owned by worker-1",
        "  0:00.0  bridge  the agent is ready",
        "  0:00.0  agent   Hello my [dear.]",
        "  0:01.0  caller  -- interrupts --",
        "  0:01.2  caller  a car",
        "  0:02.0          over: caller hung up",
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


def test_without_redis_a_bundle_serves(
    redis: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asyncio.run(record_call(redis, CALL))
    monkeypatch.setenv("REDIS_URL", redis)
    bundle = str(tmp_path / "a.call")
    assert main(["bundle", CALL, "--to", bundle]) == 0
    assert main(["show", CALL]) == 0
    told = capsys.readouterr().out.splitlines()[1:]
    monkeypatch.delenv("REDIS_URL")

    assert main(["show", bundle]) == 0
    assert capsys.readouterr().out.splitlines() == told
    assert main(["export", bundle, "--to", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.json").exists()


# -- bundles ------------------------------------------------------------------


@pytest.mark.usefixtures("recorded")
def test_a_bundle_goes_into_another_redis(
    tmp_path: Path,
    redis: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECORDING_TTL_S", "50")
    assert main(["bundle", CALL, "--numbers"]) == 0
    assert capsys.readouterr().out == f"{CALL}.call\n"
    with Redis.from_url(redis) as client:
        client.flushall()

        assert main(["import", f"{CALL}.call"]) == 0
        assert capsys.readouterr().out == f"{CALL}\n"
        assert 45 <= client.ttl(keys.call(0, CALL)) <= 50

    assert main(["list", "--numbers"]) == 0
    assert FROM in capsys.readouterr().out


@pytest.mark.usefixtures("recorded")
def test_a_call_that_is_there_is_replaced_only_if_asked(
    tmp_path: Path, redis: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(tmp_path / "a.call")
    assert main(["bundle", CALL, "--to", bundle]) == 0

    assert main(["import", bundle]) == 1
    assert "is there already; --replace" in capsys.readouterr().err
    with Redis.from_url(redis) as client:
        assert client.hget(keys.call(0, CALL), "from") == FROM.encode()

        assert main(["import", bundle, "--replace"]) == 0
        assert client.hget(keys.call(0, CALL), "from") == b"***567"


def test_a_live_call_is_never_replaced(
    redis: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    asyncio.run(record_call(redis, CALL, is_live=True))
    bundle = str(tmp_path / "a.call")
    assert main(["bundle", CALL, "--to", bundle]) == 0

    assert main(["import", bundle, "--replace"]) == 1
    assert "is going on" in capsys.readouterr().err


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "none.call"], "none.call: No such file or directory"),
        (["import", "junk.call"], "junk.call is no bundle: make one with"),
        (["show", "junk.call"], "junk.call is no bundle: make one with"),
        (["bundle", CALL, "--to", "a.wav"], "a.wav: a bundle's name must end with .call"),
        (["bundle", CALL, "--to", "no/such/a.call"], "No such file or directory"),
        (["bundle", "CA404"], "there is no recording of CA404: no such call, or it has expired"),
        (["export", "CA404"], "there is no recording of CA404: no such call, or it has expired"),
        (["delete", "CA404"], "there is no recording of CA404: no such call, or it has expired"),
        (["delete", CALL], "there is nobody to ask: say --yes"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.call").write_bytes(b"junk")

    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith("replay: ")
    assert sentence in told
    assert [path.name for path in tmp_path.iterdir()] == ["junk.call"]


# -- deletion -----------------------------------------------------------------


def test_a_deleted_call_is_gone_for_good(
    redis: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    for call_sid in ("CA1", "CA2", "CA3"):
        asyncio.run(record_call(redis, call_sid))

    assert main(["delete", "CA1", "CA3", "--yes"]) == 0

    with Redis.from_url(redis) as client:
        assert {key for key in client.keys("{0}:*") if not keys.is_of_process(key)} == {
            key.encode()
            for key in (
                *(keys.call(0, "CA2"), keys.log(0, "CA2")),
                *(keys.up(0, "MZ2"), keys.down(0, "MZ2")),
            )
        }
        assert client.zrange(keys.INDEX, 0, -1) == [b"CA2"]
    assert capsys.readouterr().out == "deleted CA1\ndeleted CA3\n"


@pytest.mark.usefixtures("recorded")
def test_nothing_is_deleted_where_one_call_is_going_on(
    redis: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(record_call(redis, "CAlive", is_live=True))

    assert main(["delete", CALL, "CAlive", "--yes"]) == 1
    assert "CAlive is going on" in capsys.readouterr().err
    assert main(["show", CALL]) == 0


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 1), ("", 1)])
def test_who_is_asked_may_say_no(
    answer: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)

    assert main(["delete", CALL]) == status
    assert "Delete 1 recording for good? [y/N]" in capsys.readouterr().err
    assert main(["show", CALL]) == 1 - status


# -- all of them --------------------------------------------------------------


def test_all_are_exported_but_those_that_go_on(
    redis: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    for call_sid, agent in (("CA1", "cars"), ("CA2", "boats"), ("CA3", "cars")):
        asyncio.run(record_call(redis, call_sid, agent=agent))
    asyncio.run(record_call(redis, "CA4", is_live=True))

    assert main(["export", "--all", "--agent", "cars", "--to", str(tmp_path / "out")]) == 0

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["CA1", "CA3"]
    assert (tmp_path / "out" / "CA1" / "call.wav").stat().st_size > 60_000
    told = capsys.readouterr()
    assert told.out.splitlines() == [str(tmp_path / "out" / name) for name in ("CA3", "CA1")]
    assert told.err == "replay: 1 call left out, still going on\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["play"], ["show"], ["list", "more"], ["export"], ["export", "CA1", "--all"]),
        *(["list", "--since", "soon"], ["list", "--limit", "0"], ["list", "--longer", "long"]),
    ],
)
def test_a_command_that_is_none(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
