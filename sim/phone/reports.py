"""Status callbacks: what the carrier tells on the side, about the call and about its streams.

They are sent in the background and in no promised order; a call never waits for them while it
lasts. A refusal is a warning of the carrier's (15003) and no more.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

from sim.phone.outgoing import Outgoing
from sim.phone.record import StreamRecord
from sim.phone.twiml import Stream
from sim.phone.webhook import FetchError, Webhooks

REFUSED = 15003

CallEvent = Literal["initiated", "ringing", "answered", "completed"]
StreamEvent = Literal["stream-started", "stream-stopped", "stream-error"]


@dataclass(kw_only=True, eq=False)
class Reports:
    """One call's callbacks: `call` to `status_url`, `stream` to where the TwiML says."""

    webhooks: Webhooks
    form: Mapping[str, str]
    tasks: asyncio.TaskGroup
    observe: Callable[[str, str], None]
    status_url: str | None = None
    status_events: tuple[str, ...] = ("completed",)
    _count: int = field(default=0, init=False)
    _detecting: asyncio.Task[None] | None = field(default=None, init=False)

    def call(self, event: CallEvent, status: str, duration_s: float | None = None) -> None:
        """Tell of the call, if that is wanted; a duration belongs to the last word only."""
        if self.status_url is None or event not in self.status_events:
            return
        extra = {
            "CallStatus": status,
            "Timestamp": format_datetime(datetime.now(UTC)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._count),
        }
        if duration_s is not None:
            extra["CallDuration"] = str(round(duration_s))
            extra["Duration"] = str(math.ceil(duration_s / 60))
        self._count += 1
        self._later(self.status_url, "POST", {**self.form, **extra})

    def stream(
        self, stream: Stream, record: StreamRecord, event: StreamEvent, error: str = ""
    ) -> None:
        """Tell of a stream, if its TwiML asks for it."""
        if not stream.status_callback:
            return
        form = {
            "AccountSid": self.form["AccountSid"],
            "CallSid": self.form["CallSid"],
            "StreamSid": record.stream_sid,
            "StreamName": stream.name or record.stream_sid,
            "StreamEvent": event,
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z",
        }
        if error:
            form["StreamError"] = error
        self._later(stream.status_callback, stream.status_callback_method, form)

    def machine(self, outgoing: Outgoing) -> None:
        """Tell who has answered, if that is wanted, when enough of it was heard."""
        if outgoing.machine_url:
            self._detecting = self.tasks.create_task(self._detect(outgoing), name="detection")

    def machine_is_known(self) -> None:
        """The call is over: nobody listens any more who has answered."""
        if self._detecting:
            self._detecting.cancel()

    async def _detect(self, outgoing: Outgoing) -> None:
        await asyncio.sleep(outgoing.machine_after_s)
        form = {
            "AccountSid": self.form["AccountSid"],
            "CallSid": self.form["CallSid"],
            "AnsweredBy": outgoing.answered_by,
            "MachineDetectionDuration": str(round(outgoing.machine_after_s * 1000)),
        }
        self._later(outgoing.machine_url, "POST", form)

    def _later(self, url: str, method: str, form: Mapping[str, str]) -> None:
        self.tasks.create_task(self._send(url, method, form), name=f"callback:{url}")

    async def _send(self, url: str, method: str, form: Mapping[str, str]) -> None:
        try:
            answer = await self.webhooks.send(url, method, form)
        except FetchError as exc:
            self.observe("callback failed", str(exc))
            return
        if answer.status >= 400:
            self.observe("callback failed", f"{REFUSED}: HTTP {answer.status} from {url}")
