"""The routes: Twilio's webhooks, its WebSocket, and what an operator's probes ask."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from edge import twiml
from edge.call import Desk, PhoneCall
from edge.guard import Guard
from edge.twilio import is_sid
from shared.bus import BusError
from shared.calls import INTERNAL_ERROR, NO_WORKER, Outcome, Ringing, State
from shared.messages import HungUp

log = logging.getLogger("edge")

STREAM_PATH = "/twilio"

# A phone that lost its stream is asked back this often in a call.
ATTEMPTS = 3

# How fast Twilio's voice reads a notice.
SPOKEN_CHARS_A_S = 12

TERMINAL = frozenset({"busy", "canceled", "completed", "failed", "no-answer"})

# Twilio's forms are below 2 KB.
MAX_BODY = 64 * 1024

Form = ImmutableMultiDict[str, str]
Handler = Callable[["Face", Request, Form], Awaitable[Response]]


class Face:
    """What the edge shows to the outside."""

    def __init__(self, desk: Desk) -> None:
        settings = desk.settings
        self.desk = desk
        self.guard = Guard(settings.twilio_auth_token, settings.public_url)
        self.is_draining = False
        self.calls = 0
        self.is_idle = asyncio.Event()
        self.is_idle.set()

    async def voice(self, request: Request, form: Form) -> Response:
        """A call rings: find it a worker, and tell Twilio where to bring it."""
        settings, call_sid = self.desk.settings, form["CallSid"]
        token = secrets.token_urlsafe(16)
        notice = settings.spoken_notice
        ringing = Ringing(
            call_sid,
            caller=form.get("From", ""),
            called=form.get("To", ""),
            agent=request.query_params.get("agent", ""),
            direction="inbound" if form.get("Direction", "inbound") == "inbound" else "outbound",
            notice_s=len(notice) / SPOKEN_CHARS_A_S,
        )
        outcome = await self.desk.registry.dispatch(
            ringing,
            token,
            max_sessions=settings.max_sessions,
            recording_ttl_s=settings.recording_ttl_s,
        )
        log.info("ringing", extra={"call_sid": call_sid, "outcome": outcome.value})
        if outcome is Outcome.FULL:
            return _xml(twiml.hang_up(twiml.BUSY))
        if outcome is Outcome.KNOWN:
            # Twilio retried its webhook: the same call, the same document.
            call = await self.desk.registry.call(call_sid)
            if call and call.tokens:
                token = call.tokens[0]
            else:
                await self.desk.registry.add_token(call_sid, token)
        return _xml(twiml.connect(self._stream_url(request), {"token": token}, notice))

    async def after(self, request: Request, form: Form) -> Response:
        """The stream has ended: was that the end, or did the phone only lose its socket?"""
        call_sid = form["CallSid"]
        if form.get("CallStatus") in TERMINAL:
            await self._hang_up(call_sid, "caller hung up")
            return _xml(twiml.nothing())
        call = await self.desk.registry.call(call_sid)
        if call is None or call.state is State.ENDED:
            is_our_fault = call is not None and call.cause in (NO_WORKER, INTERNAL_ERROR)
            return _xml(twiml.hang_up(twiml.APOLOGY if is_our_fault else ""))
        if call.attempts >= ATTEMPTS:
            await self._hang_up(call_sid, "phone lost")
            return _xml(twiml.hang_up(twiml.APOLOGY))
        token = secrets.token_urlsafe(16)
        await self.desk.registry.add_token(call_sid, token)
        log.info("phone asked back", extra={"call_sid": call_sid})
        return _xml(twiml.connect(self._stream_url(request), {"token": token}))

    async def status(self, request: Request, form: Form) -> Response:
        """Call status callback: a terminal one ends the call, whatever became of its socket."""
        if form.get("CallStatus") in TERMINAL:
            await self._hang_up(form["CallSid"], "caller hung up")
        return Response(status_code=204)

    async def _hang_up(self, call_sid: str, cause: str) -> None:
        call = await self.desk.registry.call(call_sid)
        if call is None or call.state is State.ENDED:
            return
        if call.owner:
            self.desk.bus.note(call.owner, call_sid, HungUp(call_sid, cause))
        else:
            self.desk.registry.abandon(call_sid, cause)

    async def stream(self, socket: WebSocket) -> None:
        """Twilio's WebSocket."""
        if not self.guard.admits_socket(STREAM_PATH, socket.headers.get("x-twilio-signature")):
            log.warning("socket refused: bad signature")
            await socket.close()  # before accept: the upgrade is answered with 403
            return
        self.calls += 1
        self.is_idle.clear()
        try:
            await PhoneCall(socket, self.desk).run()
        finally:
            self.calls -= 1
            if not self.calls:
                self.is_idle.set()

    async def health(self, request: Request) -> Response:
        """The process is alive."""
        return PlainTextResponse("ok")

    async def ready(self, request: Request) -> Response:
        """Calls may come."""
        is_up, workers = self.desk.bus.is_up, 0
        if is_up:
            try:
                workers = len(await self.desk.registry.alive())
            except BusError:
                is_up = False
        is_ready = is_up and not self.is_draining
        state = {"redis": is_up, "workers": workers, "draining": self.is_draining}
        return JSONResponse({"ready": is_ready, **state}, status_code=200 if is_ready else 503)

    def _stream_url(self, request: Request) -> str:
        """Where the phone is to be brought. Without PUBLIC_URL, where this request came to."""
        public = self.desk.settings.public_url
        if public:
            return f"ws{public.rstrip('/').removeprefix('http')}{STREAM_PATH}"
        host = request.headers.get("host", "localhost")
        is_local = host.partition(":")[0] in ("127.0.0.1", "localhost")
        is_tls = request.url.scheme == "https" or not is_local
        return f"{'wss' if is_tls else 'ws'}://{host}{STREAM_PATH}"


async def _checked(face: Face, handler: Handler, request: Request) -> Response:
    """A webhook's frame: its signature, its fields, and an answer when the bus has none."""
    form = await _form(request)
    if form is None:
        return PlainTextResponse("body too large\n", status_code=413)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if not face.guard.admits_request(path, form, request.headers.get("x-twilio-signature")):
        log.warning("webhook refused: bad signature", extra={"path": request.url.path})
        return PlainTextResponse("signature does not match\n", status_code=403)
    if not is_sid(form.get("CallSid", ""), "CA"):
        return PlainTextResponse("CallSid: missing, or not one of Twilio's\n", status_code=400)
    if not face.desk.bus.is_up:
        return _xml(twiml.hang_up(twiml.APOLOGY))
    try:
        return await handler(face, request, form)
    except BusError as exc:
        log.warning("webhook without the bus", extra={"reason": type(exc).__name__})
        return _xml(twiml.hang_up(twiml.APOLOGY))


async def _form(request: Request) -> Form | None:
    """The fields of the body, empty ones, too, since they are signed; None if there is too much."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    text = body.decode("utf-8", errors="replace")
    return Form(parse_qsl(text, keep_blank_values=True))


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
            WebSocketRoute(STREAM_PATH, face.stream),
            Route("/healthz", face.health),
            Route("/readyz", face.ready),
        ]
    )
