"""One phone call through the carrier, from the ringing to whatever ends it.

The call has one owner, `Call.run`. It fetches a TwiML document, performs its verbs in order, and
goes where they lead: a `<Connect><Stream>` is a MediaStream until it is over, and then its `action`
or the next verb. A stream that is lost, or that never opened, is followed by the same. What is
fetched, opened and answered stands in the CallResult, which may be read while the call lasts.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

from twilio.request_validator import HMAC_SHA1
from websockets.asyncio.client import ClientConnection

from sim.phone import twiml
from sim.phone.caller import Caller
from sim.phone.handshake import HandshakeError, open_socket
from sim.phone.outgoing import ANSWERED, CANCELED, NOT_ANSWERED, Outgoing
from sim.phone.playback import Playback
from sim.phone.record import CallResult, Event, Followed, StreamRecord
from sim.phone.reports import Reports
from sim.phone.stream import BROKEN_PIPE, CLOSE_ERROR, HUNG_UP, LOST, Clock, MediaStream
from sim.phone.track import Impairments
from sim.phone.twiml import TwimlError
from sim.phone.webhook import FetchError, Origins, Webhooks, signature, voice_form, with_scheme
from sim.phone.wire import Renderer

MAX_REDIRECTS = 10
TOO_MANY_REDIRECTS = 11215
NOT_TWIML = 12300
RETRIEVAL_FAILURE = 11200

SAY_MS_A_CHARACTER = 60.0
"""What an ordinary voice needs: sixteen characters a second."""

PLAY_S = 1.0
"""A <Play> is not fetched; it lasts this long."""

TWIML_TYPES = {"text/xml", "application/xml", "text/html", "text/plain"}

BIN_URL = "https://handler.twilio.com/twiml/EH00000000000000000000000000000001"

BIN = """<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Say language="en">This call may be monitored or recorded.</Say>
  <Connect><Stream url="{url}"/></Connect>
