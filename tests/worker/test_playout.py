"""The ledger: marks, what was heard, and what a clear leaves of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Audio, Clear, Down, Mark, Sentence
from worker.playout import Cleared, Playout

TEXT = "Hello, how are you today?"


@pytest.fixture
def playout() -> Playout:
    """A ledger with a phone."""
    playout = Playout("a")
    playout.attach()
    return playout


def shape(messages: list[Down]) -> list[int | str]:
    """Sound as its length, marks as their names."""
    return [len(m.mulaw) if isinstance(m, Audio) else m.name for m in messages if not is_clear(m)]  # type: ignore[union-attr]


def is_clear(message: Down) -> bool:
    return isinstance(message, Clear)


def sound(length: int) -> bytes:
    return b"\x20" * length


# -- marks --------------------------------------------------------------------


def test_the_first_piece_of_an_utterance_has_a_mark(playout: Playout) -> None:
    assert playout.sound(sound(960)) == [Audio(sound(960)), Mark("a-1")]


def test_then_each_half_second_has_one(playout: Playout) -> None:
    playout.sound(sound(960))

    sent = [each for _ in range(10) for each in playout.sound(sound(960))]

    assert shape(sent) == [960] * 5 + ["a-2"] + [960] * 5 + ["a-3"]


def test_the_end_has_one(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(320))

    assert playout.end() == [Mark("a-2")]


def test_an_end_at_a_mark_needs_no_further_one(playout: Playout) -> None:
    playout.sound(sound(960))

    assert playout.end() == []


def test_a_sentence_ends_the_one_before(playout: Playout) -> None:
    playout.text(TEXT)
    playout.sound(sound(960))
    playout.sound(sound(320))

    assert playout.text("And now?") == (2, [Mark("a-2")])


def test_each_utterance_begins_with_a_mark_again(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.end()

    assert shape(playout.sound(sound(160))) == [160, "a-2"]


def test_a_text_without_sound_has_no_mark(playout: Playout) -> None:
    assert playout.text("One") == (1, [])
    assert playout.text("Two") == (2, [])
    assert playout.end() == []


def test_one_long_piece_has_a_mark_each_half_second(playout: Playout) -> None:
    sent = playout.sound(sound(10_080))

    assert shape(sent) == [4000, "a-1", 4000, "a-2", 2080]


# -- multiples of a frame -----------------------------------------------------


def test_a_remainder_waits_for_the_next_piece(playout: Playout) -> None:
    assert shape(playout.sound(sound(250))) == [160, "a-1"]
    assert shape(playout.sound(sound(70))) == [160]


def test_less_than_a_frame_is_not_sent_and_not_marked(playout: Playout) -> None:
    assert playout.sound(sound(159)) == []
    assert shape(playout.sound(sound(1))) == [160, "a-1"]


def test_a_remainder_goes_out_at_the_end_filled_with_silence(playout: Playout) -> None:
    playout.sound(sound(250))

    assert playout.end() == [Audio(sound(90) + b"\xff" * 70), Mark("a-2")]


def test_a_remainder_belongs_to_the_sentence_before(playout: Playout) -> None:
    playout.text(TEXT)
    playout.sound(sound(1700))
    playout.text("Two")
    playout.sound(sound(160))

    _, cut = playout.clear(0)

    assert [each.of_ms for each in cut] == [220, 20]


# -- held for the phone -------------------------------------------------------


def test_a_greeting_is_held_until_the_phone_is_there() -> None:
    playout = Playout("a")

    assert playout.sound(sound(960)) == []
    assert playout.end() == []
    assert playout.attach() == [Audio(sound(960)), Mark("a-1")]


def test_a_phone_that_comes_back_gets_what_was_not_confirmed(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(4000))
    playout.echo("a-1", 120)
    playout.detach()
    playout.sound(sound(160))

    assert shape(playout.attach()) == [4000, "a-2", 160]


def test_what_is_resent_counts_from_its_own_echo(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(4000))
    playout.echo("a-1", 5000)
    playout.detach()
    playout.attach()

    assert playout.heard(9000) == 960
    assert playout.echo("a-2", 520)
    assert playout.heard(520) == 4960


def test_nothing_confirmed_and_nothing_cleared_is_sent_again(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.echo("a-1", 120)
    playout.sound(sound(960))
    playout.clear(200)
    playout.detach()

    assert playout.attach() == []


def test_of_unconfirmed_sound_five_minutes_are_kept() -> None:
    playout = Playout("a")
    for _ in range(650):
        playout.sound(sound(4000))

    kept = [each for each in playout.attach() if isinstance(each, Audio)]

    assert sum(len(each.mulaw) for each in kept) == 2_400_000


# -- what was heard -----------------------------------------------------------


def test_nothing_is_heard_before_the_first_echo(playout: Playout) -> None:
    playout.sound(sound(8000))

    assert playout.heard(60_000) == 0


def test_heard_is_the_last_echo_and_the_time_since(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(8000))
    playout.echo("a-1", 1000)

    assert playout.heard(1000) == 960
    assert playout.heard(1100) == 960 + 800


def test_heard_is_never_more_than_was_sent(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.echo("a-1", 1000)

    assert playout.heard(99_000) == 960


def test_time_that_runs_backwards_takes_nothing_back(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(960))
    playout.echo("a-1", 1000)

    assert playout.heard(900) == 960


def test_sound_after_silence_is_not_heard_before_its_own_echo(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.end()
    playout.echo("a-1", 1000)
    playout.sound(sound(960))

    assert playout.heard(9000) == 960


def test_an_echo_confirms_the_marks_before_it(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.sound(sound(4000))

    assert playout.echo("a-2", 620)
    assert playout.is_heard_out
    assert not playout.echo("a-1", 640)


def test_the_echo_of_a_mark_that_nobody_sent_is_no_news(playout: Playout) -> None:
    playout.sound(sound(960))

    assert not playout.echo("b-1", 120)
    assert playout.heard(120) == 0


def test_heard_out_means_that_every_sound_is_confirmed(playout: Playout) -> None:
    assert playout.is_heard_out
    playout.sound(sound(10))
    assert not playout.is_heard_out
    playout.end()
    assert not playout.is_heard_out
    playout.echo("a-1", 20)
    assert playout.is_heard_out


def test_a_dropped_mark_is_not_waited_for(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.dropped("a-1")
    playout.dropped("a-1")

    assert not playout.echo("a-1", 120)
    assert playout.is_heard_out


# -- clear --------------------------------------------------------------------


def test_a_clear_says_how_much_of_the_sentence_was_heard(playout: Playout) -> None:
    playout.text(TEXT)
    playout.sound(sound(960))
    playout.sound(sound(7040))
    playout.echo("a-1", 1120)

    assert playout.clear(1500) == ([Clear()], [Cleared(1, 500, 1000, "Hello, how")])


def test_a_clear_without_a_phone_sends_nothing() -> None:
    assert Playout("a").clear(0) == ([], [])


def test_a_sentence_that_was_heard_whole_is_not_cut(playout: Playout) -> None:
    playout.text(TEXT)
    playout.sound(sound(960))
    playout.end()
    playout.echo("a-1", 120)

    assert playout.clear(200) == ([Clear()], [])


def test_each_sentence_under_way_is_cut_for_itself(playout: Playout) -> None:
    playout.text("One two.")
    playout.sound(sound(960))
    playout.sound(sound(640))
    playout.text("Three four.")
    playout.sound(sound(1600))
    playout.echo("a-1", 120)

    _, cut = playout.clear(170)

    assert cut == [Cleared(1, 170, 200, "One"), Cleared(2, 0, 200, "")]


def test_a_text_without_sound_is_never_heard(playout: Playout) -> None:
    playout.text(TEXT)

    _, cut = playout.clear(9000)

    assert cut == [Cleared(1, 0, 0, "")]


def test_a_text_without_sound_between_two_with_sound_is_not_heard(playout: Playout) -> None:
    playout.text("One.")
    playout.sound(sound(960))
    playout.sound(sound(320))
    playout.text("Two.")
    playout.text("Three.")
    playout.sound(sound(4000))
    playout.echo("a-1", 120)

    _, cut = playout.clear(200)

    assert cut == [Cleared(2, 0, 0, ""), Cleared(3, 40, 500, "")]


def test_echoes_that_a_clear_causes_are_not_hearing(playout: Playout) -> None:
    playout.sound(sound(960))
    playout.clear(0)

    assert not playout.echo("a-1", 40)
    assert playout.is_heard_out


def test_a_clear_takes_the_remainder_with_it(playout: Playout) -> None:
    playout.sound(sound(250))
    playout.clear(0)

    assert playout.end() == []
    assert shape(playout.sound(sound(160))) == [160, "a-2"]


def test_sound_after_a_clear_is_reckoned_from_there(playout: Playout) -> None:
    playout.sound(sound(8000))
    playout.clear(0)
    playout.text(TEXT)
    playout.sound(sound(960))
    playout.sound(sound(960))
    mark = f"a-{playout._marks_made}"  # the newest
    assert playout.heard(5000) == 8000

    playout.echo(mark, 5000)

    assert playout.heard(5010) == 8000 + 960 + 80
    assert playout.clear(5010)[1] == [Cleared(1, 130, 240, "Hello, how")]


def test_names_are_not_given_twice(playout: Playout) -> None:
    names = []
    for _ in range(20):
        sent = [*playout.sound(sound(4160)), *playout.end(), *playout.clear(0)[0]]
        names += [each.name for each in sent if isinstance(each, Mark)]

    assert len(names) == len(set(names)) == 40


# -- words --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (0, ""),
        (100, ""),
        (1919, ""),
        (1920, "Hello,"),
        (4000, "Hello, how"),
        (7999, "Hello, how are you"),
        (8000, TEXT),
        (9000, TEXT),
    ],
)
def test_what_was_heard_is_cut_at_a_whole_word(heard: int, text: str) -> None:
    from worker.playout import Sentence

    assert Sentence(1, TEXT, 0, 8000).heard_text(heard) == text


@given(st.text(max_size=80), st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 20_000))
def test_heard_words_are_the_beginning_of_the_sentence(
    text: str, start: int, length: int, heard: int
) -> None:
    from worker.playout import Sentence

    sentence = Sentence(1, text, start, start + length)

    assert text.startswith(sentence.heard_text(heard))


@given(st.lists(st.integers(1, 3000), max_size=30))
def test_no_sound_is_lost_and_all_goes_in_whole_frames(lengths: list[int]) -> None:
    playout = Playout("a")
    playout.attach()
    sent = [each for length in lengths for each in playout.sound(sound(length))] + playout.end()

    pieces = [each.mulaw for each in sent if isinstance(each, Audio)]

    assert all(len(piece) % 160 == 0 for piece in pieces)
    assert b"".join(pieces).rstrip(b"\xff") == sound(sum(lengths))
    assert sum(map(len, pieces)) == playout.sent


# -- numbers of sentences -----------------------------------------------------


def test_a_sentences_number_goes_down_before_its_first_sound(playout: Playout) -> None:
    playout.text(TEXT)

    assert playout.sound(sound(160)) == [Sentence(1), Audio(sound(160)), Mark("a-1")]
    assert playout.sound(sound(160)) == [Audio(sound(160))]


def test_sound_without_a_text_has_no_number(playout: Playout) -> None:
    assert playout.sound(sound(160)) == [Audio(sound(160)), Mark("a-1")]


def test_a_number_waits_for_the_phone_with_its_sound() -> None:
    playout = Playout("a", sentences=4)
    playout.text(TEXT)
    playout.sound(sound(160))

    assert playout.attach() == [Sentence(5), Audio(sound(160)), Mark("a-1")]


def test_how_much_sound_there_is_of_a_sentence_is_known_until_it_ends(playout: Playout) -> None:
    assert playout.sounded_ms() == {}
    playout.text(TEXT)
    assert playout.sounded_ms() == {1: 0}
    playout.sound(sound(8000))
    assert playout.sounded_ms() == {1: 1000}
    playout.end()
    assert playout.sounded_ms() == {}


def test_a_sentence_that_stops_too_soon_has_not_ended(playout: Playout) -> None:
    playout.text(TEXT)
    playout.sound(sound(7840))
    playout.end()

    assert playout.sounded_ms() == {1: 980}


def test_a_sentence_before_one_without_sound_has_ended(playout: Playout) -> None:
    playout.text("One.")
    playout.sound(sound(1600))
    playout.text("Two.")

    assert playout.sounded_ms() == {2: 0}
