"""A call's past, folded from its log: what a new agent session must know to go on.

    log ----fold----> Past ----> agent.context.messages, whose turn it is, where to listen again

A session that takes a call over, one whose agent socket broke, and one that has
just begun all start like this; for the last the log is empty, and so is the past.

The context holds what was said and heard, one message a turn: the caller's
confirmed words, the functions that were asked with what they answered, and of
the agent's sentences the part that the caller heard. A noise is no turn, and a
sentence whose sound never came was not said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any

from shared import record
from shared.calls import is_machine
from worker.changes import applied
from worker.functions import UNKNOWN_OUTCOME, arguments_in
from worker.keypad import LOST, MASKED, WAITING, Wanted, pressed, wanted
from worker.playout import whole_words
from worker.tools import COLLECT_DIGITS

# How fast an agent speaks, to tell how much of a sentence its first seconds were
# when the rest of its sound never came.
MS_A_CHARACTER = 65

# Owners in a row that lost a call soon after they took it: the call itself may be what kills them.
POISON_TAKEOVERS = 3
POISON_MS = 10_000

# What the agent is told of a transfer that came to nothing.
NOT_TRANSFERRED = "(The transfer did not work: {status}. The caller is with you again.)"


@dataclass(frozen=True, slots=True)
class Past:
    """What came before."""

    messages: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """History objects, as `agent.context.messages` takes them."""
    owed: str = field(default="", repr=False)
    """The caller's last turn, if nothing of an answer was heard yet; not among the messages."""
    was_cut_off: bool = False
    """Whether the agent was in the middle of an answer."""
    cut_short: tuple[record.Cut, ...] = field(default=(), repr=False)
    """What that did to its sentences, and the log does not say yet."""
    has_greeted: bool = False
    turns: int = 0
    sentences: int = 0
    """Highest number of a sentence so far."""
    up: int = 0
    """Newest caller entry that the log speaks of, on the newest stream."""
    onset: int = 0
    """Caller entry at which an utterance began that is still open; 0 if none is."""
    ending: str = ""
    """Why the call is about to end, if the agent had asked for it."""
    transfer: str = field(default="", repr=False)
    """To whom the caller goes when it has ended, if he does."""
    typed: str = field(default="", repr=False)
    """Keys of a number that the caller was still pressing."""
    wanted: Wanted | None = None
    """The number that the agent waits for."""
    hides_digits: bool = False
    """Whether nobody may read the number that comes next."""
    is_number_lost: bool = False
    """Whether nobody has the keys any more that the caller has pressed of it."""
    machine: str = ""
    """What answering machine has taken the call, as Twilio says it; empty: none."""
    is_over: bool = False
    settings: str = field(default="", repr=False)
    """The Settings in force, without what this file adds; empty if none were accepted yet."""
    passages: tuple[tuple[int, float], ...] = ()
    """Caller entries of which nothing is to be kept, on the newest stream: after, up to."""
    taken_ms: tuple[int, ...] = ()
    """When each owner took the call, server ms: from the one whose agent last gave an answer."""

    @property
    def is_private(self) -> bool:
        """Whether nothing of what is said now is to be kept."""
        return bool(self.passages) and self.passages[-1][1] == inf

    def is_in_passage(self, sequence: int) -> bool:
        """Whether nothing is to be kept of this caller entry."""
        return any(after < sequence <= until for after, until in self.passages)

    @property
    def is_poison(self) -> bool:
        """Whether owner after owner lost the call soon after taking it, without an answer."""
        latest = self.taken_ms[-POISON_TAKEOVERS - 1 :]
        is_soon = (b - a < POISON_MS for a, b in pairwise(latest))
        return len(latest) > POISON_TAKEOVERS and all(is_soon)

    @property
    def is_new(self) -> bool:
        """Whether nothing has been said: the greeting is still to come."""
        return not self.messages and not self.owed and not self.has_greeted


@dataclass(slots=True)
class _Sentence:
    number: int
    text: str
    heard: str | None = None  # the part that was heard, if it was cut
    is_held: bool = False  # its sound waits with the owner, for a phone


@dataclass(slots=True)
class _Tool:
    asked: record.ToolAsked
    answer: str = UNKNOWN_OUTCOME


