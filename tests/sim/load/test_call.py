"""What both ends of a call see: delays, and frames that do not arrive as they should."""

from sim.load import tag
from sim.load.call import Call, Tally, Trail
from sim.load.statistics import Spread


def measuring() -> Tally:
    return Tally(since=0.0, until=100.0)


def speak(call: Call, turn: int, number: int, now: float) -> bytes:
    call.speech.depart(number, now)
    return tag.frame(tag.AGENT, call.number, turn, number)


def test_a_frame_takes_from_departure_to_arrival() -> None:
    trail = Trail()
    trail.depart(0, 1.0)

    assert trail.arrive(0) == 1.0
    assert (trail.sent, trail.arrived, trail.lost, trail.disordered) == (1, 1, 0, 0)


def test_what_does_not_arrive_is_lost() -> None:
    trail = Trail()
    trail.depart(0, 1.0)
    trail.depart(1, 1.02)
    trail.arrive(1)

    assert (trail.lost, trail.overdue, trail.disordered) == (1, 0, 0)


def test_what_nothing_has_overtaken_is_overdue() -> None:
    trail = Trail()
    trail.depart(0, 1.0)
    trail.depart(1, 1.02)
    trail.arrive(0)

    assert (trail.lost, trail.overdue) == (0, 1)


def test_what_overtakes_or_comes_twice_is_out_of_order() -> None:
    trail = Trail()
    for number in range(3):
        trail.depart(number, 1.0)
    for number in (1, 0, 2, 2):
        trail.arrive(number)

    assert (trail.lost, trail.arrived, trail.disordered) == (0, 3, 2)


def test_what_was_cut_is_taken_back_and_not_lost() -> None:
    trail = Trail()
    for number in range(4):
        trail.depart(number, 1.0)
    trail.arrive(0)
    trail.cut(range(3))

    assert (trail.taken_back, trail.overdue, trail.is_settled) == (2, 1, False)
    trail.arrive(3)
    assert trail.is_settled


def test_an_echo_is_measured_on_each_way_and_on_both() -> None:
    tally = measuring()
    call = Call(5, tally)
    call.next_frame(1.0)
    call.heard(0, 1.002)
    call.echo.depart(0, 1.002)
    call.played(tag.frame(tag.CALLER, 5, 0, 0), 1.005)

    delays = {name: each.p50 for name, each in tally.spreads().items() if name != "greeting"}
    assert delays == {"up": 2.0, "down": 3.0, "round_trip": 5.0}


def test_a_frame_counts_if_it_departed_while_we_measure() -> None:
    tally = Tally(since=2.0, until=3.0)
    call = Call(5, tally)
    for number, now in enumerate((1.9, 2.0, 3.0)):
        call.next_frame(now)
        call.heard(number, now + 0.5)

    assert tally.spreads() == {"up": Spread(1, 500, 500, 500, 500)}


def test_sound_of_another_call_has_strayed() -> None:
    tally = measuring()
    Call(5, tally).played(tag.frame(tag.AGENT, 6, 0, 0), 1.0)

    assert tally.counts["strayed"] == 1


def test_sound_of_the_cut_turn_is_stale_after_the_clear_and_not_before() -> None:
    tally = measuring()
    call = Call(5, tally)
    sounds = [speak(call, 1, number, 1.0) for number in range(3)]
    call.barge_in(1, 2.0)
    call.played(sounds[0], 2.001)
    call.cleared(2.002)
    call.played(sounds[1] + sounds[2], 2.003)
    call.played(speak(call, 2, 3, 2.7), 2.71)

    assert tally.counts["stale_bytes"] == 320
    assert tally.spreads()["barge_in"] == Spread(1, 2, 2, 2, 2)


def test_a_barge_in_that_nothing_answers_is_counted() -> None:
    tally = measuring()
    call = Call(5, tally)
    call.barge_in(1, 2.0)
    call.close()

    assert tally.counts["barge_ins_without_clear"] == 1


def test_the_books_balance_when_a_call_closes() -> None:
    tally = measuring()
    call = Call(5, tally)
    call.next_frame(1.0)
    call.next_frame(1.02)
    call.heard(0, 1.03)
    speak(call, 1, 0, 1.0)
    call.close()

    counts = tally.counts
    assert (counts["sent"], counts["heard"], counts["spoken"], counts["returned"]) == (2, 1, 1, 0)
    assert (counts["lost"], counts["overdue"]) == (0, 2)


def test_what_is_on_its_way_to_a_caller_who_has_left_is_not_missed() -> None:
    trail = Trail()
    for number in range(4):
        trail.depart(number, 1.0)
    trail.arrive(0)
    trail.arrive(2)

    trail.end()

    assert (trail.lost, trail.overdue, trail.taken_back) == (1, 0, 1)
    assert not trail.is_settled


def test_a_call_knows_when_the_agent_first_heard_it() -> None:
    call = Call(9, Tally(), is_late=True)
    call.started_at = 1.0
    call.next_frame(1.0)
    assert not call.is_heard

    call.heard(0, 1.25)
    call.heard(0, 1.5)

    assert call.heard_after == 0.25
