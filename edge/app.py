"""The routes: Twilio's webhooks, its WebSocket, and what an operator's probes ask."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from edge import outbound, twiml
from edge.call import PhoneCall
from edge.desk import Desk
from edge.guard import Guard
from edge.metrics import Phones
from edge.twilio import is_sid
from shared.bus import BusError
from shared.calls import Call, Outcome, Ringing, State, is_hidden
from shared.causes import Cause
from shared.logs import place
from shared.messages import HungUp
from shared.record import DialFailed

log = logging.getLogger("edge")

STREAM_PATH = "/twilio"

# A phone that lost its stream is asked back this often in a call.
ATTEMPTS = 3

# Sockets that have come and not said yet for which call. Twilio's are so for a tenth of a second; a
# signature can be repeated, and a process has only so many descriptors.
MAX_WAITING = 200

# How fast Twilio's voice reads a notice.
SPOKEN_CHARS_A_S = 12

TERMINAL = frozenset({"busy", "canceled", "completed", "failed", "no-answer"})

# How the second leg of a transfer may end: somebody talked to the caller, or nobody did.
TALKED = frozenset({"answered", "completed"})
NOT_TALKED = frozenset({"busy", "canceled", "failed", "no-answer"})

# Twilio's forms are below 2 KB with some forty fields, and come in one piece.
MAX_BODY = 64 * 1024
MAX_FIELDS = 1000
BODY_WITHIN_S = 5.0

Form = ImmutableMultiDict[str, str]
Handler = Callable[["Face", Request, Form], Awaitable[Response]]


class Face:
    """What the edge shows to the outside."""

    def __init__(self, desk: Desk) -> None:
        settings = desk.settings
        self.desk = desk
        self.answers = desk.answers
        self.guard = Guard(settings)
        self.counts = desk.counts
        self.phones = Phones()
        self.moved = 0
        """Phones that have gone to another edge."""
        self.is_idle = asyncio.Event()
        self.is_idle.set()

    @property
    def calls(self) -> int:
        """Phone sockets that are open."""
        return len(self.phones.running.live)

    async def voice(self, request: Request, form: Form) -> Response:
        """A call rings: find it a worker, and tell Twilio where to bring it."""
        desk, notice = self.desk, self.desk.settings.spoken_notice
        ringing = _ringing(request, form, notice)
        call = await desk.registry.call(ringing.call_sid)
        if desk.fleet.is_last and call is None:
            return _xml(self.answers.busy)
        if call and _is_replayed(call, form):
            self.counts.webhooks_replayed += 1
            self.desk.seldom.warning("webhook of a call that has begun")
            return _xml(twiml.go_after())
        response = await self._bring(request, ringing, notice)
        await outbound.answered(desk, ringing.call_sid, form.get("AnsweredBy", ""))
        return response

    async def _bring(
        self, request: Request, ringing: Ringing, notice: str = "", *, is_back: bool = False
    ) -> Response:
        """Offer the call to the workers, and have Twilio bring its phone.

        Args:
            is_back: Whether it is a call that had its place before.
        """
        registry, call_sid = self.desk.registry, ringing.call_sid
        token = secrets.token_urlsafe(16)
        outcome = await self.desk.ring(ringing, token, is_back=is_back)
        log.info("ringing", extra={"call_sid": call_sid, "outcome": outcome.value})
        if not outcome.has_place:
            return _xml(self.answers.busy)
        if outcome is Outcome.KNOWN:
            # Twilio retried its webhook: the same call, the same document.
            call = await registry.call(call_sid)
            if call and call.tokens:
                token = call.tokens[0]
                await registry.door.renew_token(
                    call_sid, token, self.desk.token_s(ringing.notice_s)
                )
            else:
                await registry.door.add_token(call_sid, token, self.desk.token_s(ringing.notice_s))
        return _xml(twiml.connect(self._stream_url(request), {"token": token}, notice))

    async def after(self, request: Request, form: Form) -> Response:
        """The stream has ended: was that the end, or did the phone only lose its socket?"""
        call_sid = form["CallSid"]
        if form.get("CallStatus") in TERMINAL:
            await self._hang_up(call_sid, Cause.CALLER_HUNG_UP)
            return _xml(twiml.nothing())
        call = await self.desk.registry.call(call_sid)
        if call and call.transfer:
            return await self._transfer(request, form, call)
        if call is None or call.state is State.ENDED:
            return _xml(self._last_word(form, call))
        if call.attempts >= ATTEMPTS:
            await self._hang_up(call_sid, Cause.PHONE_LOST)
            return _xml(self.answers.fallback)
        token = secrets.token_urlsafe(16)
        await self.desk.registry.door.add_token(call_sid, token, self.desk.token_s())
        log.info("phone asked back", extra={"call_sid": call_sid})
        return _xml(twiml.connect(self._stream_url(request), {"token": token}))

    def _last_word(self, form: Form, call: Call | None) -> str:
        """What follows a call that is over, or that nobody knows any more."""
        if call and call.cause == Cause.AGENT_FAILED:
            return self.answers.after_apology
        is_our_fault = call is not None and call.cause in (Cause.NO_WORKER, Cause.INTERNAL_ERROR)
        # Back from a transfer to a call that is forgotten: nobody is there to go on.
        is_our_fault = is_our_fault or form.get("DialCallStatus") in NOT_TALKED
        return self.answers.fallback if is_our_fault else twiml.hang_up()

    async def _transfer(self, request: Request, form: Form, call: Call) -> Response:
        """The caller goes to somebody else, has been there, or is back because nobody answered."""
        call_sid, status = form["CallSid"], form.get("DialCallStatus", "")
        if not status:
            log.info("call transferred", extra={"call_sid": call_sid})
            return _xml(twiml.dial(call.transfer, _caller_id(call)))
        if status in TALKED:
            return _xml(twiml.hang_up())
        status = status if status in NOT_TALKED else "failed"
        log.info("transfer failed", extra={"call_sid": call_sid, "reason": status})
        # Before the dispatch: whoever claims it is to know why the caller is back.
        self.desk.bus.journal(call_sid).write(DialFailed(status))
        await self.desk.bus.flush()
        ringing = Ringing(
            call_sid,
            caller=call.caller,
            called=call.called,
            agent=call.agent,
            direction=_direction(form),
            parameters=call.parameters,
        )
        return await self._bring(request, ringing, is_back=True)

    async def status(self, request: Request, form: Form) -> Response:
        """Call status callback: a terminal one ends the call, whatever became of its socket."""
        call_sid, status, is_ours = form["CallSid"], form.get("CallStatus"), outbound.is_ours(form)
        if status in TERMINAL:
            cause = outbound.end_of(form)
            await self._hang_up(call_sid, cause)
            if is_ours:
                await outbound.ends_early(self.desk, call_sid, cause)
        elif status == "ringing" and is_ours:
            notice = self.desk.settings.spoken_notice
            await outbound.rings(self.desk, _ringing(request, form, notice))
        return Response(status_code=204)

    async def machine(self, request: Request, form: Form) -> Response:
        """Answering machine detection has come to a result."""
        await outbound.answered(self.desk, form["CallSid"], form.get("AnsweredBy", ""))
        return Response(status_code=204)

    async def _hang_up(self, call_sid: str, cause: str) -> None:
        registry = self.desk.registry
        call = await registry.call(call_sid)
        is_there = call and call.state is not State.ENDED
        if not is_there and not await registry.is_unclaimed(call_sid):
            return
        # Whoever claims it just now reads its end, or is seen here: each writes, then looks. Its
        # owner may be gone, or be that of a call that rings again: a note alone would be lost.
        registry.abandon(call_sid, cause)
        call = await registry.call(call_sid)
        if call and call.owner:
            self.desk.bus.note(call.owner, call_sid, HungUp(call_sid, cause))

    async def stream(self, socket: WebSocket) -> None:
        """Twilio's WebSocket."""
        if not self.guard.admits_socket(STREAM_PATH, socket.headers.get("x-twilio-signature")):
            self.counts.sockets_forged += 1
            self.desk.seldom.warning("socket refused: bad signature")
            await socket.close()  # before accept: the upgrade is answered with 403
            return
        phones = self.phones.running
        if sum(phone.is_waiting for phone in phones.live) >= MAX_WAITING:
            self.counts.sockets_too_many += 1
            self.desk.seldom.warning("socket refused: too many wait")
            await socket.close()
            return
        phone = PhoneCall(socket, self.desk)
        self.is_idle.clear()
        try:
            with phones.counted(phone):
                cause = await phone.run()
            self.phones.count(cause)
            self.moved += cause == Cause.MOVED
        finally:
            if not phones.live:
                self.is_idle.set()

    @property
    def is_ready(self) -> bool:
        """Whether calls may come, as far as this process knows."""
        return self.desk.bus.is_up and not self.desk.fleet.is_draining

    async def health(self, request: Request) -> Response:
        """The process is alive, and which one it is: `python -m edge check` asks."""
        return PlainTextResponse("ok", headers={"Holdfast-Edge": self.desk.bus.process})

    async def ready(self, request: Request) -> Response:
        """Calls may come."""
        is_up, workers = self.desk.bus.is_up, 0
        if is_up:
            try:
                workers = len(await self.desk.registry.alive())
            except BusError:
                is_up = False
        is_draining = self.desk.fleet.is_draining
        is_ready = is_up and not is_draining
        state = {"redis": is_up, "workers": workers, "draining": is_draining}
        return JSONResponse({"ready": is_ready, **state}, status_code=200 if is_ready else 503)

    def _stream_url(self, request: Request) -> str:
        """Where the phone is to be brought. Without PUBLIC_URL, where this request came to."""
        public = self.desk.settings.public_url
        if public:
            return f"ws{public.rstrip('/').removeprefix('http')}{STREAM_PATH}"
        host = request.headers.get("host", "localhost")
        is_local = host.partition(":")[0] in ("127.0.0.1", "localhost")
        is_tls = request.scope["scheme"] == "https" or not is_local
        return f"{'wss' if is_tls else 'ws'}://{host}{STREAM_PATH}"


