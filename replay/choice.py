"""Which recordings are meant: the filters of `list` and of `export --all`."""

import argparse
import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from replay.recording import Recording
from replay.report import cause, length_ms, started_ms
from shared.bus import Archive
from shared.calls import Call

GOING_ON = "going on"

_AGO = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recording must be like. Times are ms since 1970, lengths seconds."""

    agent: str | None = None
    since: float = -math.inf
    until: float = math.inf
    caller: str | None = field(default=None, repr=False)
    ended: str | None = None
    longer: float = -math.inf
    limit: int | None = None

    def has(self, recording: Recording) -> bool:
        """Whether a recording, of which the hash and the log are known, is meant."""
        ms = started_ms(recording)
        return (
            self.agent in (None, recording.call.agent or "default")
            and self.since <= ms < self.until
            and self.caller in (None, digits(recording.call.caller))
            and (self.ended or "").lower() in (cause(recording) or GOING_ON).lower()
            and length_ms(recording) > self.longer * 1000
        )


async def chosen(archive: Archive, choice: Choice) -> AsyncIterator[Recording]:
    """Recordings that are meant, newest first, with hash and log alone.

    Those of which nothing is left but the name are left out.
    """
    count = 0
    for call_sid, _ in await archive.index():
        if count == choice.limit:
            return
        call, log = await archive.call(call_sid), await archive.log(call_sid)
        recording = Recording(call_sid, call or Call(), tuple(log))
        if (call or log) and choice.has(recording):
            count += 1
            yield recording


def digits(number: str) -> str:
    """A number as it is compared: `+1 (555) 123` is 1555123; a name as it is."""
    return re.sub(r"\D", "", number) or number.strip().lower()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which recordings."""
    told = parser.add_argument_group("which recordings")
    told.add_argument("--agent", metavar="NAME", help="answered by this agent file")
    moment = "a day or time (UTC unless it says otherwise), or 90m, 2h, 7d ago"
    told.add_argument("--since", metavar="TIME", type=since, help=f"begun since: {moment}")
    told.add_argument(
        "--until", metavar="TIME", type=until, help="begun before; a day: up to its end"
    )
    told.add_argument(
        "--from", metavar="NUMBER", dest="caller", type=digits, help="from this number"
    )
    told.add_argument("--ended", metavar="CAUSE", help=f"words of why; `{GOING_ON}`: not yet")
    told.add_argument("--longer", metavar="S", type=float, help="longer than so many seconds")
    told.add_argument("--limit", metavar="N", type=_count, help="no more than so many, the newest")


def choice_of(asked: argparse.Namespace) -> Choice:
    """What was told."""
    names = ("agent", "since", "until", "caller", "ended", "longer", "limit")
    told = {name: getattr(asked, name) for name in names}
    return Choice(**{name: value for name, value in told.items() if value is not None})


def since(text: str) -> float:
    """A moment in ms, of a day its beginning. Raises: ValueError."""
    if ago := _AGO.fullmatch(text):
        length = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return (datetime.now(UTC) - length).timestamp() * 1000
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


def until(text: str) -> float:
    """The same, of a day its end."""
    try:
        following = date.fromisoformat(text) + timedelta(days=1)
    except ValueError:
        return since(text)
    return since(following.isoformat())


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)
