"""The carrier's REST API, as far as calls are placed and ended by it.

`POST /2010-04-01/Accounts/{sid}/Calls.json` is answered 201, and then the call is made: it rings,
somebody answers or not (`Callee`), and the server's webhooks are asked as for any call.
`POST .../Calls/{sid}.json` with `Status=completed` ends it. Stricter than the real one in one
thing: a field that it does not know is refused, not passed by.
"""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sim.phone.call import Call
from sim.phone.caller import Caller
from sim.phone.outgoing import Outgoing
from sim.phone.record import CallResult

Fields = dict[str, list[str]]

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
EVENTS = {"initiated", "ringing", "answered", "completed"}
DETECTIONS = {"Enable", "DetectMessageEnd"}
RING_AT_MOST_S = 600

KNOWN = {
    "To",
    "From",
    "Url",
    "Method",
    "StatusCallback",
    "StatusCallbackEvent",
    "StatusCallbackMethod",
    "Timeout",
    "MachineDetection",
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
}


class Refusal(Exception):
    """What the API answers in place of a call."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Callee:
    """Who is at the other end."""

    caller: Caller = field(default_factory=Caller)
    outgoing: Outgoing = field(default_factory=Outgoing)


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that was asked for: the request's fields, and the call itself."""

    fields: Fields
    call: Call
    running: asyncio.Task[CallResult]


@dataclass(kw_only=True, eq=False)
class RestServer:
    """An account, for as long as its `async with` block.

    `edge` is the address at which `public_url` is served. `callee` says who answers a number.
    `busy` requests are answered 429 before the first that is not.
    """

    port: int
    edge: str
    public_url: str | None = None
    account_sid: str = "AC00000000000000000000000000000001"
    auth_token: str = "test_auth_token"  # noqa: S105  (a stand-in's)
    numbers: tuple[str, ...] = ("+15559870000",)
    callee: Callable[[str], Callee] = lambda number: Callee()
    busy: int = 0
    verb_speed: float = 1.0
    placed: list[Placed] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        folder = "/2010-04-01/Accounts/{account}/Calls"
        routes = [
            Route(f"{folder}.json", self._create, methods=["POST"]),
            Route(f"{folder}/{{call_sid}}.json", self._update, methods=["POST"]),
        ]
        app = Starlette(routes=routes, exception_handlers={Refusal: _refuse})
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server._serve())
        while not self._server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self.placed:
            each.running.cancel()
        await asyncio.gather(*(each.running for each in self.placed), return_exceptions=True)
        self._server.should_exit = True
        await self._serving

    async def _create(self, request: Request) -> Response:
        fields = await self._fields(request)
        if self.busy:
            self.busy -= 1
            raise Refusal(429, 20429, "Too Many Requests")
        self._check(fields)
        number = fields["To"][0]
        call = self._call(fields, self.callee(number))
        self.placed.append(Placed(fields, call, asyncio.create_task(call.run(), name="call")))
        return JSONResponse(self._resource(call, "queued"), status_code=201)

    async def _update(self, request: Request) -> Response:
        fields = await self._fields(request)
        call_sid = request.path_params["call_sid"]
        found = [each for each in self.placed if each.call.call_sid == call_sid]
        if not found or found[0].running.done():
            path = request.url.path
            raise Refusal(404, 20404, f"The requested resource {path} was not found")
        if fields != {"Status": ["completed"]}:
            raise Refusal(400, 20001, "only Status=completed is known here")
        found[0].call.hang_up()
        return JSONResponse(self._resource(found[0].call, "in-progress"))

    async def _fields(self, request: Request) -> Fields:
        """The body of a request that may be made."""
        credentials = f"{self.account_sid}:{self.auth_token}"
        wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        if request.headers.get("authorization") != wanted:
            raise Refusal(401, 20003, "Authenticate")
        if request.path_params["account"] != self.account_sid:
            path = request.url.path
            raise Refusal(404, 20404, f"The requested resource {path} was not found")
        return parse_qs((await request.body()).decode(), keep_blank_values=True)

    def _check(self, fields: Fields) -> None:
        one = {name: values[0] for name, values in fields.items()}
        if unknown := fields.keys() - KNOWN:
            raise Refusal(400, 20001, f"no such field: {min(unknown)}")
        if not one.get("To"):
            raise Refusal(400, 21201, "No 'To' number is specified")
        if not NUMBER.fullmatch(one["To"]):
            raise Refusal(
                400,
                21211,
                f"The phone number you are attempting to call, {one['To']}, is not valid.",
            )
        if one.get("From") not in self.numbers:
            raise Refusal(
                400,
                21210,
                f"The source phone number provided, {one.get('From')}, is "
                "not yet verified for your account.",
            )
        for name in ("Url", "StatusCallback", "AsyncAmdStatusCallback"):
            if name in one and urlsplit(one[name]).scheme not in {"http", "https"}:
                raise Refusal(400, 21205, f"{name} is not a valid URL")
        _check_wishes(fields, one)

    def _call(self, fields: Fields, callee: Callee) -> Call:
        one = {name: values[0] for name, values in fields.items()}
        url = one.get("AsyncAmdStatusCallback", "") if "MachineDetection" in one else ""
        return Call(
            caller=callee.caller,
            webhook=self.edge + _path(one["Url"]) if self.public_url else one["Url"],
            public_url=self.public_url,
            auth_token=self.auth_token,
            account_sid=self.account_sid,
            call_sid=f"CA{uuid4().hex}",
            from_=one["From"],
            to=one["To"],
            status_url=one.get("StatusCallback"),
            status_events=tuple(fields.get("StatusCallbackEvent", ["completed"])),
            outgoing=replace(callee.outgoing, machine_url=url),
            verb_speed=self.verb_speed,
        )

    def _resource(self, call: Call, status: str) -> dict[str, Any]:
        return {
            "sid": call.call_sid,
            "account_sid": self.account_sid,
            "to": call.to,
            "from": call.from_,
            "status": status,
            "direction": "outbound-api",
            "date_created": formatdate(usegmt=False),
            "start_time": None,
            "end_time": None,
            "duration": None,
            "answered_by": None,
            "api_version": "2010-04-01",
        }


def _check_wishes(fields: Fields, one: dict[str, str]) -> None:
    if "Url" not in one:
        raise Refusal(400, 21205, "Url parameter is required.")
    if not set(fields.get("StatusCallbackEvent", [])) <= EVENTS:
        raise Refusal(400, 21626, "StatusCallbackEvent is not valid")
    timeout = one.get("Timeout", "60")
    if not timeout.isdecimal() or not 0 < int(timeout) <= RING_AT_MOST_S:
        raise Refusal(400, 20001, "Timeout is not valid")
    if one.get("MachineDetection", "Enable") not in DETECTIONS:
        raise Refusal(400, 20001, "MachineDetection is not valid")
    if "AsyncAmdStatusCallback" in one and one.get("AsyncAmd") != "true":
        raise Refusal(400, 20001, "AsyncAmdStatusCallback goes with AsyncAmd")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def _refuse(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refusal)  # it is registered for these
    body = {
        "code": exc.code,
        "message": str(exc),
        "more_info": f"https://www.twilio.com/docs/errors/{exc.code}",
        "status": exc.status,
    }
    return JSONResponse(body, status_code=exc.status)
