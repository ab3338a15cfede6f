"""Log lines: for people or for machines, with fields, and without what an exception quotes."""

import asyncio
import gc
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared import logs

log = logging.getLogger("test")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level


Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    def said() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return said


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_text_line_has_clock_level_process_event_and_fields(lines: Lines) -> None:
    logs.setup("INFO", "text", "edge")
    log.info("ringing", extra={"call_sid": "CA1", "calls": 2})

    (line,) = lines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} I edge ringing  call_sid=CA1 calls=2", line)


def test_a_text_line_without_fields_ends_with_its_event(lines: Lines) -> None:
    logs.setup("INFO", "text", "edge")
    log.warning("redis is %s", "away")

    (line,) = lines()
    assert line.endswith("W edge redis is away")


def test_a_json_line_is_one_object(lines: Lines) -> None:
    logs.setup("INFO", "json", "worker")
    log.info("call over", extra={"call_sid": "CA1", "reason": 'said "bye"\n', "odd": {1}})

    (line,) = lines()
    found: dict[str, Any] = json.loads(line)
    assert found.pop("time") > 1.7e9
    assert found == {
        "level": "INFO",
        "process": "worker",
        "event": "call over",
        "call_sid": "CA1",
        "reason": 'said "bye"\n',
        "odd": "{1}",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_its_kind_and_place(form: str, lines: Lines) -> None:
    logs.setup("INFO", form, "edge")
    try:
        fail("my PIN is 4711")
    except ValueError:
        log.exception("call failed")

    (line,) = lines()
    assert re.search(r"ValueError at test_logs\.py:\d+", line)
    assert "4711" not in line
    assert "Traceback" not in line


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert logs.place(KeyError("4711")) == "KeyError"


def test_below_the_level_nothing_is_said(lines: Lines) -> None:
    logs.setup("WARNING", "text", "edge")
    log.info("ringing")

    assert lines() == []


@pytest.mark.parametrize("name", ["websockets.client", "uvicorn.access", "asyncio"])
def test_libraries_that_quote_payloads_are_quiet_at_debug(name: str, lines: Lines) -> None:
    logs.setup("DEBUG", "text", "edge")
    logging.getLogger(name).debug("> TEXT 4711")
    logging.getLogger(name).info("GET /?token=4711")

    assert lines() == []


def test_setting_up_twice_says_everything_once(lines: Lines) -> None:
    logs.setup("INFO", "text", "edge")
    logs.setup("INFO", "text", "edge")
    log.info("ringing")

    assert len(lines()) == 1


def test_what_happens_all_the_time_is_told_now_and_then_with_how_often_it_did(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.setup("INFO", "text", "edge")
    seldom = logs.Seldom(log)
    for _ in range(1000):
        seldom.warning("bad message", reason="KeyError")
    seldom.warning("bad message", reason="ValueError")  # news
    monkeypatch.setattr(logs, "SELDOM_S", 0.0)
    seldom.warning("bad message", reason="KeyError")

    assert [line.partition("  ")[2] for line in lines()] == [
        "reason=KeyError times=1",
        "reason=ValueError times=1",
        "reason=KeyError times=1001",
    ]


def test_what_a_library_says_all_the_time_is_told_now_and_then_too(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.setup("INFO", "text", "edge")
    library = logging.getLogger("library")
    seldom = logs.Seldom(library)
    library.addFilter(seldom)
    try:
        for number in range(1000):
            library.warning("bad frame %d", number)
        for text in ("4711", "4712"):
            try:
                fail(text)
            except ValueError:
                library.exception("bad frame")
        monkeypatch.setattr(logs, "SELDOM_S", 0.0)
        library.warning("bad frame %d", 7)
    finally:
        library.removeFilter(seldom)

    first, error, last = lines()
    assert first.endswith("W edge bad frame 0  times=1")
    assert re.search(r"E edge bad frame  times=1 exception=ValueError at test_logs\.py:\d+$", error)
    assert last.endswith("W edge bad frame 7  times=1001")


async def test_a_loop_s_own_complaints_quote_nobody(lines: Lines) -> None:
    async def fails() -> None:
        fail("card 4711")

    logs.setup("INFO", "text", "worker")
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.of_loop)
    task = loop.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    loop.call_soon(fail, "PIN 4711")
    await asyncio.sleep(0)

    first, second = lines()
    assert "4711" not in first + second
    assert re.search(r"E worker Task exception was never retrieved  reason=ValueError at", first)
    assert re.search(r"E worker Exception in callback fail  reason=ValueError at", second)
