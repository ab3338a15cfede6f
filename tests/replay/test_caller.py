"""The recorded caller speaks again: on tape, and turn by turn."""

from collections.abc import Callable, Mapping

import pytest

from replay.caller import LINGER_MS, PATIENCE_MS, TOO_LATE_MS, Caller, Scene, Tape, TurnByTurn
from replay.recording import Stream
from replay.turns import After, Anchor, Into, Script, Then, Utterance
from shared.causes import Cause
from shared.messages import Audio, Detached, Digit, Dropped, Ended, Mark, Up
from tests.replay.tape import LOUD, QUIET

END = Ended(Cause.CALLER_HUNG_UP)


def stream(*messages: Up, own: tuple[Up, ...] = ()) -> Stream:
    """A stream of Twilio's messages, then of the edge's own, which have no number of theirs."""
    numbered = [*enumerate(messages, 2), *((1 + len(messages), each) for each in own)]
    return Stream("MZ1", tuple(numbered))


def frames(first: int, count: int) -> list[Audio]:
    return [Audio(bytes([n]) * 160, first + 20 * n) for n in range(count)]


def live(
    caller: Caller,
    until_ms: int,
    scene: Scene,
    at: Mapping[int, Callable[[], object]] | None = None,
) -> list[tuple[int, Up]]:
    """What a caller does, with the time; `at` some times things happen to him."""
    done = []
    for ms in range(0, until_ms, 20):
        scene.playback.advance(ms)
        if at and ms in at:
            at[ms]()
        for message in caller.due(ms, scene):
            done.append((ms, message))
            if isinstance(message, Ended | Detached):
                return done
    return done


# -- on tape -------------------------------------------------------------------


def test_a_tape_says_what_was_said_when_it_was_said() -> None:
    recorded: list[Up] = [*frames(107, 2), Digit("5", 127), Audio(LOUD, 207)]

    done = live(Tape(stream(*recorded)), 120, Scene())
    assert done[:4] == [(0, recorded[0]), (20, recorded[1]), (20, recorded[2]), (100, recorded[3])]


def test_echoes_are_not_on_the_tape() -> None:
    recorded = stream(Audio(LOUD, 0), Mark("m1", 0), Dropped("m2"), Audio(LOUD, 20))

    assert [m for _, m in live(Tape(recorded), 40, Scene())] == [Audio(LOUD, 0), Audio(LOUD, 20)]


def test_a_caller_who_hung_up_hangs_up() -> None:
    tape = Tape(stream(Audio(LOUD, 0), Audio(LOUD, 20), END))

    assert live(tape, 1000, Scene())[-1] == (20, END)


def test_an_end_that_was_the_agents_is_left_to_the_agent() -> None:
    tape = Tape(stream(Audio(LOUD, 50), own=(Ended("agent ended the call"),)))

    done = live(tape, PATIENCE_MS + 100, Scene())
    assert done[1:3] == [(20, Audio(QUIET, 70)), (40, Audio(QUIET, 90))]
    assert done[-1] == (PATIENCE_MS + 20, END)


def test_a_lost_phone_is_lost_again() -> None:
    said = stream(Audio(LOUD, 0), own=(Detached("socket closed 1006"),))
    unsaid = stream(Audio(LOUD, 0))

    assert live(Tape(said, is_last=False), 99, Scene())[-1] == (0, Detached("socket closed 1006"))
    assert live(Tape(unsaid, is_last=False), 99, Scene())[-1] == (20, Detached("phone lost"))


# -- turn by turn ---------------------------------------------------------------


def turns(*anchors: Anchor, hang_up: Anchor | None = None) -> TurnByTurn:
    """A caller who says 100 ms each time."""
    said = tuple(Utterance(anchor, (LOUD,) * 5) for anchor in anchors)
    return TurnByTurn(Script(said, hang_up))


def begun(done: list[tuple[int, Up]]) -> list[int]:
    """When utterances began."""
    loud = [ms for ms, m in done if isinstance(m, Audio) and m.mulaw == LOUD]
    return [ms for ms in loud if ms - 20 not in loud]


