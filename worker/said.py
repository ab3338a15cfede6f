"""What a log knows of the agent's sentences: which of them went to which phone."""

from collections.abc import Sequence

from shared import record
from shared.messages import Audio, Sentence
from worker.terms import Inherited

Log = Sequence[tuple[int, record.Entry]]
"""Entries with their time, server ms."""


def texts(log: Log) -> dict[int, str]:
    """The sentences, by number."""
    return {entry.sentence: entry.text for _, entry in log if isinstance(entry, record.Said)}


def to_this_phone(log: Log) -> dict[int, str]:
    """The sentences said since the phone's stream began, and not cut."""
    said: dict[int, str] = {}
    for _, entry in log:
        match entry:
            case record.Attached():
                said.clear()
            case record.Said(number, text):
                said[number] = text
            case record.Cut(number):
                said.pop(number, None)
    return said


def never_sent(inherited: Inherited) -> list[record.Cut]:
    """Of the sentences that waited for a phone, and for which their owner did not live.

    They come behind all that was sent, and nobody has heard a word of them. Of the stream that
    the phone is on now they say nothing: they stand at its beginning.
    """
    sent = [each.number for each in inherited.down if isinstance(each, Sentence)]
    newest = max(sent, default=0)
    if not sent and any(isinstance(each, Audio) for each in inherited.down):
        return []  # what this sound says is no longer known
    cut = {entry.sentence for _, entry in inherited.log if isinstance(entry, record.Cut)}
    return [
        record.Cut(entry.sentence, 0, 0, "", 0)
        for _, entry in inherited.log
        if isinstance(entry, record.Said) and entry.sentence > newest and entry.sentence not in cut
    ]