@dataclass(slots=True)
class _Fold:
    """The state of the fold: turns of the caller (str), sentences and functions, in order."""

    items: list[str | _Sentence | _Tool] = field(default_factory=list)
    turns: int = 0
    sentences: int = 0
    up: int = 0
    onset: int = 0
    is_answering: bool = False
    open_tools: dict[str, bool] = field(default_factory=dict)  # id -> whether ours to answer
    has_result: bool = False  # of a function, of which the agent has said nothing yet
    wanted: Wanted | None = None
    hides_digits: bool = False
    is_number_lost: bool = False
    is_told_to_wait: bool = False  # the agent, for the number that it wants
    ending: str = ""
    transfer: str = ""
    typed: str = ""
    machine: str = ""
    is_over: bool = False
    settings: str = ""
    taken: list[int] = field(default_factory=list)
    has_phone: bool = False
    stream_sid: str = ""
    passages: list[tuple[int, float]] = field(default_factory=list)

    def add(self, at_ms: int, entry: record.Entry) -> None:
        """Take in one entry."""
        self.up = max(self.up, getattr(entry, "up", 0))
        match entry:
            case record.Onset(up, barge_in):
                self.onset = up
                self.is_answering = self.is_answering and not barge_in
            case record.Heard(text):
                self._hear(text)
            case record.Said(number, is_late=True):
                self.sentences = max(self.sentences, number)
            case record.Said(number, text, _, behavior):
                self._say(number, text, behavior)
            case record.Cut(number, _, _, text):
                self._cut(number, text)
            case record.Finished():
                self.is_answering = bool(self.open_tools) or self.has_result
                del self.taken[:-1]  # what made it this far is not what kills owners
            case record.ToolAsked():
                self._ask(entry)
            case record.ToolAnswered(call_id, name, content):
                self._answer(call_id, name, content)
            case record.ToolCancelled(call_id):
                self.open_tools.pop(call_id, None)
            case record.Typed(digit):
                self._type(digit)
            case record.Pressed(digits):
                self._number_came()
                self._turn(pressed(digits))
            case _:
                self._change(at_ms, entry)

    def _change(self, at_ms: int, entry: record.Entry) -> None:
        """Take in what is not said by anybody: owners, phones, the end."""
        match entry:
            case record.Taken():
                self.taken.append(at_ms)
                self._lose_held()
            case record.Released():
                self.taken.clear()  # those that gave it away did not die of it
            case record.Attached(stream_sid):
                self.stream_sid = stream_sid
                self.up = self.onset = 0  # a new stream counts anew
                self.passages = [(0, inf)] if self.is_private else []
                self._phone(is_there=True)
            case record.Lost(stream_sid) if stream_sid == self.stream_sid:
                self._phone(is_there=False)
            case record.Ending(cause):
                self.ending = cause
                self.transfer = self.transfer if cause else ""
            case record.Transferring(target):
                self.transfer = target
            case record.Configured(settings):
                self.settings = settings
            case record.Updated(what, content):
                self.settings = applied(self.settings, what, content)
            case record.Paused(up) if not self.is_private:
                self.passages.append((up, inf))
            case record.Resumed(up) if self.is_private:
                self.passages[-1] = (self.passages[-1][0], up)
            case record.Over():
                self.is_over = True
            case record.DialFailed(status):
                self._come_back(status)
            case record.AnsweredBy(by) if is_machine(by):
                self.machine, self.ending, self.transfer = by, "", ""

    @property
    def is_private(self) -> bool:
        return bool(self.passages) and self.passages[-1][1] == inf

    def _come_back(self, status: str) -> None:
        """Nobody took the caller's call: it goes on as if the transfer had been refused."""
        self.is_over, self.ending, self.transfer, self.is_answering = False, "", "", False
        self.taken.clear()
        self.items.append(NOT_TRANSFERRED.format(status=status))

    def forget_talk(self) -> None:
        """With a machine nobody has talked: whatever it said, it is owed nothing."""
        self.items.clear()
        self.is_answering, self.onset = False, 0
        self._number_came()

    def lose_masked(self) -> None:
        """A number that nobody has any more, and of which the agent has said nothing."""
        for last in self.items[-1:]:
            if self.has_result and isinstance(last, _Tool) and last.answer == MASKED:
                last.answer = LOST

    def _hear(self, text: str) -> None:
        self.onset = 0
        if text.strip():
            if self.is_told_to_wait and not self.typed:
                self.wanted = None  # he has said something instead
            self._turn(text)

    def _turn(self, text: str) -> None:
        """A turn of the caller's. Functions may have been asked for before its words were sure."""
        self.turns += 1
        at = len(self.items)
        while at and isinstance(it := self.items[at - 1], _Tool) and it.asked.turn == self.turns:
            at -= 1
        if at == len(self.items):
            self.is_answering = self.has_result = False
            # Of Deepgram's own of a turn that is over no answer was told.
            self.open_tools = {each: True for each, is_ours in self.open_tools.items() if is_ours}
        self.items.insert(at, text)

    def _say(self, number: int, text: str, behavior: str) -> None:
        self.sentences = max(self.sentences, number)
        if behavior not in record.ASIDES:
            self.onset = 0
            self.items.append(_Sentence(number, text, is_held=not self.has_phone))
            self.is_answering, self.has_result = True, False

    def _phone(self, *, is_there: bool) -> None:
        self.has_phone = is_there
        for sentence in self._held() if is_there else ():
            sentence.is_held = False

    def _lose_held(self) -> None:
        """What waited for a phone was lost with its owner: nobody will hear it."""
        for sentence in self._held():
            sentence.heard, sentence.is_held = "", False

    def _held(self) -> list[_Sentence]:
        return [item for item in self.items if isinstance(item, _Sentence) and item.is_held]

    def _cut(self, number: int, text: str) -> None:
        for item in self.items:
            if isinstance(item, _Sentence) and item.number == number:
                item.heard = text

    def _ask(self, asked: record.ToolAsked) -> None:
        self.items.append(_Tool(asked))
        self.open_tools[asked.id] = asked.is_ours
        self.is_answering, self.has_result = True, False
        if asked.name == COLLECT_DIGITS:
            self.is_told_to_wait = False
            is_awaited = bool(self.wanted or self.typed or self.is_number_lost)
            self.wanted = number = wanted(arguments_in(asked.arguments))
            self.hides_digits = number.is_sensitive or (self.hides_digits and is_awaited)

    def _type(self, digit: str) -> None:
        self.typed += digit
        self.is_number_lost = self.is_number_lost or not digit

    def _number_came(self) -> None:
        self.typed, self.wanted, self.hides_digits, self.is_number_lost = "", None, False, False

    def _answer(self, call_id: str, name: str, content: str) -> None:
        self.is_answering = self.has_result = True  # what the agent makes of it is still to come
        self.open_tools.pop(call_id, None)
        if name == COLLECT_DIGITS:
            self.is_told_to_wait = content == WAITING
            if not self.is_told_to_wait:
                self._number_came()
        for item in self.items:
            if isinstance(item, _Tool) and item.asked.id == call_id:
                item.answer = content


