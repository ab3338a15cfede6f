"""What a link sends: kinds of commands, which differ in what may happen to them on their way."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from redis.exceptions import ResponseError

from shared.bus.errors import Refused
from shared.bus.wire import Answer, code_of, settle
from shared.logs import Seldom

log = logging.getLogger("bus")
_seldom = Seldom(log)


class Command:
    """One command, and who wants its answer."""

    __slots__ = ("answer", "data")

    is_sound = False
    is_awaited = False
    is_entry = False
    hurries = False  # whether it leaves though a round trip is under way
    repeats = False  # whether it may be sent again long after it was answered

    def __init__(self, data: bytes, answer: Callable[[Answer], None]) -> None:
        self.data = data
        self.answer = answer

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be done still, if it is not done yet."""
        return True


class Question(Command):
    __slots__ = ("_asked",)
    is_awaited = True
    hurries = True

    def __init__(self, data: bytes, asked: asyncio.Future[Answer]) -> None:
        super().__init__(data, partial(_reply, asked))
        self._asked = asked

    @property
    def is_wanted(self) -> bool:
        return not self._asked.done()


class Repeated(Command):
    __slots__ = ()
    repeats = True


class Hurried(Repeated):
    __slots__ = ()
    hurries = True


class Entry(Repeated):
    """An entry with an id of ours: Redis tells whether it had it."""

    __slots__ = ()
    is_entry = True


class Sound(Entry):
    __slots__ = ()
    is_sound = True


class HurriedEntry(Entry):
    __slots__ = ()
    hurries = True


def expect_success(answer: Answer) -> None:
    # "Equal or smaller than the top item": the entry had arrived before its connection broke.
    if isinstance(answer, ResponseError) and "equal or smaller" not in str(answer):
        _seldom.warning("redis refused a write", error=code_of(answer))


def _reply(asked: asyncio.Future[Answer], answer: Answer) -> None:
    settle(asked, Refused(code_of(answer)) if isinstance(answer, ResponseError) else answer)
