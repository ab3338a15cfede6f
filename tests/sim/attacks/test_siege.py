"""Nobody gets in; and that it would show if somebody did."""

from collections import Counter
from pathlib import Path

import pytest

from sim.attacks import sockets, webhooks
from sim.attacks.attack import Outcome
from sim.attacks.fort import LET_IN, Spent
from sim.attacks.main import main
from sim.attacks.report import table
from sim.attacks.siege import ATTACKS, besiege

HELD = Outcome("forged webhook", ("HTTP 403",), Counter({"HTTP 403": 1}), Spent())


@pytest.mark.alone  # the floods and the agent share this process: one starved gives no pong
def test_no_attack_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([])
    told = capsys.readouterr().out

    print(told)
    assert status == 0
    for attack in ATTACKS:
        assert f"\n{attack.what} " in told
    assert f"{len(ATTACKS) + 1} of {len(ATTACKS) + 1} held off" in told


async def test_an_edge_that_checks_nothing_lets_them_in(tmp_path: Path) -> None:
    tried = [webhooks.unsigned, sockets.without_token]
    *outcomes, _ = await besiege(tmp_path, tried, is_guarded=False)

    assert [(each.what, each.got) for each in outcomes] == [
        (each.what, Counter([LET_IN])) for each in tried
    ]
    assert not any(each.has_failed for each in outcomes)
    assert all(each.spent.keys for each in outcomes)
    assert outcomes[1].spent.sockets


@pytest.mark.parametrize(
    ("got", "spent"),
    [
        ({LET_IN: 1}, Spent()),
        ({"HTTP 403": 199, LET_IN: 1}, Spent()),
        ({}, Spent()),
        ({"HTTP 403": 1}, Spent(keys=1)),
        ({"HTTP 403": 1}, Spent(sockets=1)),
    ],
)
def test_what_got_something_has_not_failed(got: dict[str, int], spent: Spent) -> None:
    outcome = Outcome(HELD.what, HELD.may_get, Counter(got), spent)

    assert HELD.has_failed
    assert not outcome.has_failed
    assert "1 of 2 got through" in table([HELD, outcome])


def test_the_table_says_what_each_got_and_what_it_cost() -> None:
    flood = Outcome("flood", ("no",), Counter({"no": 2, "yes": 1}), Spent(3, 1))
    *rows, summary = table([HELD, flood]).splitlines()

    cells = [[cell for cell in row.split("  ") if cell] for row in rows]
    assert cells[0] == ["attack", "got", "redis keys made", "agent sockets made"]
    assert [[cell.strip() for cell in row] for row in cells[2:4]] == [
        ["forged webhook", "HTTP 403", "0", "0", "held"],
        ["flood", "2 x no, 1 x yes", "3", "1", "FAIL, should be no"],
    ]
    assert summary == "1 of 2 got through"