async def _checked(face: Face, handler: Handler, request: Request) -> Response:
    """A webhook's frame: its signature, its fields, and an answer when we have none."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            form = await _form(request)
    except TimeoutError:
        face.counts.webhooks_malformed += 1
        return PlainTextResponse("body too slow\n", status_code=408)
    except ClientDisconnect:
        return Response()  # nobody is there to read it
    if form is None:
        face.counts.webhooks_malformed += 1
        return PlainTextResponse("body too large\n", status_code=413)
    if not face.guard.admits_request(
        _target(request), form, request.headers.get("x-twilio-signature")
    ):
        face.counts.webhooks_forged += 1
        face.desk.seldom.warning("webhook refused: bad signature")
        return PlainTextResponse("signature does not match\n", status_code=403)
    if not is_sid(form.get("CallSid", ""), "CA"):
        face.counts.webhooks_malformed += 1
        return PlainTextResponse("CallSid: missing, or not one of Twilio's\n", status_code=400)
    if not face.desk.bus.is_up:
        face.counts.bus_away += 1
        return _xml(face.answers.fallback)
    try:
        return await handler(face, request, form)
    except BusError as exc:
        face.counts.bus_away += 1
        log.warning("webhook without the bus", extra={"reason": type(exc).__name__})
    except Exception as exc:  # noqa: BLE001 (a bulkhead: the caller hears the apology)
        log.error("webhook failed", extra={"call_sid": form["CallSid"], "reason": place(exc)})
    return _xml(face.answers.fallback)


def _target(request: Request) -> str:
    """What was asked for, byte for byte, since that is what is signed."""
    path, query = request.scope["raw_path"], request.scope["query_string"]
    return str((path + b"?" + query if query else path).decode("latin-1"))


async def _form(request: Request) -> Form | None:
    """The fields of the body, empty ones, too, since they are signed; None if there is too much."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    text = body.decode("utf-8", errors="replace")
    try:
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return None


