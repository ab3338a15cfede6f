"""When a lost agent is tried again, and when it is given up."""

import pytest

from worker.recovery import Recovery, is_final


@pytest.mark.parametrize("code", ["INVALID_SETTINGS", "http 401", "http 403", "http 400"])
def test_what_would_fail_alike_is_final(code: str) -> None:
    assert is_final(code)
    assert Recovery().lost(code, 5.0) is None


@pytest.mark.parametrize(
    "code",
    [
        *("closed 1006", "closed 1011", "no pong", "agent not ready", "connect TimeoutError"),
        *("INTERNAL_SERVER_ERROR", "FAILED_TO_THINK", "http 429", "http 408", "http 500"),
    ],
)
def test_all_else_is_tried_again(code: str) -> None:
    assert not is_final(code)
    assert Recovery().lost(code, 5.0) == 5.0


def test_the_first_attempt_is_at_once_and_the_pauses_grow() -> None:
    recovery = Recovery()

    assert [recovery.lost("closed 1006", 0.0) for _ in range(6)] == [0.0, 0.25, 0.5, 1.0, 1.0, 1.0]


def test_after_ten_seconds_it_is_given_up() -> None:
    recovery = Recovery()
    recovery.lost("closed 1006", 50.0)
    for _ in range(3):
        assert recovery.lost("closed 1006", 58.9) is not None

    assert recovery.lost("closed 1006", 59.0) is None


def test_time_runs_from_when_an_agent_was_wanted() -> None:
    recovery = Recovery()
    recovery.begin(50.0)
    recovery.begin(58.0)

    assert recovery.lost("closed 1006", 59.9) == 59.9
    assert recovery.lost("closed 1006", 60.0) is None


def test_an_agent_that_was_ready_is_as_good_as_a_new_one() -> None:
    recovery = Recovery()
    for _ in range(4):
        recovery.lost("closed 1006", 0.0)
    recovery.ready(5.0)
    recovery.proved()

    assert recovery.lost("closed 1006", 100.0) == 100.0
    assert recovery.lost("closed 1006", 100.0) == 100.25


def test_an_agent_that_was_there_in_silence_is_tried_again() -> None:
    recovery = Recovery()
    recovery.begin(0.0)
    recovery.ready(4.0)

    assert recovery.lost("closed 1006", 11.0) == 11.0
    assert recovery.lost("closed 1006", 12.0) == 12.25


def test_an_agent_that_is_ready_each_time_and_fails_at_each_answer_is_given_up() -> None:
    recovery, now, attempts = Recovery(), 0.0, 0
    recovery.begin(now)
    while (again_at := recovery.lost("FAILED_TO_THINK", now)) is not None:
        recovery.ready(again_at + 0.1)
        now, attempts = again_at + 0.5, attempts + 1

    assert 5 <= attempts <= 15
    assert now < 12.0


def test_an_agent_that_has_lasted_is_as_good_as_one_that_has_spoken() -> None:
    recovery = Recovery()
    recovery.lost("closed 1006", 0.0)
    recovery.ready(0.1)

    assert recovery.lost("closed 1006", 3600.0) == 3600.0
