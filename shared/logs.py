"""Logs: one line an event, with fields; nothing personal in them.

A line is a short sentence and `extra` fields (call_sid, stream_sid, reason, ...).
Words, numbers, digits and keys of callers have no place in either. Exceptions
are logged by their kind and place, without their text, which may quote a caller.
"""

import asyncio
import json
import logging
import re
import sys
import time
import traceback
from math import inf
from typing import Any

SELDOM_S = 1.0

# What every LogRecord has; whatever else is on one came as `extra`.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def setup(level: str, form: str, process: str) -> None:
    """Send all logs to standard error, as text for people or JSON for machines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process) if form == "json" else _Text(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # These quote URLs, headers and payloads at DEBUG, and say nothing at INFO that we do not.
    for chatty in ("websockets", "uvicorn.access", "uvicorn.error", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def place(exc: BaseException) -> str:
    """An exception by kind and place: `ValueError at conversation.py:120`."""
    frames = traceback.extract_tb(exc.__traceback__)
    where = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}{where}"


def of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What an event loop complains of, in place of its own handler, which quotes all it has."""
    what = re.split(r"[(<'\"]", str(context.get("message", "")), maxsplit=1)[0].strip()
    exc = context.get("exception")
    reason = place(exc) if isinstance(exc, BaseException) else ""
    logging.getLogger("loop").error(what, extra={"reason": reason})


class Seldom:
    """Warnings of what may happen a thousand times a second: each kind is told once a second.

    A library's logger has it as a filter.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told_at: dict[tuple[str, ...], float] = {}
        self._times: dict[tuple[str, ...], int] = {}

    def warning(self, event: str, **fields: str) -> None:
        """Tell of it, or only count it. Fields are words of ours, of which there are few."""
        kind = (event, *fields.values())
        if self._is_told(kind):
            self._log.warning(event, extra={**fields, "times": self._times[kind]})

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of a library's is told, and if so, how often it could have been."""
        exc = record.exc_info[1] if record.exc_info else None
        kind = (str(record.msg), place(exc) if exc else "")
        is_told = self._is_told(kind)
        vars(record)["times"] = self._times[kind]
        return is_told

    def _is_told(self, kind: tuple[str, ...]) -> bool:
        now = time.monotonic()
        self._times[kind] = self._times.get(kind, 0) + 1
        if now - self._told_at.get(kind, -inf) < SELDOM_S:
            return False
        self._told_at[kind] = now
        return True


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    if record.exc_info and record.exc_info[1]:
        found["exception"] = place(record.exc_info[1])
    return found


class _Text(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        rest = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        head = f"{clock}.{int(record.msecs):03d} {record.levelname[0]} {self._process}"
        return f"{head} {record.getMessage()}{'  ' if rest else ''}{rest}"


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": record.created,
                "level": record.levelname,
                "process": self._process,
                "event": record.getMessage(),
                **_fields(record),
            },
            default=str,
        )