def fold(log: Iterable[tuple[int, record.Entry]], sounded_ms: dict[int, int]) -> Past:
    """The past of a call.

    Args:
        log: Entries with their time, server ms, in order.
        sounded_ms: Sound that was sent of each sentence whose end is not known, by its number:
            of those that were under way when their worker or their agent died.
    """
    state = _Fold()
    for at_ms, entry in log:
        state.add(at_ms, entry)
    if state.machine:
        state.forget_talk()
    state.lose_masked()
    cut_short = _cut_short(state, sounded_ms)
    # A sentence that nobody heard is no turn either: what stood around it is one.
    state.items = [i for i in state.items if not isinstance(i, _Sentence) or _heard(i)]
    owed = _owed(state)
    messages = _messages(state.items)
    return Past(
        messages=tuple(messages),
        owed=owed,
        was_cut_off=state.is_answering and bool(messages) and not owed,
        cut_short=tuple(cut_short),
        has_greeted=any(isinstance(item, _Sentence) for item in state.items),
        turns=state.turns,
        sentences=state.sentences,
        up=state.up,
        onset=state.onset,
        ending=state.ending,
        transfer=state.transfer,
        typed=state.typed,
        wanted=state.wanted,
        hides_digits=state.hides_digits,
        is_number_lost=state.is_number_lost,
        machine=state.machine,
        is_over=state.is_over,
        settings=state.settings,
        passages=tuple(state.passages),
        taken_ms=tuple(state.taken),
    )


def _cut_short(state: _Fold, sounded_ms: dict[int, int]) -> list[record.Cut]:
    """Sentences under way at the death: of these was heard what had been sent, and no more."""
    cuts: list[record.Cut] = []
    for item in reversed(state.items) if state.is_answering else ():
        if not isinstance(item, _Sentence):
            break
        if item.heard is None and item.number in sounded_ms:
            sounded, whole = sounded_ms[item.number], len(item.text) * MS_A_CHARACTER
            if sounded < whole:
                item.heard = whole_words(item.text, sounded / whole)
                cuts.insert(0, record.Cut(item.number, sounded, whole, item.heard, state.up))
    return cuts


def _heard(sentence: _Sentence) -> str:
    return sentence.text if sentence.heard is None else sentence.heard


def _owed(state: _Fold) -> str:
    """Take the caller's last words off the items, if nothing has followed that anybody heard."""
    words: list[str] = []
    while state.items and isinstance(state.items[-1], str):
        words.insert(0, state.items.pop())  # type: ignore[arg-type]
    return " ".join(LOST if each == pressed(MASKED) else each for each in words)


def _messages(items: Iterable[str | _Sentence | _Tool]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, _Tool):
            messages.append({"type": "History", "function_calls": [_function_call(item)]})
            continue
        role, text = ("user", item) if isinstance(item, str) else ("assistant", _heard(item))
        if messages and messages[-1].get("role") == role:
            messages[-1]["content"] += f" {text}"
        else:
            messages.append({"type": "History", "role": role, "content": text})
    return messages


def _function_call(tool: _Tool) -> dict[str, Any]:
    asked = tool.asked
    call = {
        "id": asked.id,
        "name": asked.name,
        "client_side": asked.is_ours,
        "arguments": asked.arguments,
        "response": tool.answer,
    }
    return {**call, "thought_signature": asked.signature} if asked.signature else call
