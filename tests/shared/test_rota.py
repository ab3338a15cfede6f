"""Work in turns: its order, how much of it a turn, and what a socket's last bytes come to."""

import asyncio
from functools import partial
from typing import Any

import pytest

from shared import rota as module
from shared.rota import Intake, Rota


async def turn() -> None:
    await asyncio.sleep(0)


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn has time for one piece of work."""
    monkeypatch.setattr(module, "TURN_S", 0.0)


async def test_what_there_is_time_for_is_done_in_the_next_turn_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 60.0)
    rota, done = Rota(), list[int]()
    for number in range(100):
        rota.put(partial(done.append, number))
    assert done == []

    await turn()
    assert done == list(range(100))


@pytest.mark.usefixtures("short_turns")
async def test_when_time_is_up_the_rest_is_for_later_turns() -> None:
    rota, done = Rota(), list[int]()
    for number in range(3):
        rota.put(partial(done.append, number))

    for expected in range(1, 4):
        await turn()
        assert done == list(range(expected))


async def test_work_that_makes_work_is_no_endless_turn() -> None:
    rota, done = Rota(), list[int]()

    def work(number: int) -> None:
        done.append(number)
        rota.put(partial(work, number + 1))

    rota.put(partial(work, 0))
    for expected in range(1, 5):
        await turn()
        assert done == list(range(expected))


async def test_work_that_fails_is_told_and_the_rest_is_done() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    rota, done = Rota(), list[str]()

    def fail() -> None:
        raise ValueError("work")

    for work in (partial(done.append, "before"), fail, partial(done.append, "after")):
        rota.put(work)
    for _ in range(3):
        await turn()

    assert done == ["before", "after"]
    assert [type(context["exception"]) for context in told] == [ValueError]


async def test_what_a_socket_received_before_its_turn_is_handed_over_together() -> None:
    fed: list[list[bytes]] = []
    intake = Intake(fed.append)

    intake.add(b"one")
    intake.add(b"two")
    assert fed == []
    await turn()
    assert fed == [[b"one", b"two"]]

    intake.add(b"three")
    await turn()
    assert fed == [[b"one", b"two"], [b"three"]]


async def test_what_cannot_wait_is_handed_over_once() -> None:
    fed: list[list[bytes]] = []
    intake = Intake(fed.append)

    intake.add(b"last words")
    intake.flush()
    assert fed == [[b"last words"]]

    intake.flush()
    await turn()
    assert fed == [[b"last words"]]


@pytest.mark.usefixtures("short_turns")
async def test_all_sockets_of_a_loop_share_its_turns() -> None:
    fed: list[bytes] = []
    for number in range(2):
        Intake(fed.extend).add(b"%d" % number)

    await turn()
    assert fed == [b"0"]
    await turn()
    assert fed == [b"0", b"1"]


@pytest.mark.parametrize("_", range(2))
def test_each_loop_has_turns_of_its_own(_: int) -> None:
    async def leave_work_undone() -> None:
        fed: list[bytes] = []
        Intake(fed.extend).add(b"heard")
        await turn()
        assert fed == [b"heard"]
        Intake(fed.extend).add(b"undone")

    asyncio.run(leave_work_undone())
