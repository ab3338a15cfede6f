"""`replay diff`: what it prints and writes, and its exit status."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from replay import diff
from replay.bundle import load_bundle
from replay.difference import Tolerances, compare
from replay.diffpage import page
from replay.main import main
from shared.record import Entry, Said
from sim.corpus.main import FOLDER

PLAIN, BARGE_IN = (str(FOLDER / f"{name}.call") for name in ("plain", "barge-in"))


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_call_and_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", PLAIN, PLAIN]) == diff.SAME

    lines = told(capsys)
    assert lines[-1] == "The two are the same."
    assert not any(line.startswith("*") for line in lines)


def test_two_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["diff", PLAIN, BARGE_IN, "--total-ms", "60000", "--latency-ms", "60000"])
        == diff.DIFFERENT
    )

    lines = told(capsys)
    assert lines[-1] == "They differ in: barge-in, turn."
    stars = [line.split()[1] for line in lines if line.startswith("*")]
    assert stars == ["barge-in", "caller"]
    assert any("book_table" in line for line in lines)


def test_columns_are_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for columns in (60, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        main(["diff", PLAIN, BARGE_IN])
        assert max(map(len, told(capsys))) <= columns


@pytest.mark.parametrize("name", ["none.call", "damaged.call"])
def test_what_cannot_be_compared(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.call").write_bytes(Path(PLAIN).read_bytes()[:-100])

    assert main(["diff", PLAIN, str(tmp_path / name)]) == diff.FAILED
    assert name in capsys.readouterr().err


def test_the_page_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "diff.html"

    assert main(["diff", PLAIN, BARGE_IN, "--html", str(target)]) == diff.DIFFERENT
    assert target.read_text().startswith("<!doctype html>")
    assert str(target) in capsys.readouterr().out


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    difference = compare(load_bundle(Path(PLAIN)), load_bundle(Path(BARGE_IN)), Tolerances())

    found = Page(page(difference))
    assert found.open == []
    assert found.addresses == []
    assert "script" not in found.tags
    assert "book_table" in found.words
    assert "They differ" in found.words


def test_what_was_said_is_no_markup() -> None:
    recording = load_bundle(Path(PLAIN))
    log = [(at, _shouted(entry)) for at, entry in recording.log]
    changed = type(recording)("CA2", recording.call, tuple(log), recording.streams)

    found = Page(page(compare(recording, changed, Tolerances())))
    assert "<b>&" in found.words
    assert "b" not in found.tags
    assert {"ins", "del"} <= set(found.tags)


def _shouted(entry: Entry) -> Entry:
    return Said(entry.sentence, "<b>& no", entry.up) if isinstance(entry, Said) else entry
