"""What the recorded caller did, and on what."""

from collections.abc import Iterable

import pytest

from replay.recording import Recording
from replay.turns import After, Into, Then, Utterance, script
from shared.messages import Audio, Ended, Up
from shared.record import Said
from tests.replay.tape import LOUD, QUIET, down, recording, up

Entries = tuple[tuple[int, Up], ...]


def spoken(*words: tuple[int, int], seconds: float = 6.0, keys: str = "") -> Entries:
    """A caller who speaks from when to when, ms, and presses a key at `ms key`."""
    pressed = [each.split() for each in keys.split(",") if each]
    echoes = [(200, "m0"), (1000, "m1"), *((int(ms), f"#{key}") for ms, key in pressed)]
    return tuple((number, _loud(m, words)) for number, m in up(seconds, echoes))


def _loud(message: Up, words: Iterable[tuple[int, int]]) -> Up:
    if isinstance(message, Audio) and any(a <= message.timestamp < b for a, b in words):
        return Audio(LOUD, message.timestamp)
    return message


def call(entries: Entries, agent: str = "a20 m0 a780 m1") -> Recording:
    """The agent speaks from 180 to 980 ms, as its marks tell."""
    return recording((entries, down(agent)), log=[(100, Said(1, "Hello.", 3))])


def about(utterance: Utterance) -> tuple[type, float]:
    return type(utterance.anchor), utterance.anchor.ms


def test_words_after_the_agents_turn_follow_it_by_the_reaction_time() -> None:
    (said,) = script(call(spoken((2000, 3000)))).utterances

    assert isinstance(said.anchor, After)
    assert said.anchor.ms + 200 == pytest.approx(2000 - 980, abs=20)
    assert said.frames.count(LOUD) == 50
    assert said.behind_ms == 300


def test_words_over_the_agent_come_as_much_sound_into_it() -> None:
    (said,) = script(call(spoken((600, 1400)))).utterances

    assert isinstance(said.anchor, Into)
    assert said.anchor.ms + 200 == pytest.approx(600 - 180, abs=20)


def test_words_before_the_agent_said_anything_come_at_their_time() -> None:
    entries = spoken((60, 160))

    (said,) = script(call(entries)).utterances
    assert about(said) == (Then, 0)
    assert said.frames[3:8] == (LOUD,) * 5


def test_pauses_without_a_word_of_the_agent_stay_in_the_utterance() -> None:
    (said,) = script(call(spoken((2000, 2400), (4000, 4400)))).utterances

    loud = [n for n, frame in enumerate(said.frames) if frame == LOUD]
    assert loud == [*range(10, 30), *range(110, 130)]


def test_what_the_agent_says_between_parts_two_utterances() -> None:
    first, second = script(call(spoken((40, 140), (2000, 2400)))).utterances

    assert about(first) == (Then, 0)
    assert isinstance(second.anchor, After)


def test_an_agent_that_is_interrupted_does_not_part_the_words_that_interrupt_it() -> None:
    entries = spoken((700, 820), (1500, 2000))

    (said,) = script(call(entries)).utterances
    assert isinstance(said.anchor, Into)
    assert said.frames.count(LOUD) == 6 + 25


def test_a_click_is_no_utterance() -> None:
    assert script(call(spoken((2000, 2040)))).utterances == ()


def test_keys_are_pressed_where_they_were() -> None:
    (said,) = script(call(spoken(keys="2000 1,2200 2"))).utterances

    assert said.keys == {10: "1", 20: "2"}
    assert set(said.frames) == {QUIET}


def test_a_caller_who_hung_up_does_so_again() -> None:
    entries = spoken((2000, 3000))
    last = entries[-1][0]

    by_himself = script(call((*entries, (last + 1, Ended("caller hung up")))))
    assert by_himself.hang_up is not None
    assert by_himself.hang_up.ms == pytest.approx(6000 - 3000, abs=20)
    assert script(call((*entries, (last, Ended("agent ended the call"))))).hang_up is None
    assert script(call(entries)).hang_up is None


def test_a_call_in_which_nobody_spoke() -> None:
    silent = recording((spoken(), ()))

    assert script(silent).utterances == ()
    assert script(Recording("CA1")).utterances == ()
