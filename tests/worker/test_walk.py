"""Whatever happens in whatever order: what must hold for every call holds for this one.

A walk is any sequence of agent messages, caller entries and time. After each
step what was decided is held against the rules that need no knowledge of how
they are kept; at the end of the walk the call must still be one that works, or
one that ends.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared import record
from shared.messages import DOWN, Audio, Clear, Digit, Down, Dropped, Ended, Mark
from sim.agent import protocol
from tests.worker.driver import (
    APPLIED,
    DONE,
    FATAL,
    HOLD_SOUND,
    LOUD_FRAME,
    ONSET,
    REFUSED,
    WELCOME,
    Driver,
    asks,
    sentence,
    takes_back,
    words,
)
from worker import deepgram
from worker.terms import Inherited, State

AGENT: dict[str, Any] = {
    "settings": deepgram.settings({"greeting": "Hello."}, {}),
    "tools": ("end_call", "transfer_call", "collect_digits", "book"),
    "own_tools": {"book": "One moment."},
    "transfers": {"sales": "+15550001111"},
}


class Watched(Driver):
    """A call of which nothing goes unchecked."""

    def __init__(self, inherited: Inherited | None = None, **terms: Any) -> None:
        self.bus_log: list[record.Entry] = []
        self.bus_down: list[Down] = []
        self.bus_echoes: list[tuple[str, int]] = []
        self.has_phone = False
        self._seen = [0, 0, 0]
        self._connections = 0
        self._last_mark = ("m", 0)
        self._is_ready = False
        self._is_lost = False
        self._has_ended = False
        self._asked = Counter[str]()  # functions of the agent that is there, by their ids
        # What the gate must be, by the rules' own words.
        self._is_shut = False
        self._cleared_at = 0.0
        self._answer_may_come = False
        self._confirmed_at: float | None = None
        super().__init__(inherited=inherited, **{**AGENT, **terms})

    def attach(self) -> None:
        self._last_mark = ("m", 0)  # unique in a stream; what is sent again keeps its name
        self.bus_log.append(record.Attached(f"MZ{len(self.bus_log)}", "edge"))
        self.bus_down, self.bus_echoes, self.has_phone = [], [], True
        super().attach()

    def detach(self) -> None:
        self.has_phone = False
        super().detach()

    def taken_over(self) -> "Watched":
        """The call with another owner, who has what is on the bus and nothing else."""
        log = [(0, each) for each in [*self.bus_log, record.Taken("w-2", 2)]]
        inherited = Inherited(log, self.bus_down, self.bus_echoes, self.sequence)
        successor = Watched(inherited, mark_prefix="n")
        successor.sequence, successor.clock = self.sequence, self.clock
        if self.has_phone:
            successor.has_phone = True
            successor.conversation.rejoined(successor.now)
            successor._take()
        return successor

    def _echo(self, mark: Mark) -> None:
        if not self.never_echoes:
            self.bus_echoes.append((mark.name, self.clock))
        super()._echo(mark)

    def says(self, *messages: str | bytes) -> None:
        for message in messages:
            is_early = self.conversation.state in (State.CONNECTING, State.CONFIGURING)
            if is_early and message not in (WELCOME, APPLIED, FATAL, INTERNAL):
                continue  # no agent speaks before it has accepted the Settings
            self._expect(message)
            super().says(message)

    def loses_agent(self, code: str = "closed 1006") -> None:
        self._is_shut = False  # a new agent, or the apology, needs no opening
        super().loses_agent(code)

    def wait(self, seconds: float) -> None:
        if self.conversation.state in (State.CONNECTING, State.CONFIGURING):
            self._is_shut = False  # it may turn out never to get ready
        super().wait(seconds)

    def _expect(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            at = self._confirmed_at
            self._is_shut = self._is_shut and not (at is not None and self.now - at >= 1)
        elif message.startswith('{"type": "ConversationText", "role": "assistant"'):
            is_late = self.now - self._cleared_at < 0.5 and not self._answer_may_come
            self._is_shut = self._is_shut and is_late
        elif message.startswith('{"type": "ConversationText", "role": "user"'):
            self._answer_may_come = True
            if json.loads(message)["content"]:
                self._confirmed_at = self.now
        elif message in (FATAL, INTERNAL):
            self._is_shut = False
        elif message == DONE or "end_call" in message:
            self._answer_may_come = True
        if isinstance(message, str) and '"FunctionCallRequest"' in message:
            self._asked.update(each["id"] for each in json.loads(message)["functions"])

    def _take(self) -> None:
        super()._take()
        news = [self._log, self._phone, self._agent]
        log, phone, agent = (each[seen:] for each, seen in zip(news, self._seen, strict=True))  # type: ignore[index]
        self._seen = [len(each) for each in news]  # type: ignore[arg-type]
        self.bus_log += log
        self.bus_down += phone
        if self._has_ended:  # a function that is under way then may end, for the log alone
            assert all(isinstance(each, record.ToolAnswered) for each in log)
            assert not phone
            assert not agent
        if self.connects > self._connections:
            self._connections, self._is_ready = self.connects, False
            self._asked.clear()
            assert not self._is_lost
        for entry in log:
            self._check_entry(entry)
        for message in phone:
            self._check_down(message)
        for frame in agent:
            self._check_agent(frame)

    def _check_entry(self, entry: record.Entry) -> None:
        assert record.ENTRIES.unpack(record.ENTRIES.pack(entry)) == entry
        match entry:
            case record.Cut(_, heard_ms, of_ms):
                assert 0 <= heard_ms <= of_ms
            case record.Trouble("agent", _, fatal=True):
                self._is_lost = True
            case record.Over():
                self._has_ended = True

    def _check_down(self, message: Down) -> None:
        assert DOWN.unpack(DOWN.pack(message)) == message
        match message:
            case Audio(mulaw):
                assert mulaw
                assert len(mulaw) % 160 == 0
                assert mulaw == HOLD_SOUND or not self._is_shut  # the bridge's own needs no gate
            case Mark(name):
                prefix, _, number = name.partition("-")
                assert (prefix, int(number)) > self._last_mark
                self._last_mark = (prefix, int(number))
            case Clear():
                self._is_shut, self._cleared_at = True, self.now
                self._answer_may_come, self._confirmed_at = False, None
            case Ended(cause):
                assert self._has_ended
                assert self.over == cause

    def _check_agent(self, frame: str | bytes) -> None:
        assert not self._is_lost
        if isinstance(frame, str) and json.loads(frame)["type"] == "Settings":
            assert not self._is_ready
            self._is_ready = True
        assert self._is_ready
        if isinstance(frame, bytes):
            assert frame
            assert self.conversation.state not in (State.CONNECTING, State.CONFIGURING)
            return
        message = protocol.parse(frame)
        assert not isinstance(message, protocol.Refusal)
        match message:
            case protocol.InjectAgentMessage() | protocol.InjectUserMessage():
                self._answer_may_come = True
            case protocol.FunctionCallResponse(str(call_id), _, content):
                self._asked[call_id] -= 1
                assert self._asked[call_id] >= 0
                self._answer_may_come |= '"digits"' in content  # what a key has cut is over


# By the profile: an order of things that breaks a rule is rarer than a value that does.
TRIES = settings().max_examples

INTERNAL = '{"type":"Error","code":"INTERNAL_SERVER_ERROR","description":"..."}'
CAP_WARNING = '{"type":"Warning","code":"MAXIMUM_SESSION_LENGTH_APPROACHING"}'

Step = Callable[[Watched], None]

SPEECH = st.sampled_from([WELCOME, APPLIED, ONSET, DONE, DONE, ONSET, REFUSED]) | st.sampled_from(
    [
        words(""),
        words("Yes."),
        words("Wait, one more thing."),
        sentence(""),
        sentence("Hello, how are you today?"),
        sentence("Goodbye."),
        asks("end_call"),
        asks("fly", "end_call"),
        asks("book", "book"),
        asks("collect_digits"),
        asks("transfer_call").replace('"{}"', r'"{\"target\":\"sales\"}"'),
        takes_back("end_call"),
        takes_back("book", "collect_digits"),
        takes_back("transfer_call"),
        '{"type":"Warning","code":"INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"}',
        '{"type":"LatencyReport","tts_latency":0.1}',
        '{"type":"Tomorrow"}',
    ]
)
SOUND = st.sampled_from([1, 159, 160, 250, 960, 4000, 9000]).map(lambda length: b"\x20" * length)


def _says(message: str | bytes) -> Step:
    return lambda call: call.says(message)


def _answers(call: Watched) -> None:
    if call.runs:
        call.answers('"booked"', run=0)
        call.runs.pop(0)


def _waits(seconds: float) -> Step:
    return lambda call: call.wait(seconds)


def _listens(frames: int, mulaw: bytes) -> Step:
    return lambda call: call.listen(frames * 0.02, mulaw)


OFTEN: st.SearchStrategy[Step] = (
    SPEECH.map(_says)
    | SOUND.map(_says)
    | st.sampled_from([0.0, 0.05, 0.13, 0.4, 1.0, 4.1]).map(_waits)
    | st.builds(_listens, st.integers(1, 60), st.sampled_from([b"\xff" * 160, LOUD_FRAME]))
    | st.sampled_from("1#").map(lambda key: lambda call: call.caller(Digit(key)))
    | st.just(_answers)
)
SELDOM: st.SearchStrategy[Step] = st.sampled_from(
    [
        lambda call: call.attach(),
        lambda call: call.detach(),
        lambda call: call.loses_agent(),
        lambda call: call.loses_agent("http 401"),
        lambda call: call.says(FATAL),
        lambda call: call.says(INTERNAL),
        lambda call: call.says(CAP_WARNING),
        lambda call: call.caller(Dropped("{}-{}".format(*call._last_mark))),
        lambda call: call.caller(Mark("m-1", 0)),
        lambda call: call.caller(Ended("caller hung up")),
        lambda call: setattr(call, "never_echoes", True),
    ]
)
WALK = st.lists(st.one_of(OFTEN, OFTEN, OFTEN, SELDOM), max_size=40)
BEGINNINGS: st.SearchStrategy[list[Step]] = st.sampled_from(
    [
        [],
        [lambda call: call.attach()],
        [lambda call: call.says(WELCOME, APPLIED)],
        [lambda call: call.attach(), lambda call: call.says(WELCOME, APPLIED)],
        [lambda call: call.attach(), lambda call: call.says(WELCOME, APPLIED)],
    ]
)


def walked(begin: list[Step], steps: list[Step], **terms: Any) -> Watched:
    call = Watched(**terms)
    for step in [*begin, *steps]:
        step(call)
    return call


@settings(max_examples=3 * TRIES)
@given(BEGINNINGS, WALK, st.booleans(), st.booleans())
def test_every_step_keeps_the_rules(
    begin: list[Step],
    steps: list[Step],
    protects: bool,
    flux: bool,
) -> None:
    walked(begin, steps, protects_greeting=protects, uses_flux=flux)


@settings(max_examples=2 * TRIES)
@given(BEGINNINGS, WALK)
def test_an_agent_that_still_talks_is_still_heard(begin: list[Step], steps: list[Step]) -> None:
    call = walked(begin, steps)
    if call.conversation.state is not State.TALKING:
        return
    call.attach()
    call.forget()
    call._seen = [0, 0, 0]

    call.says(words("Hello?"), sentence("Yes?"), b"\x21" * 160)

    assert call.heard_by_phone().endswith(b"\x21" * 160)


@settings(max_examples=2 * TRIES)
@given(BEGINNINGS, WALK)
def test_a_call_that_is_about_to_end_ends(begin: list[Step], steps: list[Step]) -> None:
    call = walked(begin, steps)
    if call.conversation.state is not State.ENDING:
        return

    call.wait(46)  # the cap, and a phone that is waited for

    assert call.over


@settings(max_examples=2 * TRIES)
@given(BEGINNINGS, WALK)
def test_a_call_without_a_phone_ends(begin: list[Step], steps: list[Step]) -> None:
    call = walked(begin, steps)
    call.detach()

    call.wait(16)

    assert call.over


@settings(max_examples=2 * TRIES)
@given(BEGINNINGS, WALK, WALK)
def test_whenever_it_is_taken_over_the_rules_are_kept(
    begin: list[Step], steps: list[Step], more: list[Step]
) -> None:
    former = walked(begin, steps)
    if former.over:
        return
    call = former.taken_over()

    call.says(WELCOME, APPLIED)
    for step in more:
        step(call)