</Response>"""


class CallOver(Exception):
    """The call is over, for the reason in the argument."""


@dataclass(frozen=True, slots=True)
class Document:
    """A TwiML document, and the URL that its relative URLs start from."""

    url: str
    verbs: tuple[twiml.Verb, ...]


@dataclass(kw_only=True, eq=False)
class Call:
    """A call to be placed once, by `run`.

    `webhook` is the address of the voice webhook; without it the number has a TwiML Bin, `bin`,
    by default the usual notice and a stream to `stream`. With `public_url` requests are signed,
    and TwiML is taken, for that origin, while they go to the address of `webhook` or `stream`;
    `ws://` streams are then refused unless it is plain http itself.

    `verb_speed` shortens what <Say>, <Play>, <Pause> and <Dial> take: math.inf skips them.
    `dial_outcomes` are the DialCallStatus of one <Dial> after the other, the last for all further.
    Faults in `impairments` befall the first stream; later ones are sound.
    With `outgoing` the server has placed the call: `webhook` is asked when somebody has answered.
    """

    caller: Caller
    webhook: str | None = None
    stream: str | None = None
    bin: str | None = None
    auth_token: str = "test_auth_token"  # noqa: S105  (a stand-in's)
    signs_with: str = HMAC_SHA1
    """HMAC_SHA256 for an account with a shared key, whose secret `auth_token` is then."""
    public_url: str | None = None
    from_: str = "+15551230000"
    to: str = "+15559870000"
    account_sid: str = "AC00000000000000000000000000000001"
    call_sid: str = field(default_factory=lambda: f"CA{uuid4().hex}")
    status_url: str | None = None
    status_events: tuple[str, ...] = ("completed",)
    impairments: Impairments = field(default_factory=Impairments)
    verb_speed: float = 1.0
    dial_outcomes: tuple[str, ...] = ("completed",)
    dial_s: float = 1.0
    outgoing: Outgoing | None = None
    seed: int | None = None
    on_event: Callable[[Event], None] | None = None

    def __post_init__(self) -> None:
        address = self.webhook or self.stream
        if address is None:
            raise ValueError("a call needs a webhook or a stream")
        self.result = CallResult(self.call_sid, spoken=self.caller.spoken, words=self.caller.track)
        self._origins = Origins(address, self.public_url)
        self._form = voice_form(self.account_sid, self.call_sid, self.from_, self.to)
        if self.outgoing:
            self._form["Direction"] = "outbound-api"
        self._clock = Clock()
        self._hung_up = asyncio.Event()
        self._random = Random(self.seed)
        self._placed_at = time.monotonic()
        self._answered_at: float | None = None
        self._redirects = 0
        self._live: MediaStream | None = None

    @property
    def playback(self) -> Playback | None:
        """The playback of the stream that is open, if one is."""
        return self._live.record.playback if self._live else None

    @property
    def heard_ms(self) -> float:
        """How much of the agent's sound the caller has heard, to the last 20 ms."""
        return sum(stream.playback.played_bytes for stream in self.result.streams) / 8

    @property
    def now_ms(self) -> float:
        """The caller's clock."""
        return self._clock.ms

    def hang_up(self) -> None:
        """Have the caller hang up, now, whatever the script says."""
        self._hung_up.set()

    def drop(self) -> None:
        """Break the connection of the open stream; the caller stays on the line."""
        if self._live:
            self._live.drop()

    def move(self, address: str) -> None:
        """Have the public origin served at another address, from the next connection on."""
        self._origins.local = address

    async def run(self) -> CallResult:
        """Place the call, and return what became of it."""
        self._placed_at = time.monotonic()
        how = self.impairments.webhook_signature
        self._webhooks = Webhooks(self.auth_token, self._origins, how, self.signs_with)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._live_through(tasks)
        finally:
            await self._webhooks.close()
        return self.result

    async def _live_through(self, tasks: asyncio.TaskGroup) -> None:
        self._reports = Reports(
            webhooks=self._webhooks,
            form=self._form,
            tasks=tasks,
            observe=self._observe,
            status_url=self.status_url,
            status_events=self.status_events,
        )
        self._reports.call("initiated", "initiated")
        self._reports.call("ringing", "ringing")
        self.result.ended = await self._carry()
        self._reports.machine_is_known()
        self._observe("ended", self.result.ended)
        self._reports.call("completed", self._final_status(), self._duration_s())

    async def _carry(self) -> str:
        try:
            if self.outgoing:
                await self._ring_out(self.outgoing)
            document: Document | None = await self._ring()
            while document is not None:
                document = await self._execute(document)
        except CallOver as over:
            return str(over)
        except (TwimlError, FetchError) as exc:
            return f"error {exc}"
        return "document ended"

    async def _ring_out(self, outgoing: Outgoing) -> None:
        """Let it ring, until somebody answers or not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(outgoing.rings_s):
                await self._hung_up.wait()
            raise CallOver(CANCELED)
        if outgoing.outcome != ANSWERED:
            raise CallOver(outgoing.outcome)
        self._answer()
        self._reports.machine(outgoing)

    async def _ring(self) -> Document:
        if self.webhook is not None:
            return await self._fetch(self._origins.to_public(self.webhook), "POST")
        text = self.bin or BIN.format(url=self._origins.to_public(self.stream or ""))
        return Document(BIN_URL, twiml.parse(text, allow_ws=self._allow_ws))

    async def _fetch(self, url: str, method: str, **extra: str) -> Document:
        form = {**self._form, "CallStatus": self._status(), **extra}
        answer = await self._webhooks.send(url, method, form)
        self._follow(method, url, answer.status)
        if answer.status != 200:
            raise FetchError(RETRIEVAL_FAILURE, f"HTTP {answer.status} from {url}")
        if answer.content_type.partition(";")[0].strip().lower() not in TWIML_TYPES:
            raise FetchError(NOT_TWIML, f"Content-Type {answer.content_type!r}")
        return Document(url, twiml.parse(answer.body, allow_ws=self._allow_ws))

    async def _execute(self, document: Document) -> Document | None:
        """Perform the verbs, until one hands the call to another document."""
        for verb in document.verbs:
            if self._hung_up.is_set():
                raise CallOver(HUNG_UP)
            if following := await self._perform(verb, document.url):
                return following
        return None

    async def _perform(self, verb: twiml.Verb, base: str) -> Document | None:
        match verb:
            case twiml.Reject():
                raise CallOver("rejected")
            case twiml.Hangup():
                raise CallOver("hangup verb")
            case twiml.Redirect(url, method):
                return await self._redirect(urljoin(base, url), method)
        self._answer()
        match verb:
            case twiml.Say(text):
                self._follow("Say", text)
                await self._last(len(text) * SAY_MS_A_CHARACTER / 1000)
                self.result.said.append(text)
            case twiml.Play(url):
                self._follow("Play", url)
                await self._last(PLAY_S)
            case twiml.Pause(length_s):
                self._follow("Pause", f"{length_s:g} s")
                await self._last(length_s)
            case twiml.Dial():
                return await self._dial(verb, base)
            case twiml.Connect():
                return await self._connect(verb, base)
        return None

    async def _redirect(self, url: str, method: str) -> Document:
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            raise FetchError(TOO_MANY_REDIRECTS, f"more than {MAX_REDIRECTS} redirects")
        return await self._fetch(url, method)

    async def _dial(self, verb: twiml.Dial, base: str) -> Document | None:
        outcomes = self.dial_outcomes
        outcome = outcomes[min(len(self.result.dialled), len(outcomes) - 1)]
        self.result.dialled.append(verb.number)
        self._follow("Dial", f"{verb.number}: {outcome}")
        await self._last(self.dial_s)
        if not verb.action:
            return None
        return await self._fetch(
            urljoin(base, verb.action),
            verb.method,
            DialCallSid=f"CA{uuid4().hex}",
            DialCallStatus=outcome,
            DialCallDuration=str(round(self.dial_s)),
            DialBridged=str(outcome in {"completed", "answered"}).lower(),
        )

    async def _connect(self, verb: twiml.Connect, base: str) -> Document | None:
        self._redirects = 0
        if await self._carry_stream(verb.stream, base) == HUNG_UP:
            raise CallOver(HUNG_UP)
        if not verb.action:
            return None
        return await self._fetch(urljoin(base, verb.action), verb.method)

    async def _carry_stream(self, stream: twiml.Stream, base: str) -> str:
        """Open the stream and stay with it; return why it ended."""
        url = _as_socket(urljoin(base, stream.url))
        record = StreamRecord(f"MZ{uuid4().hex}", url, time.monotonic())
        impairments = Impairments() if self.result.streams else self.impairments
        self.result.streams.append(record)
        try:
            socket = await self._open(url, impairments)
        except HandshakeError as exc:
            record.ended = "handshake failed"
            record.reject(exc.rejection)
            self._follow("WebSocket", url, exc.status)
            self._reports.stream(stream, record, "stream-error", str(exc))
            return record.ended
        self._follow("WebSocket", url, 101)
        self._reports.stream(stream, record, "stream-started")
        self._live = MediaStream(
            socket=socket,
            open_twin=lambda: self._open(url, impairments),
            renderer=Renderer(self.account_sid, self.call_sid, record.stream_sid),
            parameters=dict(stream.parameters) | dict(impairments.parameters),
            record=record,
            caller=self.caller,
            clock=self._clock,
            hung_up=self._hung_up,
            impairments=impairments,
            random=self._random,
            observe=self._observe,
        )
        try:
            await self._live.run()
        finally:
            self._live = None
        self._observe("stream over", f"{record.ended}, close code {record.close_code}")
        error = _error_of(record)
        self._reports.stream(stream, record, "stream-error" if error else "stream-stopped", error)
        return record.ended

    async def _open(self, url: str, impairments: Impairments) -> ClientConnection:
        # No real stream is other than wss, so that is what servers know how to check.
        asked, how = with_scheme(url, "wss"), impairments.stream_signature
        return await open_socket(
            url,
            self._origins.to_local(url),
            signature(self.auth_token, asked, {}, how, self.signs_with),
            max_queue=1 if impairments.read_delay_s else None,
        )

    async def _last(self, seconds: float) -> None:
        """Let a verb take its time, unless the caller hangs up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds / self.verb_speed):
                await self._hung_up.wait()
            raise CallOver(HUNG_UP)

    def _answer(self) -> None:
        if self._answered_at is None:
            self._answered_at = time.monotonic()
            self._reports.call("answered", "in-progress")

    @property
    def _allow_ws(self) -> bool:
        return self.public_url is None or urlsplit(self.public_url).scheme in {"http", "ws"}

    def _status(self) -> str:
        return "ringing" if self._answered_at is None else "in-progress"

    def _final_status(self) -> str:
        if self._answered_at is not None:
            return "completed"
        if self.result.ended in NOT_ANSWERED:
            return self.result.ended
        return "failed" if self.result.ended.startswith("error") else "busy"

    def _duration_s(self) -> float:
        return 0.0 if self._answered_at is None else time.monotonic() - self._answered_at

    def _follow(self, what: str, detail: str = "", status: int | None = None) -> None:
        self.result.followed.append(Followed(what, detail, status))
        self._observe(what, detail if status is None else f"{detail} {status}")

    def _observe(self, kind: str, detail: str = "") -> None:
        if self.on_event:
            ms = self._clock.ms if self._clock.started else None
            self.on_event(Event(time.monotonic() - self._placed_at, ms, kind, detail))


def _error_of(record: StreamRecord) -> str:
    """What the carrier tells of a stream that came to no good end; else ""."""
    if record.ended == LOST:
        return f"{BROKEN_PIPE}: the connection broke"
    errors = (f"{each.code}: {each.why}" for each in record.rejections if each.code == CLOSE_ERROR)
    return next(errors, "")


def _as_socket(url: str) -> str:
    """A relative stream URL takes its document's origin, as a WebSocket's."""
    scheme = urlsplit(url).scheme
    return with_scheme(url, {"https": "wss", "http": "ws"}.get(scheme, scheme))