def _is_replayed(call: Call, form: Form) -> bool:
    """Whether this webhook comes after what it announces: somebody repeats a signed request.

    A phone that is here has its document, no call rings that has been answered, and one of ours
    is asked for once, when it is. Only what Twilio signs from now on brings the phone here again:
    see `Face.after`.
    """
    has_come = bool(call.streams)
    if call.state is State.LIVE or (has_come and outbound.is_ours(form)):
        return True
    return (has_come or call.state is State.ENDED) and form.get("CallStatus") == "ringing"


def _ringing(request: Request, form: Form, notice: str) -> Ringing:
    """A call as its webhook tells of it."""
    return Ringing(
        form["CallSid"],
        caller=form.get("From", ""),
        called=form.get("To", ""),
        agent=request.query_params.get(outbound.AGENT, ""),
        direction=_direction(form),
        parameters=outbound.parameters_in(request.query_params),
        notice_s=len(notice) / SPOKEN_CHARS_A_S,
    )


def _direction(form: Form) -> str:
    return "inbound" if form.get("Direction", "inbound") == "inbound" else "outbound"


def _caller_id(call: Call) -> str:
    """Whom a transferred call shows as calling; "" for the caller, which is what Twilio does.

    A caller without a number (SIP, a client, one who hides it) cannot be shown to a number.
    """
    has_number = call.caller.startswith("+") and not is_hidden(call.caller)
    is_shown = has_number or not call.called.startswith("+")
    return "" if is_shown else call.called


def _xml(document: str) -> Response:
    return Response(document, media_type="text/xml")


def make_app(face: Face) -> Starlette:
    """The edge as an ASGI application."""

    def webhook(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        return partial(_checked, face, handler)

    return Starlette(
        routes=[
            Route("/twilio/voice", webhook(Face.voice), methods=["POST"]),
            Route(twiml.AFTER_PATH, webhook(Face.after), methods=["POST"]),
            Route("/twilio/status", webhook(Face.status), methods=["POST"]),
            Route("/twilio/machine", webhook(Face.machine), methods=["POST"]),
            WebSocketRoute(STREAM_PATH, face.stream),
            Route("/healthz", face.health),
            Route("/readyz", face.ready),
        ]
    )
