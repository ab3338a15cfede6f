"""The stand-in as a server: handshakes, and a session for each that succeeds.

async with AgentServer(script=load(), faults=Faults(think_s=3)) as server:
    ...  # connect to server.url; look at server.sessions
"""

import http
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Self, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from sim.agent import auth, faults, stored
from sim.agent.faults import BadFault, Drop, End, Faults
from sim.agent.mouth import Speak
from sim.agent.record import SessionRecord
from sim.agent.script import Script, load
from sim.agent.session import House, Profile, Session
from sim.agent.timing import Timing
from sim.agent.wire import Wire

PATH = "/v1/agent/converse"
HEALTH = "/healthz"

REQUEST_ID = "dg-request-id"
"""Response header that names the session, as its Welcome does."""

MAX_FRAME_BYTES = 2**20
CLOSE_TIMEOUT_S = 2.0


class _Socket(ServerConnection):
    """A connection which knows what its handshake was about."""

    request_id = ""
    faults = Faults()
    credentials: auth.Credentials | None = None


class AgentServer:
    """A stand-in for the agent service, listening while its context is open."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        script: Script | None = None,
        faults: Faults | None = None,
        timing: Timing | None = None,
        profile: Profile = "talk",
        api_keys: Set[str] | None = None,
        speak: Speak | None = None,
        record: bool = True,
        agents: Mapping[str, Any] | None = None,
    ) -> None:
        """Set it up without listening yet.

        Args:
            host: Address to listen on.
            port: Port to listen on; 0 for any free one.
            script: What is said; None for the packaged script.
            faults: What goes wrong.
            timing: How long everything takes.
            profile: A conversation, or every piece of sound sent back at once.
            api_keys: Keys that are accepted; None for any.
            speak: A sentence as mu-law; None for `sim.voice`.
            record: Keep `sessions` with all their frames. Without, live ones are listed only,
                and neither frames nor sound are kept.
            agents: Agent blocks that are stored, by their UUIDs.
        """
        self._faults = faults or Faults()
        self.sessions: list[SessionRecord] = []
        self._house = House(script or load(), speak or _voice(), timing or Timing(), profile)
        self._address = (host, port)
        self._api_keys = api_keys
        self._keep = record
        self._agents = dict(agents or {})
        self._connections = 0
        self._live: dict[Session, _Socket] = {}
        self._stack = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<AgentServer {self.url} live={len(self._live)}>"

    @property
    def url(self) -> str:
        """Where a client connects."""
        return f"ws://{self._address[0]}:{self._address[1]}{PATH}"

    @property
    def base_url(self) -> str:
        """The same without the path, as Deepgram's SDK takes it."""
        return self.url.removesuffix(PATH)

    @property
    def faults(self) -> Faults:
        """What goes wrong; to be replaced at any time, for connections to come."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults, self._connections = faults, 0

    @property
    def live(self) -> int:
        """Sessions under way."""
        return len(self._live)

    def strike(self, end: End | None = None) -> None:
        """End all live sessions like this: by default their TCP connections are aborted."""
        for session in self._live:
            session.strike(end or Drop())

    async def __aenter__(self) -> Self:
        host, port = self._address
        server = await self._stack.enter_async_context(
            serve(
                self._serve,
                host,
                port,
                process_request=self._on_request,
                process_response=self._on_response,
                select_subprotocol=_select_subprotocol,
                create_connection=_Socket,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
            )
        )
        self._address = (host, next(iter(server.sockets)).getsockname()[1])
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for socket in self._live.values():
            # A dead one would not notice that the server closes.
            if not socket.transport.is_reading():
                socket.transport.abort()
        await self._stack.aclose()

    # The handshake.

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        socket = cast(_Socket, connection)
        path = request.path.partition("?")[0]
        if path == HEALTH:
            return socket.respond(http.HTTPStatus.OK, "ok")
        if stored.is_ours(path):
            return self._on_stored(request, path)
        if path != PATH:
            return socket.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
        socket.request_id = str(uuid.uuid4())
        socket.credentials = auth.presented(
            request.headers.get("Authorization"), _offered(request.headers)
        )
        try:
            socket.faults = self._faults_of(socket.credentials)
        except BadFault as fault:
            return _problem(http.HTTPStatus.BAD_REQUEST, str(fault), socket.request_id)
        return self._refusal(socket)

    def _on_stored(self, request: Request, path: str) -> Response:
        """Somebody wants an agent that is stored, for which he needs a key as well."""
        credentials = auth.presented(request.headers.get("Authorization"), ())
        if not self._allowed(credentials):
            return _problem(http.HTTPStatus.UNAUTHORIZED, "Invalid credentials.", "")
        return _json(*stored.answer(path, self._agents))

    def _faults_of(self, credentials: auth.Credentials | None) -> Faults:
        """What befalls this connection: what its key asks for, or what the server suffers."""
        self._connections += 1
        asked = faults.from_key(credentials.secret) if credentials else None
        if asked is not None:
            return asked
        spared = 0 < self._faults.first < self._connections
        return Faults() if spared else self._faults

    def _refusal(self, socket: _Socket) -> Response | None:
        if status := socket.faults.reject:
            return _problem(http.HTTPStatus(status), "on demand", socket.request_id)
        if self._allowed(socket.credentials):
            return None
        return _problem(http.HTTPStatus.UNAUTHORIZED, "Invalid credentials.", socket.request_id)

    def _allowed(self, credentials: auth.Credentials | None) -> bool:
        asks_for_fault = credentials and credentials.secret.startswith(faults.KEY_PREFIX)
        return auth.accepted(credentials, None if asks_for_fault else self._api_keys)

    def _on_response(
        self, connection: ServerConnection, _request: Request, response: Response
    ) -> None:
        if request_id := cast(_Socket, connection).request_id:
            response.headers[REQUEST_ID] = request_id

    # The session.

    async def _serve(self, connection: ServerConnection) -> None:
        socket = cast(_Socket, connection)
        with self._recorded(socket) as record:
            session = Session(Wire(socket, record, socket.faults), self._house, socket.faults)
            self._live[session] = socket
            try:
                await session.run()
            finally:
                del self._live[session]

    @contextmanager
    def _recorded(self, socket: _Socket) -> Iterator[SessionRecord]:
        record = SessionRecord(socket.request_id, self._keep)
        self.sessions.append(record)
        try:
            yield record
        finally:
            record.close_code = socket.close_code or 1006
            if not self._keep:
                self.sessions.remove(record)


def _voice() -> Speak:
    from sim.voice import speak  # noqa: PLC0415 -- whoever brings a voice needs none of ours

    return speak


def _offered(headers: Headers) -> list[str]:
    offers = ",".join(headers.get_all("Sec-WebSocket-Protocol"))
    return [offer.strip() for offer in offers.split(",") if offer.strip()]


def _select_subprotocol(
    _connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """One of those offered must be chosen: the scheme, never the secret."""
    return next((name for name in offered if name in ("token", "bearer")), None)


def _problem(status: http.HTTPStatus, sentence: str, request_id: str) -> Response:
    code = "INVALID_AUTH" if status is http.HTTPStatus.UNAUTHORIZED else status.name
    problem = {"err_code": code, "err_msg": sentence, "request_id": request_id}
    return _json(status, problem)


def _json(status: http.HTTPStatus, answer: dict[str, Any]) -> Response:
    body = json.dumps(answer).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    return Response(status.value, status.phrase, headers, body)
