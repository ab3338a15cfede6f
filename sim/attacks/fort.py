"""What is attacked: an edge on the internet, with a live call; and what its attackers know.

They have overheard whole requests, with their signatures and tokens, but not the auth token.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from shared import keys
from sim.faults.sound import heard_whole
from sim.faults.stage import House, Stage, Talk, until
from sim.faults.words import ASK, GREETING, HEARD_OUT, LONG, MORE, say
from sim.phone.caller import HangUp, Wait
from sim.phone.handshake import HandshakeError, open_socket
from sim.phone.twiml import Connect, parse
from sim.phone.webhook import signature, voice_form
from sim.phone.wire import Renderer

TOKEN = "test_auth_token"  # noqa: S105 (the stand-in's)
ORIGIN = "https://voice.example.com"
VOICE = f"{ORIGIN}/twilio/voice"
AFTER = f"{ORIGIN}/twilio/after"
STATUS = f"{ORIGIN}/twilio/status"
SOCKET = "wss://voice.example.com/twilio"

GUARDED = {"TWILIO_AUTH_TOKEN": TOKEN, "REQUIRE_TOKEN": "on"}

ACCOUNT = "AC" + "0" * 32
LATE_S = 0.1

LET_IN = "let in"
UNTOUCHED = "heard every word, on one socket"

ANSWERED_WITHIN_S = 15.0
"""The edge closes whom it does not know within five seconds."""

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spent:
    """What was made at Redis, and of agent sockets."""

    keys: int = 0
    sockets: int = 0


class Ledger:
    """What there is now, to be compared with what there is later."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._keys, self._calls, self._sockets = self._look()

    def _look(self) -> tuple[set[bytes], int, int]:
        """Keys but for the processes' own; calls ever dispatched; sockets."""
        with self._house.redis as redis:
            names = {name for name in redis.scan_iter(count=1000) if not keys.is_of_process(name)}
            return names, int(redis.zcard(keys.INDEX)), len(self._house.agent.sessions)

    def spent(self) -> Spent:
        """What has been made since."""
        names, calls, sockets = self._look()
        made = len(names - self._keys) + calls - self._calls
        return Spent(made, sockets - self._sockets)


@dataclass(frozen=True, slots=True)
class Overheard:
    """One call's webhook, and the token that it was given."""

    form: Form
    token: str

    @property
    def call_sid(self) -> str:
        return self.form["CallSid"]


@dataclass(frozen=True, slots=True)
class Fort:
    """An edge, and how to knock at its doors."""

    house: House
    live: Talk
    client: httpx.AsyncClient
    going_on: Overheard
    over: Overheard
    ringing: Overheard
    """Its token has not been shown yet."""
    late: Overheard
    """Its token has expired."""

    @classmethod
    async def of(cls, house: House, client: httpx.AsyncClient) -> Self:
        """Wait until its calls are as the attackers are to find them."""
        signed: dict[str, Any] = {"public_url": ORIGIN, "auth_token": TOKEN}
        live = house.call(HEARD_OUT, **signed)
        over = house.call(Wait(0.2), HangUp(), **signed)
        edge = await house.add_edge(TOKEN_S=str(LATE_S), NOTICE="off")
        late, ringing = [
            await _overhear(client, f"{origin}/twilio/voice") for origin in (edge, house.stack.url)
        ]
        await over.result()
        await until(lambda: len(house.agent.sessions) == 4 and house.agent.live == 3)
        await until(lambda: heard_whole(live.phone.result, GREETING))
        await asyncio.sleep(LATE_S)
        return cls(house, live, client, _shown(live), _shown(over), ringing, late)

    async def leave(self) -> None:
        """End all calls that are left, also those that should not be."""
        with self.house.redis as redis:
            names = [name.decode() for name in redis.scan_iter("{*}:call:*", count=1000)]
        for call_sid in (name.rpartition(":")[2] for name in names):
            form = new_form(CallSid=call_sid, CallStatus="completed")
            await self.post(form, sign(STATUS, form), url=STATUS)

    # -- the doors ------------------------------------------------------------

    async def post(
        self, form: Form, signed: str | None, *, url: str = VOICE, host: str = ""
    ) -> str:
        """Send a webhook. Returns what came back."""
        headers = {"X-Twilio-Signature": signed} if signed else {}
        headers["Host"] = host or ORIGIN.partition("//")[2]
        local = url.replace(ORIGIN, self.house.stack.url)
        answer = await self.client.post(local, data=dict(form), headers=headers)
        if answer.is_success:
            return LET_IN if b"<Stream" in answer.content else "no stream"
        return f"HTTP {answer.status_code}"

    async def knock(
        self, *messages: str | bytes | list[str], signed: str | None = None, path: str = ""
    ) -> str:
        """Open a phone socket, and say this, a list in pieces. Returns how the edge answered."""
        address = self.house.stack.stream + path
        try:
            socket = await open_socket(SOCKET + path, address, signed)
        except HandshakeError as exc:
            return f"HTTP {exc.status}"
        try:
            with suppress(ConnectionClosed):
                for message in messages:
                    await socket.send(message)
            return await _answer(socket)
        finally:
            await socket.close()

    # -- the call that is none of theirs --------------------------------------

    def ask(self) -> None:
        """Have the live call's caller ask something."""
        self.live.then(say(ASK))

    async def asked(self) -> str:
        """What the live call's caller has heard, on how many sockets."""
        result = self.live.phone.result
        with suppress(TimeoutError):
            await until(lambda: self.live.is_over or heard_whole(result, GREETING, LONG, MORE))
        is_whole = heard_whole(result, GREETING, LONG, MORE)
        self.live.phone.hang_up()
        await self.live.result()
        is_one = len(result.streams) == 1 and result.ended == "caller hung up"
        return UNTOUCHED if is_whole and is_one else "cut off"


