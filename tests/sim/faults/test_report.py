"""The table, and what other programs are told."""

from sim.faults import report
from sim.faults.finding import Finding
from sim.faults.run import Outcome
from sim.faults.scenario import Scenario
from sim.faults.stage import Stage


async def nothing(stage: Stage) -> None:
    """A scenario in which nothing happens."""


def outcome(name: str, row: int, *, gap_ms: float) -> Outcome:
    finding = Finding()
    finding.figure("gap ms", gap_ms, most=2000)
    return Outcome(Scenario(name, row, f"fault {name}", "little silence", nothing), finding, 12.34)


GOOD, BAD = outcome("kill", 2, gap_ms=1800), outcome("stall", 1, gap_ms=2600)


def test_the_table_has_a_row_for_each_in_the_order_of_the_design() -> None:
    text = report.table([GOOD, BAD], 100)

    lines = text.splitlines()
    found = [line for line in lines if "fault " in line and "must hold" not in line]
    assert [line.split()[0] for line in found] == ["1.", "2."]
    assert ["FAIL" in line for line in found] == [True, False]
    assert "   ! gap 2600 ms, promised 2000" in lines
    assert lines[-1] == "1 of 2 scenarios held; not: stall"


def test_no_line_is_wider_than_the_terminal_and_none_narrower_than_can_be_read() -> None:
    for width in (40, 100, 140):
        widest = max(map(len, report.table([GOOD, BAD], width).splitlines()))
        assert widest <= max(width, report.NARROWEST)


def test_progress_is_one_line() -> None:
    assert report.progress(GOOD).split() == ["pass", "kill", "12.3", "s", "gap", "1800", "ms"]


def test_other_programs_are_told_all_of_it() -> None:
    assert report.as_json([BAD]) == [
        {
            "name": "stall",
            "row": 1,
            "fault": "fault stall",
            "must_hold": "little silence",
            "held": False,
            "seconds": 12.3,
            "figures": {"gap ms": 2600},
            "limits": {"gap ms": 2000},
            "failures": ["gap 2600 ms, promised 2000"],
        }
    ]
