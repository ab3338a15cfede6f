"""The ledger made again from what went down and which marks came up."""

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


def sound(length: int) -> bytes:
    return b"\x20" * length


def restored(down: list[Down], echoes: list[tuple[str, int]], texts: dict[int, str]) -> Playout:
    playout = Playout("b", max(texts, default=0))
    playout.restore(down, echoes, texts)
    return playout


def test_a_restored_ledger_knows_what_was_sent_and_heard(playout: Playout) -> None:
    playout.text(TEXT)
    down = [*playout.sound(sound(960)), *playout.sound(sound(7040))]

    after = restored(down, [("a-1", 1120)], {1: TEXT})

    assert after.is_attached
    assert not after.is_heard_out
    assert after.clear(1500) == ([Clear()], [Cleared(1, 500, 1000, "Hello, how")])


def test_its_marks_are_waited_for_and_echoed_once(playout: Playout) -> None:
    after = restored(playout.sound(sound(960)), [], {})

    assert after.echo("a-1", 120)
    assert not after.echo("a-1", 140)
    assert after.is_heard_out


def test_what_was_not_confirmed_is_sent_to_the_next_phone(playout: Playout) -> None:
    playout.text("One.")
    down = playout.sound(sound(960))
    playout.text("Two.")
    down += playout.sound(sound(960))

    after = restored(down, [("a-1", 120)], {1: "One.", 2: "Two."})

    assert after.attach() == [Sentence(2), Audio(sound(960)), Mark("a-2")]


def test_how_much_sound_there_was_of_the_newest_sentence_is_known(playout: Playout) -> None:
    playout.text("One.")
    down = playout.sound(sound(1280))
    playout.text(TEXT)
    down += [*playout.sound(sound(960)), *playout.sound(sound(960))]

    assert restored(down, [], {1: "One.", 2: TEXT}).sounded_ms() == {2: 240}


def test_a_sentence_whose_sound_never_came_is_not_heard(playout: Playout) -> None:
    playout.text("One.")
    after = restored(playout.sound(sound(960)), [], {1: "One.", 2: "Two."})
    after.expect({1: "One.", 2: "Two."})

    assert after.sounded_ms()[2] == 0
    assert after.clear(0)[1][-1] == Cleared(2, 0, 0, "")


def test_a_clear_settles_a_restored_ledger_too(playout: Playout) -> None:
    down = [*playout.sound(sound(960)), *playout.clear(0)[0]]

    after = restored(down, [("a-1", 40)], {})

    assert after.is_heard_out
    assert after.heard(9000) == 960
    assert after.attach() == []


STEPS = st.lists(
    st.tuples(st.just("sound"), st.sampled_from([160, 320, 960, 1120, 4000, 9120]))
    | st.tuples(st.just("text"), st.just(0))
    | st.tuples(st.just("end"), st.just(0))
    | st.tuples(st.just("clear"), st.just(0))
    | st.tuples(st.just("echo"), st.integers(1, 3)),
    max_size=60,
)


@given(STEPS)
def test_a_restored_ledger_is_the_one_that_wrote_it(steps: list[tuple[str, int]]) -> None:
    """Whatever was said, heard and cut short: the same goes on from the messages alone."""
    live, down, echoes, texts = Playout("a"), list[Down](), list[tuple[str, int]](), {}
    live.attach()
    for clock, (what, number) in enumerate(steps):
        match what:
            case "sound":
                down += live.sound(sound(number))
            case "text":
                text = f"One two three {clock}."
                made, ending = live.text(text)
                texts[made] = text
                down += ending
            case "end":
                down += live.end()
            case "clear":
                down += live.clear(clock)[0]
            case "echo":
                for name in list(live._marks)[:number]:
                    live.echo(name, clock)
                    echoes.append((name, clock))

    after = restored(down, echoes, texts)

    assert after.sent == live.sent
    assert after.is_heard_out == live.is_heard_out
    assert after._marks == live._marks
    assert after._since_mark == live._since_mark
    assert list(after.attach()) == list(live.attach())
    # The end of a sentence that falls on a mark leaves no trace.
    assert {each for each in live.sounded_ms().items() if each[1]} <= set(
        after.sounded_ms().items()
    )
    assert after.heard(0) == live.heard(0)
