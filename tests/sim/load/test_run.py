"""Real runs, small ones: three calls through the real bridge, and through the guide's server.

They run at once, since most of their time is waiting.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sim.load import main as cli
from sim.load import matrix
from sim.load.main import as_json, is_whole
from sim.load.plan import Plan
from sim.load.report import ROWS, table
from sim.load.run import Result, measure
from sim.load.targets import Target, bridge, guide
from sim.redis import free_port

CALLS = 3
SECONDS = 2.0

Runs = dict[str, "Future[Result]"]


def run(profile: str, context: AbstractContextManager[Target], port: int) -> Result:
    with context as target:
        plan = Plan(CALLS, profile, SECONDS, port, target.streams, target.webhooks, guests=2)
        return measure(target, plan, lambda message: None)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    ports = [free_port() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        yield {
            "echo": pool.submit(run, "echo", bridge(ports[0], CALLS), ports[0]),
            "talk": pool.submit(run, "talk", bridge(ports[1], CALLS), ports[1]),
            "guide": pool.submit(run, "talk", guide(ports[2], forward=True), ports[2]),
        }


@pytest.mark.parametrize("profile", ["echo", "talk"])
def test_the_bridge_loses_nothing_and_keeps_order(runs: Runs, profile: str) -> None:
    result = runs[profile].result()

    assert is_whole(result)
    assert result.findings.count("heard") == result.findings.count("sent") > 0
    assert result.findings.count("stale_bytes") == 0


@pytest.mark.parametrize("profile", ["echo", "talk"])
def test_there_is_a_figure_for_every_line(runs: Runs, profile: str) -> None:
    result = runs[profile].result()
    needless = {"CPU guide"}
    if profile == "echo":
        needless |= {"barge-in to clear"}
    else:
        needless |= {"round trip", "guest: start to first echo", "guest by webhook: first echo"}

    missing = {row.label.partition(",")[0] for row in ROWS if row.tell(result) == "-"}
    assert missing == needless


def test_every_call_was_cut_once_and_cleared(runs: Runs) -> None:
    findings = runs["talk"].result().findings

    assert findings.count("barge_ins") == findings.spread("barge_in").count == CALLS
    assert findings.count("barge_ins_without_clear") == 0
    assert findings.count("taken_back") > 0


def test_the_guide_has_no_gate(runs: Runs) -> None:
    findings = runs["guide"].result().findings

    assert findings.count("lost") == findings.count("overdue") == 0
    assert findings.count("stale_bytes") > 0


def test_results_become_a_table_and_json(runs: Runs) -> None:
    results = [each.result() for each in runs.values()]

    assert "round trip" in table(results)
    assert len(json.loads(as_json(results))["results"]) == 3


@pytest.mark.parametrize("argv", [["--calls", "0"], ["--seconds", "0"], ["--profile", "sing"]])
def test_what_cannot_be_run_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        cli.main(argv)

    assert refusal.value.code == 2


def test_the_bench_writes_its_report_from_real_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matrix, "CALLS", (2,))
    monkeypatch.setattr(cli, "PROFILES", ("echo",))
    arguments = ["--matrix", "--no-baseline", "--seconds", "1", "--guests", "0"]

    cli.main([*arguments, "--to", str(tmp_path)])  # a budget may be missed on a busy machine

    report = (tmp_path / "report.md").read_text()
    assert "edge ready after exec" in report
    assert "### echo, 2 calls" in report
    assert len(json.loads((tmp_path / "report.json").read_text())["results"]) == 1
