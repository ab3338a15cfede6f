"""The caller's script, a frame at a time and without a clock."""

from dataclasses import dataclass
from itertools import count

from shared.sound import SILENCE, SILENT_FRAME
from sim.phone.caller import (
    Caller,
    Did,
    Drop,
    HangUp,
    Interrupt,
    Listen,
    Press,
    Say,
    Silence,
    Spoken,
    Step,
    Wait,
    caller_steps,
)
from sim.phone.playback import Playback

LOUD = b"\x10" * 160
WORDS = SILENT_FRAME + LOUD * 3 + SILENT_FRAME
"""100 ms, of which the middle 60 are speech."""


@dataclass
class Scene:
    """A caller, what the agent plays to it, and what it did by when."""

    caller: Caller
    playback: Playback
    now_ms: float = 0.0

    def until(self, ms: float) -> list[tuple[float, Did]]:
        """Let time pass; return what was done, with the time of the frame it was done in."""
        done = []
        while self.now_ms < ms:
            self.playback.advance(self.now_ms)
            _, deeds = self.caller.frame(self.now_ms, self.playback)
            done += [(self.now_ms, did) for did in deeds]
            self.now_ms += 20.0
        return done

    def agent_says(self, ms: int) -> None:
        self.playback.media(b"\x10" * 8 * ms, self.now_ms)


def scene(*steps: Step) -> Scene:
    return Scene(Caller(steps), Playback())


def test_with_nothing_to_do_the_track_goes_on_in_silence() -> None:
    play = scene()
    play.until(60.0)

    assert play.caller.track == SILENT_FRAME * 3


def test_say_is_heard_between_silence_and_filled_to_whole_frames() -> None:
    play = scene(Wait(0.02), Say(LOUD + b"\x10" * 10, "hi"))
    done = play.until(80.0)

    assert play.caller.track == SILENT_FRAME + LOUD + b"\x10" * 10 + SILENCE * 310
    assert done == [(20.0, Did("say", "hi")), (60.0, Did("said", "hi"))]


def test_spoken_is_when_the_words_sounded_not_the_silence_around_them() -> None:
    play = scene(Say(WORDS, "hi"))
    play.until(200.0)

    assert play.caller.spoken == [Spoken("hi", 20.0, 80.0)]


def test_speech_too_faint_to_be_found_counts_as_a_whole() -> None:
    play = scene(Say(b"\xf0" * 320, "psst"))
    play.until(100.0)

    assert play.caller.spoken == [Spoken("psst", 0.0, 40.0)]


def test_listen_waits_for_the_agent_and_then_for_quiet() -> None:
    play = scene(Listen(quiet_s=0.1))
    assert play.until(100.0) == []
    play.agent_says(200)

    assert play.until(600.0) == [(400.0, Did("heard"))]


def test_listen_is_not_deceived_by_a_pause_while_sound_is_waiting() -> None:
    play = scene(Listen(quiet_s=0.1))
    play.agent_says(100)
    play.playback.media(SILENCE * 8 * 600, 0.0)
    play.agent_says(100)

    assert play.until(1000.0) == [(900.0, Did("heard"))]


def test_listen_hears_quiet_through_frames_of_silence() -> None:
    play = scene(Listen(quiet_s=0.1))
    play.agent_says(100)
    play.playback.media(SILENCE * 8 * 5000, 0.0)

    assert play.until(400.0) == [(200.0, Did("heard"))]


def test_listen_gives_up() -> None:
    play = scene(Listen(timeout_s=0.2), HangUp())

    assert play.until(400.0) == [(200.0, Did("unanswered")), (200.0, Did("hang up"))]


def test_what_the_agent_said_before_is_no_answer() -> None:
    play = scene(Listen(quiet_s=0.1), Say(WORDS), Listen(quiet_s=0.1))
    play.agent_says(100)
    assert play.until(1000.0)[-1][1] == Did("said")
    play.agent_says(100)

    assert play.until(2000.0) == [(1200.0, Did("heard"))]


def test_a_sentence_that_a_clear_cut_short_is_no_answer() -> None:
    play = scene(Say(LOUD * 20), Listen(quiet_s=0.1))
    play.until(60.0)
    play.agent_says(5000)
    play.until(200.0)
    play.playback.clear(200.0)

    assert play.until(1000.0) == [(400.0, Did("said"))]


def test_an_answer_that_begins_under_the_last_word_counts() -> None:
    play = scene(Say(LOUD * 20), Listen(quiet_s=0.1))
    play.until(300.0)
    play.agent_says(200)

    assert play.until(1000.0)[-1] == (600.0, Did("heard"))


