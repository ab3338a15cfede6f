"""The caller's sound on its way to the agent: nothing lost, gaps mended, loudness noted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Audio
from shared.sound import SILENCE, SILENT_FRAME
from tests.worker.driver import LOUD_FRAME
from worker.ear import QUIET_MS, Ear


@pytest.fixture
def ear() -> Ear:
    """An ear whose agent is ready."""
    ear = Ear()
    ear.agent_is_ready()
    return ear


def frame(number: int, mulaw: bytes = SILENT_FRAME) -> Audio:
    return Audio(mulaw, number * 20)


def test_a_frame_goes_through_byte_for_byte(ear: Ear) -> None:
    assert ear.frame(frame(0, LOUD_FRAME)) == [LOUD_FRAME]


@pytest.mark.parametrize("is_ready", [True, False])
def test_of_an_empty_frame_nothing_goes_to_the_agent(*, is_ready: bool) -> None:
    ear = Ear()
    if is_ready:
        ear.agent_is_ready()
    ear.frame(frame(0, LOUD_FRAME))

    assert ear.frame(frame(1, b"")) == []
    assert caught_up(ear) == [LOUD_FRAME] * (not is_ready)


def test_the_clock_is_the_end_of_the_newest_frame(ear: Ear) -> None:
    ear.frame(frame(7))

    assert ear.clock == 160


def test_what_is_said_before_the_agent_is_ready_waits_in_order() -> None:
    ear = Ear()

    assert ear.frame(frame(0, b"a" * 160)) == []
    assert ear.frame(frame(1, b"b" * 160)) == []
    ear.agent_is_ready()
    assert ear.catch_up() == [b"a" * 160, b"b" * 160]
    assert ear.frame(frame(2, b"c" * 160)) == [b"c" * 160]


def caught_up(ear: Ear) -> list[bytes]:
    """All that waits, in the order in which it goes."""
    pieces = []
    while ear.is_behind:
        pieces += ear.catch_up()
    return pieces


def test_of_what_waits_the_last_minute_is_kept() -> None:
    ear = Ear()
    for number in range(3010):
        ear.frame(frame(number, LOUD_FRAME if number != 10 else b"\x01" * 160))
    ear.agent_is_ready()

    waited = caught_up(ear)

    assert len(waited) == 3000
    assert waited[0] == b"\x01" * 160


def test_what_waited_goes_two_frames_at_a_time_and_once() -> None:
    ear = Ear()
    for number in range(3):
        ear.frame(frame(number, LOUD_FRAME))
    ear.agent_is_ready()
    assert ear.is_behind

    assert [ear.catch_up() for _ in range(3)] == [[LOUD_FRAME] * 2, [LOUD_FRAME], []]
    assert not ear.is_behind


def test_what_comes_meanwhile_goes_behind_it() -> None:
    ear = Ear()
    for number in range(4):
        ear.frame(frame(number, LOUD_FRAME))
    ear.agent_is_ready()
    ear.catch_up()

    assert ear.frame(frame(4, b"\x01" * 160)) == []
    assert caught_up(ear) == [LOUD_FRAME, LOUD_FRAME, b"\x01" * 160]
    assert ear.frame(frame(5, b"\x02" * 160)) == [b"\x02" * 160]


def test_of_a_long_silence_no_more_waits_than_ends_a_turn() -> None:
    ear = Ear()
    for number in range(500):
        ear.frame(frame(number, LOUD_FRAME if number in (0, 400) else SILENT_FRAME))
    ear.agent_is_ready()

    assert caught_up(ear) == [
        *[LOUD_FRAME, *[SILENT_FRAME] * 75],
        *[LOUD_FRAME, *[SILENT_FRAME] * 75],
    ]


def test_somebody_speaks_in_what_waits_if_it_is_more_than_a_click() -> None:
    ear = Ear()
    for number in range(9):
        ear.frame(frame(number, LOUD_FRAME))
    assert not ear.has_spoken
    ear.frame(frame(9, LOUD_FRAME))
    assert ear.has_spoken

    ear.listen_again()

    assert not ear.has_spoken


def test_an_ear_that_listens_again_waits_for_the_next_agent(ear: Ear) -> None:
    ear.open_utterance()
    ear.listen_again()

    assert ear.frame(frame(0, LOUD_FRAME)) == []
    assert not ear.is_open


def test_to_listen_again_neither_turns_the_clock_back_nor_makes_a_gap(ear: Ear) -> None:
    for number in range(100):
        ear.frame(frame(number))
    ear.listen_again()
    ear.agent_is_ready()

    assert ear.frame(frame(50, LOUD_FRAME)) == [LOUD_FRAME]
    assert ear.clock == 2000
    assert ear.frame(frame(51)) == [SILENT_FRAME]


def test_how_far_the_agent_was_given_the_callers_frames_is_known() -> None:
    ear = Ear()
    for number in range(1, 6):
        ear.frame(frame(number, LOUD_FRAME), number)
    ear.agent_is_ready()
    assert ear.given == 0
    ear.catch_up()
    assert ear.given == 2
    caught_up(ear)
    ear.frame(frame(6), 6)

    assert ear.given == 6


def test_nobody_is_quiet_whose_words_are_still_on_their_way() -> None:
    ear = Ear()
    for number in range(100):
        ear.frame(frame(number, LOUD_FRAME if number < 80 else SILENT_FRAME))
    ear.agent_is_ready()
    ear.catch_up()
    ear.open_utterance()
    for number in range(100, 160):
        ear.frame(frame(number))
        ear.catch_up()

    assert ear.quiet_ms < QUIET_MS
    caught_up(ear)
    assert ear.quiet_ms < QUIET_MS


def test_a_jump_of_sixty_milliseconds_is_a_rounding(ear: Ear) -> None:
    ear.frame(frame(0))

    assert ear.frame(Audio(LOUD_FRAME, 80)) == [LOUD_FRAME]


def test_a_longer_jump_is_filled_with_silence(ear: Ear) -> None:
    ear.frame(frame(0))

    assert ear.frame(Audio(LOUD_FRAME, 120)) == [SILENCE * 800, LOUD_FRAME]


def test_a_fill_is_whole_frames(ear: Ear) -> None:
    ear.frame(frame(0))

    assert ear.frame(Audio(LOUD_FRAME, 20 + 75)) == [SILENCE * 480, LOUD_FRAME]


def test_ten_seconds_are_filled_at_most(ear: Ear) -> None:
    ear.frame(frame(0))

    assert ear.frame(Audio(LOUD_FRAME, 60_020)) == [SILENCE * 80_000, LOUD_FRAME]
    assert ear.clock == 60_040


def test_a_fill_waits_in_order_too() -> None:
    ear = Ear()
    ear.frame(frame(0, LOUD_FRAME))
    ear.frame(Audio(LOUD_FRAME, 120))

    ear.agent_is_ready()
    assert caught_up(ear) == [LOUD_FRAME, *[SILENT_FRAME] * 5, LOUD_FRAME]


def test_of_a_fill_too_no_more_waits_than_ends_a_turn() -> None:
    ear = Ear()
    ear.frame(frame(0, LOUD_FRAME))
    ear.frame(frame(450, LOUD_FRAME))

    assert caught_up(ear) == [LOUD_FRAME, *[SILENT_FRAME] * 75, LOUD_FRAME]


def test_the_first_frame_of_a_stream_follows_no_gap(ear: Ear) -> None:
    assert ear.frame(Audio(LOUD_FRAME, 5000)) == [LOUD_FRAME]


def test_a_new_stream_has_its_own_clock(ear: Ear) -> None:
    ear.frame(frame(500))
    ear.attach()

    assert ear.frame(Audio(LOUD_FRAME, 400)) == [LOUD_FRAME]
    assert ear.clock == 420


def test_time_that_runs_backwards_is_not_filled(ear: Ear) -> None:
    ear.frame(frame(100))

    assert ear.frame(frame(50)) == [SILENT_FRAME]


def test_an_onset_with_nothing_loud_behind_it_is_quiet_after_a_while(ear: Ear) -> None:
    ear.frame(frame(0, LOUD_FRAME))
    ear.open_utterance()
    for number in range(1, 60):
        ear.frame(frame(number))
    assert ear.quiet_ms < QUIET_MS

    ear.frame(frame(60))

    assert ear.quiet_ms >= QUIET_MS


def test_a_loud_frame_begins_the_quiet_anew(ear: Ear) -> None:
    ear.open_utterance()
    for number in range(100):
        ear.frame(frame(number, LOUD_FRAME if number == 50 else SILENT_FRAME))

    assert ear.last_loud == 51 * 20
    assert ear.quiet_ms < QUIET_MS


def test_no_utterance_is_open_before_the_onset_and_after_the_words(ear: Ear) -> None:
    ear.frame(frame(0))
    ear.frame(frame(400))
    assert ear.quiet_ms < QUIET_MS

    ear.open_utterance()
    ear.close_utterance()
    ear.frame(frame(800))

    assert ear.quiet_ms < QUIET_MS


@given(st.lists(st.integers(0, 5000), max_size=60))
def test_the_agent_hears_as_much_as_passed_on_the_callers_clock(jumps: list[int]) -> None:
    ear = Ear()
    ear.agent_is_ready()
    at = heard = 0
    for jump in jumps:
        at += 20 + jump
        heard += sum(map(len, ear.frame(Audio(SILENT_FRAME, at))))

    # Each jump may lose less than a frame to rounding, and up to 60 ms as no gap.
    assert 0 <= sum(jumps[1:]) * 8 - (heard - 160 * len(jumps)) <= 480 * len(jumps)
