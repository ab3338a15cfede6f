"""A call as exchanges: what the caller did, and what the agent made of it.

An exchange begins with the caller's confirmed words or a number that he pressed; the
first begins with the call. Folded from the log alone, in its order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared import record
from shared.record import Entry
from shared.replayed import canonical


@dataclass(slots=True)
class Sentence:
    """What the agent said, and as much of it as was heard."""

    text: str = field(repr=False)
    heard: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A function that was asked for, with its arguments in one spelling."""

    name: str
    arguments: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(slots=True)
class Exchange:
    """One turn of the caller, and the agent's answer."""

    caller: str = field(repr=False)
    sentences: dict[int, Sentence] = field(default_factory=dict, repr=False)
    tools: list[Request] = field(default_factory=list)
    was_interrupted: bool = False
    latency_ms: int | None = None  # from his confirmed words to the answer's first sound
    silence_ms: int | None = None  # from his last loud frame

    @property
    def agent(self) -> str:
        """All that the agent said."""
        return " ".join(sentence.text for sentence in self.sentences.values())

    @property
    def heard(self) -> str:
        """As much of it as the caller heard."""
        return " ".join(sentence.heard for sentence in self.sentences.values() if sentence.heard)


def exchanges(log: Iterable[Entry]) -> list[Exchange]:
    """A call's exchanges, in order. The first has no words of the caller."""
    found = [Exchange("")]
    for entry in log:
        match entry:
            case record.Heard(text) if text.strip():
                found.append(Exchange(text))
            case record.Pressed(digits):
                found.append(Exchange(f"(presses {digits})"))
            case record.Cut(number, text=heard):
                _cut(found, number, heard, was_sounded=bool(entry.of_ms))
            case _:
                _add(found[-1], entry)
    return found


def _add(exchange: Exchange, entry: Entry) -> None:
    match entry:
        case record.Said(number, text, behavior=behavior) if behavior not in record.ASIDES:
            exchange.sentences[number] = Sentence(text, text)
        case record.ToolAsked(_, name, arguments):
            exchange.tools.append(Request(name, canonical(arguments)))
        case record.Onset(barge_in=True):
            exchange.was_interrupted = True
        case record.Answering(latency_ms, silence_ms) if exchange.latency_ms is None:
            exchange.latency_ms, exchange.silence_ms = latency_ms, silence_ms


def _cut(found: list[Exchange], number: int, heard: str, *, was_sounded: bool) -> None:
    """What was said and not heard. A sentence without sound belongs to a turn that was over."""
    for exchange in reversed(found):
        if number in exchange.sentences:
            if was_sounded:
                exchange.sentences[number].heard = heard
            else:
                del exchange.sentences[number]
            return
