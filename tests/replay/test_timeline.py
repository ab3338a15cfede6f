"""Where sound, words and interruptions lie. An echo at t means: within the 20 ms after t."""

import re

from replay.recording import Recording
from replay.timeline import Answer, Digits, End, Timeline, Tool, Trouble, Turn, timeline
from shared import record
from tests.replay.tape import Log, down, recording, sequence_at, up


def lettered(call: Timeline) -> list[tuple[str, int, int]]:
    """The agent's track as (letter, from ms, to ms): runs of one byte."""
    track = call.agent.render(call.duration_ms)
    runs = re.finditer(rb"([a-z])\1*", track)
    return [(m[1].decode(), round(m.start() / 8), round(m.end() / 8)) for m in runs]


def heard(script: str, seconds: float, *echoes: tuple[int, str]) -> list[tuple[str, int, int]]:
    """What is heard of sound sent down, where the log says nothing."""
    return lettered(timeline(recording((up(seconds, echoes), down(script)))))


def said(number: int, text: str, up: int = 0) -> record.Said:
    return record.Said(number, text, up)


# -- sound --------------------------------------------------------------------


def test_an_utterance_lies_where_its_first_echo_says() -> None:
    echoes = [(620, "m1"), (1120, "m2"), (1220, "m3")]

    assert heard("a120 m1 b500 m2 c100 m3", 2, *echoes) == [
        ("a", 510, 630),
        ("b", 630, 1130),
        ("c", 1130, 1230),
    ]


def test_sentences_in_one_burst_follow_without_a_gap() -> None:
    echoes = [(620, "m1"), (820, "m2"), (940, "m3"), (1140, "m4")]

    assert heard("a120 m1 a200 m2 b120 m3 b200 m4", 2, *echoes) == [
        ("a", 510, 830),
        ("b", 830, 1150),
    ]


def test_a_later_utterance_lies_where_its_own_first_echo_says() -> None:
    echoes = [(620, "m1"), (820, "m2"), (1920, "m3"), (2120, "m4")]

    assert heard("a120 m1 a200 m2 b120 m3 b200 m4", 3, *echoes)[1] == ("b", 1810, 2130)


def test_an_end_mark_that_came_late_moves_nothing() -> None:
    echoes = [(620, "m1"), (780, "m2")]  # 60 ms played, then the lull's mark

    assert heard("a120 m1 b20 b40 m2", 2, *echoes) == [("a", 510, 630), ("b", 630, 690)]


def test_sound_that_ran_dry_within_an_utterance_goes_on_when_more_came() -> None:
    echoes = [(620, "m1"), (1320, "m2")]

    assert heard("a120 m1 b500 m2", 2, *echoes) == [("a", 510, 630), ("b", 830, 1330)]


def test_a_lost_mark_is_made_up_for_by_the_next() -> None:
    assert heard("a120 m1 b500 m2", 2, (1120, "m2")) == [("a", 510, 630), ("b", 630, 1130)]


def test_a_lost_first_mark_does_not_drag_the_utterance_before_along() -> None:
    echoes = [(620, "m1"), (820, "m2"), (2420, "m4")]

    assert heard("a120 m1 a200 m2 b120 m3 b500 m4", 3, *echoes) == [
        ("a", 510, 830),
        ("b", 1810, 2430),
    ]


def test_a_barge_in_cuts_the_sound_within_a_frame() -> None:
    entries = up(3, [(620, "m1"), (1200, "m2"), (1200, "m3")])
    log: Log = [
        (300, said(1, "a long sentence", 15)),
        (1200, record.Onset(sequence_at(entries, 1180), barge_in=True)),
    ]
    call = timeline(recording((entries, down("a120 m1 a4000 m2 a400 m3 ! b100")), log=log))

    assert lettered(call) == [("a", 510, 1210), ("b", 1210, 1310)]


def test_sound_without_an_outstanding_mark_is_cut_where_the_onset_was() -> None:
    entries = up(3, [(620, "m1")])
    log: Log = [(1000, record.Onset(sequence_at(entries, 800), barge_in=True))]

    call = timeline(recording((entries, down("a120 m1 a480 !")), log=log))

    assert lettered(call) == [("a", 510, 810)]


def test_a_clear_with_nothing_playing_cuts_nothing() -> None:
    entries = up(3, [(620, "m1"), (820, "m2")])
    log: Log = [(1400, record.Onset(sequence_at(entries, 1400)))]

    call = timeline(recording((entries, down("a120 m1 a200 m2 !")), log=log))

    assert lettered(call) == [("a", 510, 830)]


def test_an_utterance_cut_within_its_first_piece_began_no_sooner_than_it_was_sent() -> None:
    entries = up(3, [(1000, "m1")])
    log: Log = [
        (900, said(1, "hello", sequence_at(entries, 900))),
        (940, record.Answering(40, 300, sequence_at(entries, 940))),
        (980, record.Onset(sequence_at(entries, 980), barge_in=True)),
    ]

    call = timeline(recording((entries, down("a400 m1 !")), log=log))

    assert lettered(call) == [("a", 950, 1010)]


