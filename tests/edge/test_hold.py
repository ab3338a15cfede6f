"""The line for a caller whom no worker serves: when it may be said, and what ends it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import hold
from edge.hold import Hold
from shared.messages import Audio, Clear, Down, Mark
from shared.sound import SILENT_FRAME

LINE = b"\x10" * 8000
LOUD = b"\x00" * 160
OWNER = Audio(b"\x20" * 160)


def waiting(*, had_owner: bool = True, since: float = 100.0) -> Hold:
    """A call that nobody serves since then, whose phone has played all that it was sent."""
    ours = Hold(LINE)
    ours.unserved(since, had_owner=had_owner)
    echo(ours, ours.ask())
    return ours


def playing(since: float = 100.0) -> Hold:
    """A call whose caller hears the line."""
    ours = waiting(since=since)
    ours.say(since + 1)
    return ours


def echo(ours: Hold, sent: list[Down]) -> None:
    for message in sent:
        if isinstance(message, Mark):
            ours.echo(message.name)


def test_a_call_that_is_served_costs_nothing() -> None:
    ours = Hold(LINE)

    assert not ours.is_on
    assert ours.ask() == []
    assert not ours.is_due(1000)
    assert not ours.is_hopeless(1000)
    assert not ours.is_to_offer(1000)


@pytest.mark.parametrize(("had_owner", "after_s"), [(True, 0.5), (False, 2.0)])
def test_when_the_first_line_is_due(had_owner: bool, after_s: float) -> None:
    ours = waiting(had_owner=had_owner)

    assert not ours.is_due(100 + after_s - 0.01)
    assert ours.is_due(100 + after_s)


def test_the_line_comes_again_and_in_the_end_there_is_no_hope() -> None:
    ours = waiting()
    said = []
    for tick in range(400):
        now = 100 + tick / 20
        ours.unserved(now, had_owner=True)
        echo(ours, ours.ask())
        if ours.is_due(now):
            echo(ours, ours.say(now))
            said.append(now - 100)

    assert said == pytest.approx([0.5, 8.5, 16.5], abs=0.06)
    assert not ours.is_hopeless(120)
    assert ours.is_hopeless(120.01)


def test_what_a_dead_worker_had_sent_is_heard_out_first() -> None:
    ours = Hold(LINE)
    ours.unserved(100, had_owner=True)
    (mark,) = ours.ask()

    assert isinstance(mark, Mark)
    assert hold.is_ours(mark.name)
    assert ours.ask() == []  # once is enough
    assert not ours.is_due(130)
    ours.echo(mark.name)
    assert ours.is_due(130)


def test_nobody_is_talked_over() -> None:
    ours = waiting()
    ours.hear(LOUD, 101)

    assert not ours.is_due(101.5)
    assert ours.is_due(101.51)


def test_the_caller_s_words_end_the_line_and_a_click_does_not() -> None:
    ours = playing()

    assert [ours.hear(LOUD, 101 + at) for at in (0, 0.02)] == [False, False]
    assert not ours.hear(SILENT_FRAME, 101.04)
    assert [ours.hear(LOUD, 101.1 + at) for at in (0, 0.02, 0.04)] == [False, False, True]


def test_the_caller_s_words_end_nothing_when_no_line_plays() -> None:
    ours = waiting()

    assert not any(ours.hear(LOUD, 101 + at / 50) for at in range(20))


def test_a_worker_s_first_sound_ends_the_line_and_no_later_one_does() -> None:
    ours = playing()
    ours.served()

    assert ours.is_on
    assert ours.before(OWNER) == [Clear()]
    assert ours.before(OWNER) == []
    assert not ours.is_on


def test_the_line_itself_and_what_is_no_sound_end_nothing() -> None:
    ours = waiting()
    sent = ours.say(101)

    assert [each for message in sent for each in ours.before(message)] == []
    assert ours.before(Mark("1f-1")) == []
    assert ours.is_playing


def test_a_line_that_was_heard_to_its_end_is_not_ended_again() -> None:
    ours = waiting()
    echo(ours, ours.say(101))

    assert not ours.is_playing
    assert ours.before(OWNER) == []


def test_an_older_echo_says_nothing_of_what_was_sent_since() -> None:
    ours = Hold(LINE)
    ours.unserved(100, had_owner=True)
    (old,) = ours.ask()
    ours.before(OWNER)
    (new,) = ours.ask()
    assert isinstance(old, Mark)
    assert isinstance(new, Mark)

    ours.echo(old.name)
    assert not ours.is_due(101)
    ours.echo(new.name)
    assert ours.is_due(101)


def test_after_a_clear_there_is_nothing_left_to_hear() -> None:
    ours = playing()

    ours.cleared()

    assert not ours.is_playing
    assert ours.before(OWNER) == []


def test_a_call_served_again_starts_anew() -> None:
    ours = waiting()
    ours.say(101)
    ours.served()
    ours.unserved(200, had_owner=True)

    assert not ours.is_due(200.4)
    assert not ours.is_hopeless(220)


def test_the_call_is_offered_again_every_two_seconds() -> None:
    ours = waiting()

    offered = [tick / 10 for tick in range(70) if ours.is_to_offer(100 + tick / 10)]

    assert offered == [2.0, 4.0, 6.0]


def test_what_was_cleared_while_a_worker_served_says_nothing_of_what_it_sent_since() -> None:
    ours = Hold(LINE)
    ours.cleared()  # the caller interrupted; then the worker spoke, and died
    ours.unserved(100, had_owner=True)

    assert not ours.is_due(110)
    echo(ours, ours.ask())
    assert ours.is_due(110)


def test_an_echo_asked_for_before_a_worker_came_says_nothing_when_it_is_gone() -> None:
    ours = Hold(LINE)
    ours.unserved(100, had_owner=False)
    (old,) = ours.ask()
    ours.served()
    ours.unserved(110, had_owner=True)
    (new,) = ours.ask()
    assert isinstance(old, Mark)

    ours.echo(old.name)
    assert not ours.is_due(120)
    echo(ours, [new])
    assert ours.is_due(120)


def test_a_line_that_plays_on_is_asked_for_once() -> None:
    ours = playing()
    ours.served()
    ours.unserved(110, had_owner=True)

    assert ours.is_playing
    assert ours.ask() == []


def test_marks_of_workers_are_not_ours() -> None:
    assert not any(hold.is_ours(f"{epoch:x}-1") for epoch in (1, 0xED9E, 1790000000000))


class Phone:
    """A caller's phone, its edge and its worker in small, of which nothing goes unchecked."""

    def __init__(self) -> None:
        self.hold, self.now = Hold(LINE), 100.0
        self.queue: list[Down] = []
        self.since: float | None = None
        self.lines: list[float] = []
        self.marks: set[str] = set()

    def send(self, messages: list[Down]) -> None:
        for message in messages:
            if isinstance(message, Mark):
                assert message.name not in self.marks
                assert hold.is_ours(message.name)
                self.marks.add(message.name)
            self.queue.append(message)

    def worker_says(self) -> None:
        """A served call's sound: nothing of our line is heard after it."""
        self.since = None
        self.hold.served()
        if self.hold.before(OWNER):
            self.clear()
        assert self.hold.line not in self.queue
        assert self.hold.before(OWNER) == []
        self.queue.append(OWNER)

    def worker_is_gone(self) -> None:
        self.since = self.now if self.since is None else self.since
        self.hold.unserved(self.now, had_owner=True)

    def clear(self) -> None:
        self.queue.clear()
        self.hold.cleared()

    def play(self) -> None:
        """All that was sent is played, and its marks come back."""
        for message in self.queue:
            if isinstance(message, Mark):
                self.hold.echo(message.name)
        self.queue.clear()

    def caller_says(self, mulaw: bytes) -> None:
        was_playing = self.hold.is_playing
        if self.hold.hear(mulaw, self.now):
            assert was_playing
            self.clear()
            assert not self.hold.is_playing

    def look(self, seconds: float) -> None:
        """What the edge does from time to time."""
        self.now += seconds
        self.send(self.hold.ask())
        assert self.hold.ask() == []
        if self.hold.is_due(self.now):
            assert self.since is not None
            assert OWNER not in self.queue
            assert self.hold.line not in self.queue
            assert not self.lines or self.now - self.lines[-1] >= hold.FIRST_AFTER_OWNER_S
            self.lines.append(self.now)
            self.send(self.hold.say(self.now))
        assert self.hold.is_hopeless(self.now) == (
            self.since is not None and self.now - self.since > hold.GIVE_UP_AFTER_S
        )


STEPS = st.lists(
    st.sampled_from(
        [Phone.worker_says, Phone.worker_is_gone, Phone.worker_is_gone, Phone.clear, Phone.play]
        + [lambda phone, each=each: phone.look(each) for each in (0.05, 0.6, 2.0, 9.0)]
        + [lambda phone, each=each: phone.caller_says(each) for each in (LOUD, LOUD * 4)]
        + [lambda phone: phone.caller_says(SILENT_FRAME)]
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_nobody_is_talked_over(steps: list[Callable[[Phone], None]]) -> None:
    phone = Phone()
    for step in steps:
        step(phone)


@given(STEPS)
def test_a_caller_whom_nobody_serves_hears_the_line(steps: list[Callable[[Phone], None]]) -> None:
    phone = Phone()
    for step in steps:
        step(phone)
    phone.worker_is_gone()
    phone.lines.clear()

    for _ in range(40):
        phone.look(0.5)
        phone.play()

    assert phone.lines
