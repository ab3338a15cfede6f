"""Log lines: for people or for machines, with fields, and without what an exception quotes."""

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
