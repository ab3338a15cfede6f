"""Results as a table, as ratios, and as budgets."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sim.load import matrix, picture, report
from sim.load.budgets import judge
from sim.load.main import is_whole
from sim.load.meters import Reading, Redis
from sim.load.plan import Findings
from sim.load.report import aligned, memory_ratio, ratios, table, warnings
from sim.load.run import Costs, Result, cost
from sim.load.statistics import Spread

SPREADS = {
    "round_trip": Spread(9, 2.0, 5.0, 9.0, 20.0),
    "barge_in": Spread(9, 1.0, 2.0, 3.0, 4.0),
    "lateness": Spread(9, 0.5, 1.0, 2.0, 3.0),
}
BRIDGE = {"edge": 3.0, "worker": 4.0, "redis": 1.0, "generator": 2.0}
GUIDE = {"guide": 8.0, "generator": 2.0}


def result(
    *,
    target: str = "bridge",
    profile: str = "echo",
    calls: int = 20,
    cpu_ms: Mapping[str, float] = BRIDGE,
    spreads: Mapping[str, Spread] = SPREADS,
    others: float = 0.0,
    **counts: int,
) -> Result:
    cores = {role: each * calls / 1000 for role, each in cpu_ms.items()}
    costs = Costs(dict(cpu_ms), cores, others, 100.0, 50.0, 9000.0, 9600.0)
    findings = Findings(calls, 10.0, dict(spreads), {"sent": 100, **counts})
    return Result(target, profile, calls, findings, costs)


def guide(calls: int = 20) -> Result:
    return result(target="guide, each frame", cpu_ms=GUIDE, calls=calls)


def line_of(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(label))


def test_the_table_has_a_column_a_target() -> None:
    text = table([result(), guide()])

    assert line_of(text, "p50").split("  ")[-1].strip() == "guide, each frame"
    assert line_of(text, "round trip").count("2.0 / 5.0 / 9.0 / 20.0") == 2
    assert line_of(text, "CPU worker").endswith("-")


def test_a_figure_that_nobody_has_is_no_row() -> None:
    assert "one way up" not in table([result()])


def test_columns_are_aligned() -> None:
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


def test_ratios_compare_cpu_without_the_generator() -> None:
    lines = ratios(result(), guide())

    assert lines[0] == "CPU a call-second: 8.00 ms, guide, each frame 8.00 ms: 1.00 x"
    assert lines[1].startswith("round trip p50: 2.0 ms")


def test_a_saturated_base_line_is_said_to_be() -> None:
    assert "(it is saturated)" in ratios(result(calls=200), guide(calls=200))[0]


def test_a_late_generator_is_said_aloud() -> None:
    late = {**SPREADS, "lateness": Spread(9, 1.0, 4.0, 6.0, 7.0)}

    assert "the generator, not the bridge, is the bottleneck" in warnings(result(spreads=late))[0]
    assert warnings(result()) == []


def test_a_busy_generator_is_said_aloud() -> None:
    assert "bottleneck" in warnings(result(calls=500))[0]


def test_a_full_machine_is_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "cores", lambda: 2)

    assert "2.0 of 2 cores were busy" in warnings(result(calls=200))[0]


def test_a_core_that_is_not_all_ours_is_said_aloud() -> None:
    quiet = result(others=0.0)
    slow = replace(quiet, costs=replace(quiet.costs, pace=0.6))

    assert warnings(quiet) == []
    assert "a core ran at 60% of its best pace" in warnings(slow)[0]
    assert re.search(r"pace of a core, of its best +60%", table([slow]))


def test_others_on_the_machine_are_said_aloud() -> None:
    assert "other programs used 1.0 of 1.2 busy cores" in warnings(result(others=1.0))[0]


def test_redis_memory_is_held_against_sound_on_both_ways() -> None:
    assert memory_ratio(result(spoken=50)) == pytest.approx(0.8)


def test_a_run_is_whole_if_nothing_was_lost() -> None:
    assert is_whole(result())
    assert not is_whole(result(lost=1))
    assert not is_whole(result(out_of_order=1))


def test_costs_are_what_lies_between_two_readings() -> None:
    idle = Reading(0.0, {}, {"edge": 1000, "redis": 500}, 0.0)
    begun = Reading(1.0, {"edge": 1.0}, {"edge": 2000}, 50.0, Redis(10, 100, 100, 1000))
    done = Reading(3.0, {"edge": 1.5}, {"edge": 3000, "redis": 9}, 52.5, Redis(30, 200, 300, 5000))

    costs = cost(idle, begun, done, calls=10)

    assert costs.cpu_ms == {"edge": 25.0}
    assert (costs.cores, costs.others_cores, costs.rss_kb) == ({"edge": 0.25}, 1.0, 200.0)
    assert (costs.redis_commands, costs.redis_bytes, costs.redis_memory) == (1.0, 15.0, 200.0)


def cells() -> list[list[Result]]:
    loads = [("echo", 20), ("echo", 100), ("talk", 100)]
    return [[result(profile=profile, calls=calls), guide(calls=calls)] for profile, calls in loads]


def test_budgets_are_held_against_the_run_that_they_speak_of() -> None:
    verdicts = {each.what: each for each in judge(cells(), edge_ready_s=0.7)}

    assert verdicts["round trip p50, 20 calls, echo"].reached == "2 ms"
    assert verdicts["CPU against the guide's, 100 calls, echo"].is_met
    assert not verdicts["edge ready after exec"].is_met
    assert "CPU at 200 calls against 50, echo" not in verdicts


def test_one_lost_frame_fails_its_budget() -> None:
    verdicts = {each.what: each for each in judge([[result(lost=1)]], edge_ready_s=0.1)}

    assert not verdicts["lost, every load"].is_met


def test_guests_are_held_to_what_they_and_others_had_to_wait() -> None:
    guests = {
        "join_webhook_greeting": Spread(5, 12.0, 30.0, 30.0, 30.0),
        "join_webhook_echo": Spread(5, 15.0, 20.0, 20.0, 20.0),
        "others_extra_at_join": Spread(15, -2.0, 40.0, 50.0, 50.0),
        "others_extra_at_leave": Spread(10, 21.0, 40.0, 50.0, 50.0),
        "round_trip": Spread(1000, 8.0, 30.0, 40.0, 50.0),
    }
    talk = result(profile="talk", calls=200, spreads=guests)
    echo = result(calls=200, spreads=guests)
    verdicts = {each.what: each for each in judge([[talk], [echo]], edge_ready_s=0.1)}

    assert verdicts["guest's greeting by webhook, 200 calls, talk"].reached == "30 ms"
    assert not verdicts["guest's greeting by webhook, 200 calls, echo"].is_met
    beyond = verdicts["guest's first echo beyond all calls' round trip, 200 calls"]
    assert (beyond.reached, beyond.is_met) == ("12 ms", True)
    assert not verdicts["others' extra delay by a guest, 200 calls, talk"].is_met


def test_the_report_names_machine_budgets_and_every_load() -> None:
    text = matrix.render("a machine", cells(), judge(cells(), edge_ready_s=0.7))

    assert "a machine" in text
    assert "| edge ready after exec | <= 0.6 s | 0.70 s | **FAIL** |" in text
    assert "### talk, 100 calls" in text


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    picture.draw(tmp_path / "report.png", cells(), "a machine")

    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