async def _answer(socket: ClientConnection) -> str:
    """How the edge closes a socket; one that it says a word to is let in."""
    with suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            await socket.recv()
            return LET_IN
    return f"closed {socket.close_code}" if socket.close_code else "left waiting"


def _shown(talk: Talk) -> Overheard:
    """A call whose phone has come, and shown its token."""
    phone = talk.phone
    form = voice_form(phone.account_sid, phone.call_sid, phone.from_, phone.to)
    sent = [orjson.loads(each.frame) for each in phone.result.streams[0].messages if each.sent]
    (start,) = [message["start"] for message in sent if message["event"] == "start"]
    return Overheard({**form, "CallStatus": "ringing"}, start["customParameters"]["token"])


async def _overhear(client: httpx.AsyncClient, webhook: str) -> Overheard:
    """A call that rings, and whose phone does not come."""
    form = new_form()
    answer = await client.post(
        webhook, data=dict(form), headers={"X-Twilio-Signature": sign(VOICE, form)}
    )
    (connect,) = [each for each in parse(answer.content) if isinstance(each, Connect)]
    return Overheard(form, dict(connect.stream.parameters)["token"])


# -- what attackers make ------------------------------------------------------

_NUMBERS = count(1)


def new_form(**changes: str) -> dict[str, str]:
    """The fields of a call's webhook that nobody has heard of."""
    form = voice_form(ACCOUNT, f"CA{uuid4().hex}", f"+1777{next(_NUMBERS):07}", "+15559870000")
    return {**form, "CallStatus": "ringing", **changes}


def sign(url: str, form: Form | None = None, key: str = TOKEN) -> str:
    """A signature: with the auth token one that was overheard, else a forged one."""
    return signature(key, url, form or {}, "right") or ""


def start(call_sid: str, **parameters: str) -> str:
    """A phone socket's first word."""
    return Renderer(ACCOUNT, call_sid, f"MZ{uuid4().hex}").start(parameters)


@asynccontextmanager
async def besieged(folder: Path, *, is_guarded: bool = True) -> AsyncIterator[Fort]:
    """A fort, or the same with its gates open.

    Raises:
        AssertionError: In the end, if one of its processes reports a fault of its own.
    """
    stage = Stage("attacks", folder)
    settings: dict[str, Any] = {"PUBLIC_URL": ORIGIN, **(GUARDED if is_guarded else {})}
    async with (
        stage.house(RING_S="60", **settings) as house,
        httpx.AsyncClient(trust_env=False, timeout=ANSWERED_WITHIN_S) as client,
    ):
        fort = await Fort.of(house, client)
        yield fort
        await fort.leave()
        with suppress(TimeoutError):
            await until(lambda: house.live_calls == 0, within_s=2)
    assert not stage.finding.failures, stage.finding.failures
