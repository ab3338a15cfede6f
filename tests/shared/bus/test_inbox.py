"""Notes, each read once."""

import pytest

from shared.bus import inbox as inbox_module
from shared.bus.inbox import Inbox, name_of
from shared.messages import NOTES, Attach, Dispatched, HungUp, Note

ATTACH = Attach("CA1", "MZ1")


def entry(name: bytes, note: Note) -> tuple[bytes, tuple[bytes, bytes]]:
    return b"1-0", (name, NOTES.pack(note))


def read(inbox: Inbox, *named: tuple[bytes, Note]) -> None:
    inbox.read([entry(name, note) for name, note in named])


def test_notes_come_once_and_in_order_however_often_they_are_read() -> None:
    got: list[Note] = []
    inbox = Inbox(got.append)
    one, two = (name_of("edge-1", 1), ATTACH), (name_of("edge-1", 7), HungUp("CA1", "bye"))
    read(inbox, one, two)
    read(inbox, one, two)
    read(inbox, two, (name_of("edge-1", 8), ATTACH))

    assert got == [ATTACH, HungUp("CA1", "bye"), ATTACH]


def test_each_writer_counts_for_itself() -> None:
    got: list[Note] = []
    inbox = Inbox(got.append)
    read(inbox, (name_of("edge-1", 5), ATTACH), (name_of("edge-2", 3), Dispatched()))

    assert got == [ATTACH, Dispatched()]


@pytest.mark.parametrize("name", [b"", b"name", b"edge-1 x", b"edge-1 "])
def test_a_version_that_does_not_count_is_heard(name: bytes) -> None:
    got: list[Note] = []
    read(Inbox(got.append), (name, ATTACH))

    assert got == [ATTACH]


def test_writers_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "WRITERS", 3)
    got: list[Note] = []
    inbox = Inbox(got.append)
    lasting = (name_of("edge-0", 9), ATTACH)
    for number in range(1, 9):
        read(inbox, lasting, (name_of(f"edge-{number}", 1), Dispatched()))

    assert got.count(ATTACH) == 1  # who is heard of again stays known
    read(inbox, (name_of("edge-1", 1), Dispatched()))
    assert got.count(Dispatched()) == 9


def test_an_unreadable_note_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Note] = []
    Inbox(got.append).read([(b"1-0", (b"e 1", b"\xc1")), entry(b"e 2", ATTACH)])

    assert got == [ATTACH]
    assert [record.message for record in caplog.records] == ["unreadable note"]


def test_an_entry_that_only_ends_the_reading_is_no_note(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Note] = []
    Inbox(got.append).read([(b"1-0", (b"", b""))])

    assert (got, caplog.records) == ([], [])