def test_a_key_clears_as_well() -> None:
    entries = up(3, [(620, "m1"), (800, "#5"), (1500, "m2")])

    call = timeline(recording((entries, down("a120 m1 a480 ! b120 m2"))))

    assert lettered(call) == [("a", 510, 810), ("b", 1390, 1510)]


def test_an_onset_that_interrupts_no_goodbye_belongs_to_no_clear() -> None:
    entries = up(9, [(620, "m1"), (1120, "m2"), (4520, "m3"), (6520, "m4")])
    log: Log = [
        (2000, record.Onset(sequence_at(entries, 2000))),
        (4600, record.Onset(sequence_at(entries, 4600))),  # kept
        (7000, record.Onset(sequence_at(entries, 7000))),
    ]
    sound = "a120 m1 a500 m2 ! b120 m3 b2000 m4 b600 ! c100"

    call = timeline(recording((entries, down(sound)), log=log))

    assert lettered(call) == [("a", 510, 1130), ("b", 4410, 7010), ("c", 7010, 7110)]


def test_dropped_sound_was_never_heard() -> None:
    echoes = [(620, "m1"), (700, "-m2"), (700, "-m3"), (1500, "m4")]

    assert heard("a120 m1 b500 m2 c500 m3 ! d120 m4", 2, *echoes) == [
        ("a", 510, 630),
        ("d", 1390, 1510),
    ]


def test_sound_that_is_not_over_when_the_call_ends_is_heard_up_to_there() -> None:
    assert heard("a120 m1 a500 m2", 1, (620, "m1")) == [("a", 510, 1000)]


def test_what_was_said_when_the_call_was_over_is_not_heard_before() -> None:
    entries = up(1, [(420, "m1"), (620, "m2")])
    log: Log = [(100, said(1, "one", 5)), (980, said(2, "two", sequence_at(entries, 980)))]

    call = timeline(recording((entries, down("a120 m1 a200 m2 b3000 m3")), log=log))

    assert lettered(call) == [("a", 310, 630), ("b", 990, 1000)]


def test_without_any_echo_nothing_is_known_to_be_heard() -> None:
    assert heard("a120 m1 a500 m2 !", 3) == []


# -- the caller ---------------------------------------------------------------


def test_frames_lie_end_to_end_but_for_a_gap() -> None:
    call = timeline(recording((up(2, gap=(1000, 1300)), ())))

    assert [(s.start_ms, s.end_ms) for s in call.caller.segments] == [(0, 1000), (1300, 2000)]
    assert call.duration_ms == 2000


def test_a_lost_frame_opens_no_gap() -> None:
    call = timeline(recording((up(2, gap=(1000, 1020)), ())))

    assert [(s.start_ms, s.end_ms) for s in call.caller.segments] == [(0, 1980)]


def test_turns_begin_at_the_onset_and_end_with_the_last_loud_frame() -> None:
    entries = up(4, loud=(1000, 1800))
    log: Log = [
        (1200, record.Onset(sequence_at(entries, 1200))),
        (1300, record.Onset(sequence_at(entries, 1300))),
        (2400, record.Heard("a car please", sequence_at(entries, 2400))),
        (3000, record.Heard(" ", sequence_at(entries, 3000))),
    ]

    assert timeline(recording((entries, ()), log=log)).turns == (Turn("a car please", 1200, 1800),)


# -- sentences ----------------------------------------------------------------


def spans(call: Timeline) -> list[tuple[int, int, int, str, bool]]:
    return [(s.sentence, s.start_ms, s.end_ms, s.heard, s.was_cut) for s in call.spans]


def test_sentences_are_told_apart_by_where_utterances_begin() -> None:
    echoes = [(620, "m1"), (1120, "m2"), (1240, "m3"), (1340, "m4"), (1460, "m5"), (2260, "m6")]
    log: Log = [
        (300, said(1, "Twelve words.")),
        (310, said(2, "Two.")),
        (320, said(3, "Fourteen words")),
    ]
    sound = "a120 m1 a300 a200 m2 b120 m3 b60 b40 m4 c120 m5 c400 c400 m6"

    call = timeline(recording((up(4, echoes), down(sound)), log=log))

    assert spans(call) == [
        (1, 510, 1130, "Twelve words.", False),
        (2, 1130, 1350, "Two.", False),
        (3, 1350, 2270, "Fourteen words", False),
    ]


