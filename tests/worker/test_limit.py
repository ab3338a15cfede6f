"""A call that lasts too long: told a minute before, parted from politely, and over in any case."""

from typing import Any

from shared.causes import Cause
from shared.record import Ending, Over
from shared.sound import SILENT_FRAME
from tests.worker.driver import (
    APPLIED,
    DONE,
    GOODBYE,
    ONSET,
    WELCOME,
    Driver,
    entries,
    sentence,
    talking,
    words,
)
from tests.worker.test_patience import injected
from worker.limit import CUT_AFTER_S, PATIENCE_S, Due, Limit
from worker.terms import Inherited

ALMOST = "We have one more minute."


def aged(age_s: float, **terms: Any) -> Driver:
    """A call that another worker had until now."""
    call = Driver(inherited=Inherited(age_s=age_s), **terms)
    call.attach()
    call.says(WELCOME, APPLIED)
    call.forget()
    return call


# -- the clock ----------------------------------------------------------------


def test_a_warning_a_minute_before_and_then_the_goodbye() -> None:
    limit = Limit(300, 0, 1000)

    assert limit.again_at == 1240
    assert limit.look(1240, is_quiet=True) is Due.WARNING
    assert limit.again_at == 1300
    assert limit.look(1299, is_quiet=True) is None
    assert limit.look(1300, is_quiet=True) is Due.GOODBYE
    assert limit.look(1300 + CUT_AFTER_S, is_quiet=True) is Due.END


def test_both_wait_for_a_quiet_moment_but_not_for_ever() -> None:
    limit = Limit(300, 0, 1000)

    assert limit.look(1240, is_quiet=False) is None
    assert limit.look(limit.again_at, is_quiet=True) is Due.WARNING
    assert limit.look(1300, is_quiet=False) is None
    assert limit.look(1300 + PATIENCE_S, is_quiet=False) is Due.GOODBYE


def test_a_short_call_is_not_told() -> None:
    limit = Limit(60, 0, 1000)

    assert limit.again_at == 1060
    assert limit.look(1059, is_quiet=True) is None


def test_age_counts() -> None:
    assert Limit(300, 200, 1000).again_at == 1040
    assert Limit(300, 250, 1000).again_at == 1050  # in its last minute: no second warning
    assert Limit(300, 900, 1000).look(1000, is_quiet=False) is Due.END


def test_no_limit() -> None:
    assert Limit(0, 1e6, 1000).again_at == float("inf")


# -- a call -------------------------------------------------------------------


def test_the_caller_is_told_and_then_parted_from() -> None:
    call = talking(max_s=70)
    call.listen(9.9)
    assert injected(call) == []
    call.listen(0.2)
    assert injected(call) == [ALMOST]
    call.says(sentence(ALMOST), SILENT_FRAME * 20, DONE)

    call.listen(59.8)
    assert injected(call) == []
    call.listen(0.5)
    assert injected(call) == [GOODBYE]
    assert call.over == ""
    call.says(sentence(GOODBYE), SILENT_FRAME * 50, DONE)
    call.listen(1.2)

    assert call.over == Cause.TIME_IS_UP
    assert [type(each) for each in call.log() if isinstance(each, Ending | Over)] == [Ending, Over]


def test_the_agent_file_says_how_it_is_told() -> None:
    call = talking(max_s=61, last_minute="Nearly over.")
    call.listen(1.1)

    assert injected(call) == ["Nearly over."]


def test_nobody_is_talked_over() -> None:
    call = talking(max_s=61)
    call.says(sentence("A long story."), SILENT_FRAME * 250, DONE)
    call.listen(3)
    assert injected(call) == []
    call.listen(2.5)

    assert injected(call) == [ALMOST]


def test_who_never_stops_is_parted_from_all_the_same() -> None:
    call = talking(max_s=2)
    call.says(sentence("A long story."), SILENT_FRAME * 3000)
    call.listen(2 + PATIENCE_S + 0.5)

    assert injected(call) == [GOODBYE]


def test_the_goodbye_of_a_call_that_is_too_long_cannot_be_called_off() -> None:
    call = talking(max_s=1)
    call.listen(1.1)
    call.says(ONSET, words("But I want to go on with this."))
    call.says(sentence("Sure, go ahead."), SILENT_FRAME * 20, DONE)
    call.listen(3)

    assert call.over == Cause.TIME_IS_UP


def test_a_call_that_is_long_past_its_time_ends_without_a_word() -> None:
    call = Driver(inherited=Inherited(age_s=900), max_s=300)
    call.attach()
    call.wait(0.1)

    assert call.over == Cause.TIME_IS_UP


def test_a_take_over_gives_no_second_time() -> None:
    call = aged(300, max_s=310)
    call.listen(9.8)
    assert injected(call) == []
    call.listen(0.5)

    assert injected(call) == [GOODBYE]


def test_a_successor_goes_on_with_the_goodbye() -> None:
    call = Driver(inherited=Inherited(log=[(0, Ending(Cause.TIME_IS_UP, 1))], age_s=301), max_s=300)
    call.attach()
    call.listen(5)

    assert call.over == Cause.TIME_IS_UP


def test_without_a_limit_a_call_goes_on() -> None:
    call = talking(max_s=0)
    call.listen(120)

    assert (injected(call), call.over) == ([], "")
    assert entries(call, Ending) == []