def test_an_answer_cleared_before_it_sounded_is_still_awaited() -> None:
    play = scene(Listen(quiet_s=0.1))
    play.playback.media(SILENCE * 8 * 300, 0.0)
    play.agent_says(1000)
    play.until(100.0)
    play.playback.clear(100.0)

    assert play.until(1000.0) == []


def test_what_was_heard_before_the_stream_was_lost_still_counts() -> None:
    play = scene(Listen(quiet_s=0.2))
    play.agent_says(5000)
    play.until(100.0)
    play.playback = Playback(100.0)

    assert play.until(1000.0) == [(300.0, Did("heard"))]


def test_interrupt_speaks_over_the_agent_after_a_while() -> None:
    play = scene(Interrupt(WORDS, 0.2, "stop"))
    play.until(100.0)
    play.agent_says(5000)

    assert play.until(500.0) == [
        (300.0, Did("interrupt", "stop")),
        (300.0, Did("say", "stop")),
        (400.0, Did("said", "stop")),
    ]


def test_interrupt_waits_for_an_utterance_that_lasts() -> None:
    play = scene(Interrupt(WORDS, 0.2))
    play.agent_says(100)
    play.until(1000.0)
    play.agent_says(5000)

    assert play.until(2000.0)[0] == (1200.0, Did("interrupt"))


def test_interrupt_counts_from_the_callers_own_last_word() -> None:
    play = scene(Say(LOUD * 10), Interrupt(WORDS, 0.2))
    play.agent_says(5000)

    assert (400.0, Did("interrupt")) in play.until(1000.0)


def test_interrupt_speaks_up_when_the_agent_never_does() -> None:
    play = scene(Interrupt(WORDS, 0.2, "hello?", timeout_s=0.1))

    assert play.until(200.0)[:2] == [
        (100.0, Did("unanswered")),
        (100.0, Did("say", "hello?")),
    ]


def test_digits_are_pressed_one_after_the_other() -> None:
    play = scene(Press("12#"))

    assert play.until(1000.0) == [
        (0.0, Did("press", "1")),
        (200.0, Did("press", "2")),
        (400.0, Did("press", "#")),
    ]


def test_a_drop_and_a_hang_up_are_told() -> None:
    play = scene(Drop(), Silence(0.1), HangUp())

    assert play.until(500.0) == [(0.0, Did("drop")), (120.0, Did("hang up"))]


def test_steps_may_be_added_while_the_call_lasts() -> None:
    play = scene()
    play.until(100.0)
    play.caller.then(Press("1"))

    assert play.until(200.0) == [(100.0, Did("press", "1"))]


def test_time_without_a_stream_is_lived_through() -> None:
    play = scene(Wait(0.1), Say(WORDS, "hello?"))
    play.until(40.0)

    assert play.caller.rejoin(150.0) == [Did("say", "hello?")]
    assert len(play.caller.track) == 8 * 150
    assert play.caller.spoken == [Spoken("hello?", 120.0, 180.0)]


def test_keys_want_an_answer_as_words_do() -> None:
    play = scene(Listen(quiet_s=0.1), Press("12"), Listen(quiet_s=0.1))
    play.agent_says(100)
    assert [did.kind for _, did in play.until(1000.0)] == ["heard", "press", "press"]
    play.agent_says(100)

    assert [did.kind for _, did in play.until(1500.0)] == ["heard"]


@dataclass(frozen=True)
class WrittenTurn:
    caller: str
    interrupt_after_s: float | None = None
    press: str = ""


def test_a_written_conversation_becomes_steps() -> None:
    turns = [
        WrittenTurn("one"),
        WrittenTurn("two", 0.5),
        WrittenTurn(""),
        WrittenTurn("three", press="4#"),
    ]

    assert caller_steps(turns, str.encode, patience_s=3.0) == [
        Listen(),
        Say(b"one", "one"),
        Interrupt(b"two", 0.5, "two"),
        Listen(),
        Say(b"three", "three"),
        Listen(),
        Press("4#"),
        Listen(),
        Wait(3.0),
        HangUp(),
    ]


def test_a_whole_conversation_takes_turns() -> None:
    play = scene(*caller_steps([WrittenTurn("a"), WrittenTurn("b")], lambda _: WORDS, 1.0))
    kinds = []
    for _ in count():
        play.agent_says(300)
        done = [did.kind for _, did in play.until(play.now_ms + 1200.0)]
        kinds += done
        if "hang up" in done:
            break

    assert kinds == ["heard", "say", "said", "heard", "say", "said", "heard", "hang up"]