def cut_call() -> Recording:
    entries = up(4, [(620, "m1"), (1120, "m2"), (1240, "m3"), (1500, "m4"), (1500, "m5")])
    onset = sequence_at(entries, 1480)
    log: Log = [
        (300, said(1, "The first one.", 15)),
        (310, said(2, "The second is longer.", 16)),
        (320, said(3, "Never to be heard.", 17)),
        (1490, record.Onset(onset, barge_in=True)),
        (1490, record.Cut(2, 370, 620, "The second", onset)),
        (1490, record.Cut(3, 0, 0, "", onset)),
        (1600, record.Heard("stop", sequence_at(entries, 1600))),
    ]
    sound = "a120 m1 a500 m2 b120 m3 b250 b250 m4 !"
    return recording((entries, down(sound)), log=log)


def test_of_a_cut_sentence_the_log_knows_length_and_words() -> None:
    assert spans(timeline(cut_call())) == [
        (1, 510, 1130, "The first one.", False),
        (2, 1130, 1510, "The second", True),
        (3, 320, 320, "", False),
    ]


def test_a_sentence_cut_by_the_end_of_the_call_is_heard_by_its_share() -> None:
    log: Log = [(300, said(1, "one two three four five"))]

    call = timeline(recording((up(1, [(620, "m1")]), down("a120 m1 a780 m2")), log=log))

    assert spans(call) == [(1, 510, 1000, "one two", True)]


# -- the rest -----------------------------------------------------------------


def test_what_else_happened_lies_on_the_same_clock() -> None:
    entries = up(4)
    log: Log = [
        (1000, record.Onset(sequence_at(entries, 900), barge_in=True)),
        (1100, record.Answering(80, 500, sequence_at(entries, 1000))),
        (1200, record.Pressed("42", sequence_at(entries, 1100))),
        (1300, record.ToolAsked("f1", "book", "{}", 1, sequence_at(entries, 1200))),
        (1400, record.ToolAnswered("f1", "book", "done", sequence_at(entries, 1300))),
        (1400, record.ToolAsked("f2", "pay", "{}", 1, sequence_at(entries, 1400))),
        (1500, record.ToolCancelled("f2", "", sequence_at(entries, 1500))),
        (1600, record.Trouble("agent", "SLOW", fatal=False)),
        (3000, record.Over("caller hung up", sequence_at(entries, 2900))),
    ]

    call = timeline(recording((entries, ()), log=log))

    assert call.barge_ins == (900,)
    assert call.answers == (Answer(1000, 80, 500),)
    assert call.digits == (Digits(1100, "42"),)
    assert call.tools == (
        Tool(1200, "book", "{}", "done", 1300),
        Tool(1400, "pay", "{}", was_cancelled=True),
    )
    assert call.troubles == (Trouble(1600, "agent", "SLOW", fatal=False),)
    assert call.end == End(2900, "caller hung up")


def test_a_call_without_a_phone_has_a_log_alone() -> None:
    call = timeline(Recording("CA1", log=((5000, record.Taken("w", 1)), (9000, record.Over("x")))))

    assert (call.duration_ms, call.end) == (0.0, End(4000, "x"))


# -- a phone that comes back --------------------------------------------------


def test_a_second_stream_follows_with_the_gap_between_them() -> None:
    first, second = up(1.4, [(620, "m1"), (1120, "m2")]), up(2, [(540, "m3")])
    log: Log = [
        (0, record.Attached("MZ1", "edge-1")),
        (300, said(1, "one two three four")),
        (1400, record.Lost("MZ1", "socket closed 1006")),
        (5000, record.Attached("MZ2", "edge-2")),
        (5001, record.Onset(sequence_at(first, 1380))),  # its writer had not read of MZ2 yet
    ]
    played = down("a120 m1 b500 m2 c500 m3"), down("c500 m3")

    call = timeline(recording((first, played[0]), (second, played[1]), log=log))

    assert call.duration_ms == 7000
    assert [(s.start_ms, s.end_ms) for s in call.caller.segments] == [(0, 1400), (5000, 7000)]
    assert lettered(call) == [
        ("a", 510, 630),
        ("b", 630, 1130),
        ("c", 1130, 1400),
        ("c", 5050, 5550),
    ]
    assert call.barge_ins == ()
    assert spans(call) == [(1, 510, 5550, "one two three four", False)]


def test_sound_sent_again_is_known_by_its_bytes_where_it_has_no_mark_yet() -> None:
    first, second = up(1, [(620, "m1")]), up(2, [(500, "m2")])
    log: Log = [
        (0, record.Attached("MZ1", "edge-1")),
        (300, said(1, "one two three four five six seven")),
        (3000, record.Attached("MZ2", "edge-2")),
    ]
    played = down("a120 m1 b400"), down("b400 b100 m2")

    call = timeline(recording((first, played[0]), (second, played[1]), log=log))

    assert lettered(call) == [("a", 510, 630), ("b", 630, 1000), ("b", 3010, 3510)]
    assert spans(call) == [(1, 510, 3510, "one two three four five six seven", False)]