def speaks(scene: Scene, ms: int, *, is_all: bool = True) -> Callable[[], None]:
    """The agent sends so much sound, and says whether that is all."""

    def happen() -> None:
        scene.playback.sound(ms * 8, 0)
        scene.is_answered = is_all

    return happen


def test_an_utterance_follows_the_agents_turn() -> None:
    scene = Scene()

    assert begun(live(turns(After(300)), 2000, scene, {400: speaks(scene, 500)})) == [1200]


def test_an_agent_that_has_more_to_say_is_waited_for() -> None:
    scene = Scene()
    at = {400: speaks(scene, 500, is_all=False), 2000: speaks(scene, 500)}

    assert begun(live(turns(After(300)), 4000, scene, at)) == [2800]


def test_an_agent_that_does_not_say_that_it_is_done_is_not_waited_for_forever() -> None:
    scene = Scene()
    at = {400: speaks(scene, 500, is_all=False)}

    assert begun(live(turns(After(300)), 9000, scene, at)) == [900 + LINGER_MS]


def test_an_interruption_comes_as_much_sound_into_the_turn() -> None:
    scene = Scene()
    at = {400: speaks(scene, 200, is_all=False), 1000: speaks(scene, 900)}

    assert begun(live(turns(Into(500)), 3000, scene, at)) == [1300]


def test_a_turn_too_short_for_the_interruption_is_followed() -> None:
    scene = Scene()

    assert begun(live(turns(Into(500)), 3000, scene, {400: speaks(scene, 200)})) == [
        600 + TOO_LATE_MS
    ]


def test_what_was_heard_before_an_utterance_is_not_the_answer_to_it() -> None:
    scene = Scene()
    at = {0: speaks(scene, 200), 1500: speaks(scene, 400)}

    assert begun(live(turns(After(100), After(100)), 4000, scene, at)) == [300, 2000]


def test_an_utterance_may_wait_for_nothing() -> None:
    scene = Scene()

    assert begun(live(turns(Then(100), Then(300)), 1000, scene)) == [100, 500]


def test_an_agent_that_says_nothing_is_given_up() -> None:
    scene, caller = Scene(), turns(Then(0), After(300))

    done = live(caller, PATIENCE_MS + 1000, scene)
    assert begun(done) == [0, 100 + PATIENCE_MS]
    assert caller.unanswered == 1


def test_at_speed_it_is_our_time_that_the_agent_takes() -> None:
    scene, caller = Scene(speed=4.0), turns(Then(0), After(300))

    assert begun(live(caller, PATIENCE_MS * 4, scene)) == [0]


def test_keys_follow_their_frame() -> None:
    script = Script((Utterance(Then(40), (QUIET, QUIET), {1: "12"}),))

    done = live(TurnByTurn(script), 100, Scene())
    assert [(ms, m) for ms, m in done if isinstance(m, Digit)] == [
        (60, Digit("1", 60)),
        (60, Digit("2", 60)),
    ]


def test_frames_come_every_20_ms_whatever_is_said() -> None:
    scene = Scene()

    done = live(turns(After(0)), 1000, scene, {100: speaks(scene, 100)})
    assert [m.timestamp for _, m in done if isinstance(m, Audio)] == [*range(0, 1000, 20)]


def test_he_hangs_up_where_he_did() -> None:
    scene = Scene()

    done = live(
        turns(After(300), hang_up=After(200)),
        9000,
        scene,
        {0: speaks(scene, 500), 1500: speaks(scene, 100)},
    )
    assert done[-1] == (1800, END)
    assert live(turns(hang_up=Then(60)), 9000, Scene())[-1] == (60, END)


def test_a_call_that_the_agent_ended_is_left_if_it_does_not_end_it() -> None:
    scene, caller = Scene(), turns(After(300))

    done = live(caller, 60_000, scene, {0: speaks(scene, 500), 1500: speaks(scene, 100)})
    assert done[-1] == (1600 + PATIENCE_MS, END)
    assert caller.unsaid == 0


@pytest.mark.parametrize(("until_ms", "unsaid"), [(100, 2), (320, 1), (1000, 1)])
def test_what_was_not_said(until_ms: int, unsaid: int) -> None:
    scene, caller = Scene(), turns(Then(300), After(300))

    live(caller, until_ms, scene)
    assert caller.unsaid == unsaid
