"""A small server of our own for the carrier to call: documents, callbacks, and a socket."""

import asyncio
import base64
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from twilio.request_validator import RequestValidator

TOKEN = "test_auth_token"
PUBLIC = "https://voice.example.com"


@dataclass
class Line:
    """The server's side of one media stream."""

    socket: WebSocket
    got: list[dict[str, Any]] = field(default_factory=list)
    stream_sid: str = ""

    async def read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.socket.receive_text())
        self.got.append(message)
        if message["event"] == "start":
            self.stream_sid = message["streamSid"]
        return message

    async def read_until(self, event: str, times: int = 1) -> dict[str, Any]:
        while (message := await self.read())["event"] != event or (times := times - 1):
            pass
        return message

    async def read_to_the_end(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await self.read()

    async def say(self, sound: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(sound).decode()})

    async def send(self, event: str, **body: Any) -> None:
        await self.socket.send_text(
            json.dumps({"event": event, "streamSid": self.stream_sid, **body})
        )

    def events(self) -> list[str]:
        return [message["event"] for message in self.got]


Behaviour = Callable[[Line], Awaitable[None]]


@dataclass
class House:
    """What the server is to do, and what it saw."""

    origin: str = ""
    documents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    delay_s: float = 0.0
    content_type: str = "text/xml"

    @property
    def stream(self) -> str:
        return self.origin.replace("http", "ws", 1) + "/twilio"

    def on_stream(self, behaviour: Behaviour) -> Behaviour:
        self.behaviours.append(behaviour)
        return behaviour

    def check(self, url: str, form: dict[str, str], signature: str) -> None:
        self.signed.append(bool(RequestValidator(TOKEN).validate(url, form, signature)))

    async def fetch(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        path = request.url.path
        self.requests.append((path, form))
        self.headers.append(dict(request.headers))
        url = f"http://{request.headers['host']}{path}"
        if request.headers["host"] == "voice.example.com":
            url = PUBLIC + path
        self.check(url, form, request.headers.get("x-twilio-signature", ""))
        await asyncio.sleep(self.delay_s)
        if not self.documents[path]:
            return Response(status_code=404)
        waiting = self.documents[path]
        text = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return Response(text.format(stream=self.stream), media_type=self.content_type)

    async def media(self, socket: WebSocket) -> None:
        self.headers.append(dict(socket.headers))
        host = socket.headers["host"]
        self.check(f"wss://{host}/twilio", {}, socket.headers.get("x-twilio-signature", ""))
        await socket.accept()
        line = Line(socket)
        self.lines.append(line)
        behaviour = self.behaviours[min(len(self.lines), len(self.behaviours)) - 1]
        with contextlib.suppress(WebSocketDisconnect):
            await behaviour(line)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    app = Starlette(
        routes=[
            WebSocketRoute("/twilio", house.media),
            Route("/{path:path}", house.fetch, methods=["GET", "POST"]),
        ]
    )
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without its main loop, which looks every 0.1 s whether it is to end: here we know when.
    await server.startup()
    house.origin = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield house
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    async with asyncio.timeout(5.0):
        await asyncio.gather(*server.server_state.tasks)
