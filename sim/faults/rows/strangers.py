"""What nobody should send: refused or ignored before anything is spent on it; live calls go on."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared import keys
from sim.faults.checks import check_carrier
from sim.faults.finding import Finding
from sim.faults.rows.phones import beside_others
from sim.faults.scenario import scenario
from sim.faults.sound import heard_whole
from sim.faults.stage import House, Stage, Talk, until
from sim.faults.words import ASK, GREETING, HEARD_OUT, LONG, MORE, say
from sim.phone.caller import HangUp, Wait
from sim.phone.record import Event
from sim.phone.track import Impairments, Signature, Span, Stray
from sim.phone.wire import CONNECTED, Renderer

TOKEN = "test_auth_token"  # noqa: S105 (the stand-in's)
PUBLIC = "https://voice.example.com"

REFUSED = 1008
TOO_LARGE = 1009

STRAYS: tuple[str | bytes, ...] = (
    "",
    "hello",
    "[1]",
    "null",
    '{"event":',
    '{"event":"media"}',
    '{"event":"media","sequenceNumber":"7","media":{"payload":"!"}}',
    '{"event":"dtmf","sequenceNumber":7,"dtmf":{"digit":"1"}}',
    '{"event":"dtmf","sequenceNumber":"7","dtmf":{"digit":"one"}}',
    '{"event":"mark","sequenceNumber":"7"}',
    '{"event":"start"}',
    '{"event":"something new","sequenceNumber":"7"}',
    '{"event":"connected"}',
    '{"event":' + "[" * 5000 + "]" * 5000 + "}",
    b"",
    b"\x00" * 160,
    CONNECTED.encode(),
)

RUBBISH = 60
"""Messages that cannot be read; a socket that sends nothing else is closed before the last."""

START_WITHIN_S = 5.0


class Spent:
    """What there has been so far: agent sessions, and calls dispatched."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.sessions, self.calls = self._count()

    def _count(self) -> tuple[int, int]:
        with self._house.redis as redis:
            return len(self._house.agent.sessions), int(redis.zcard(keys.INDEX))

    def check(self, finding: Finding) -> None:
        """Nothing was spent since."""
        sessions, calls = self._count()
        finding.figure("sessions spent", sessions - self.sessions, most=0)
        finding.figure("calls dispatched", calls - self.calls, most=0)


def dial(house: House) -> connect:
    """A socket to the edge, of nobody the carrier knows."""
    url = house.stack.stream
    return connect(url, compression=None, proxy=None, ping_interval=None, close_timeout=1)


async def close_code(socket: ClientConnection, within_s: float = 10.0) -> int | None:
    """Read until the edge closes. Returns with which code; 0 if it does not."""
    with suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(within_s):
            async for _ in socket:
                pass
    return socket.close_code or 0


def start(call_sid: str) -> str:
    return Renderer("AC" + "0" * 32, call_sid, "MZ" + "1" * 32).start({})


# -- rubbish ------------------------------------------------------------------


@scenario(
    11,
    "malformed JSON, wrong types, binary and huge frames, gaps in sequence",
    "refused or ignored, before anything is spent; live calls untouched",
    is_alone=True,
    in_gate=False,
)
async def rubbish_is_sent(stage: Stage) -> None:
    async with stage.house() as house:
        strays = tuple(Stray(0.1 + 0.1 * i, frame) for i, frame in enumerate(STRAYS))
        odd = Impairments(
            strays=strays,
            frame_sizes=(160, 1, 159, 320, 7, 33, 800),
            gaps=(Span(0.6, 0.1), Span(0.9, 0.06)),
        )
        finding = stage.finding

        async def harm() -> None:
            talk = house.call(HEARD_OUT, say(ASK), HEARD_OUT, HangUp(), impairments=odd)
            await until(lambda: talk.sessions)
            spent = Spent(house)
            await _send_rubbish(house, finding)
            spent.check(finding)
            result = await talk.result()
            finding.same("the end", result.ended, "caller hung up")
            finding.same("turns", talk.sessions[0].user_turns, [ASK])
            finding.expect(heard_whole(result, GREETING, LONG, MORE), "the call hears every word")
            check_carrier(finding, result)

        await beside_others(stage, house, harm, START_WITHIN_S)


async def _send_rubbish(house: House, finding: Finding) -> None:
    """Sockets of all kinds; none of them may cost a call."""
    sendings: dict[str, tuple[list[str | bytes], set[int]]] = {
        "silence": ([], {REFUSED}),
        "connected and no start": ([CONNECTED], {REFUSED}),
        "a long line": (["x" * 60_000], {REFUSED}),
        "rubbish": (["hello"] * RUBBISH, {REFUSED}),
        "binary": ([b"\x00"] * RUBBISH, {REFUSED}),
        "half a start": ([json.dumps({"event": "start", "start": {}})] * RUBBISH, {REFUSED}),
        "a start without a call": ([start("CA1")] * RUBBISH, {REFUSED}),
        "a start for a name of ours": ([start(keys.DISPATCH)] * RUBBISH, {REFUSED}),
        "a frame above 64 KiB": (["x" * 65_537], {TOO_LARGE}),
        "a binary frame above 64 KiB": ([b"x" * 65_537], {TOO_LARGE}),
    }
    codes = await asyncio.gather(*(_closed_after(house, sent) for sent, _ in sendings.values()))
    for (what, (_, wanted)), code in zip(sendings.items(), codes, strict=True):
        finding.expect(code in wanted, f"{what}: closed with {wanted}, and not with {code}")


async def _closed_after(house: House, messages: Iterable[str | bytes]) -> int | None:
    async with dial(house) as socket:
        with suppress(ConnectionClosed):
            for message in messages:
                await socket.send(message)
        return await close_code(socket)


# -- forgeries ----------------------------------------------------------------


@scenario(
    11,
    "forged and replayed signatures and tokens",
    "403, or closed with 1008; nothing spent; live calls untouched",
    in_gate=False,
)
async def signatures_are_forged(stage: Stage) -> None:
    async with stage.house(TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=PUBLIC) as house:
        signed: dict[str, Any] = {"public_url": PUBLIC, "auth_token": TOKEN}
        twins: list[str] = []

        def watch(event: Event) -> None:
            if event.kind.startswith("duplicate"):
                twins.append(f"{event.kind} {event.detail}")

        live = house.call(
            HEARD_OUT,
            *(say(ASK), HEARD_OUT),
            impairments=Impairments(duplicate_at_s=0.3),
            on_event=watch,
            **signed,
        )
        await live.configured()
        spent = Spent(house)
        finding = stage.finding
        await _forge(house, signed, finding)
        await until(lambda: twins)
        finding.same("a token shown again", twins, ["duplicate closed 1008"])
        spent.check(finding)
        await until(lambda: heard_whole(live.phone.result, GREETING, LONG, MORE))
        result = await live.stop()
        finding.same("the end", result.ended, "caller hung up")
        await _show_forged_token(house, signed, finding)
        await house.is_empty()


async def _forge(house: House, signed: dict[str, Any], finding: Finding) -> None:
    forgeries: tuple[Signature, ...] = ("wrong", "missing")
    hooks = [
        house.call(impairments=Impairments(webhook_signature=each), **signed) for each in forgeries
    ]
    sockets = [
        house.call(is_bin=True, bin=None, impairments=Impairments(stream_signature=each), **signed)
        for each in (*forgeries, "https")
    ]
    for talk in hooks:
        result = await talk.result()
        finding.expect(
            result.ended.startswith("error 11200: HTTP 403"), "a forged webhook gets 403"
        )
    for talk in sockets:
        result = await talk.result()
        finding.same("a forged socket gets", result.followed[-1].status, 403)


async def _show_forged_token(house: House, signed: dict[str, Any], finding: Finding) -> None:
    """The socket is refused; the caller is brought back with the right one."""
    forged = Impairments(parameters=(("token", "forged"),))
    result = await house.call(HEARD_OUT, HangUp(), impairments=forged, **signed).result()
    finding.same("the forged one's close code", result.streams[0].close_code, REFUSED)
    finding.same("heard on the forged one", result.streams[0].playback.sent_bytes, 0)
    finding.expect(heard_whole(result, GREETING), "with the right token the call is heard")


# -- floods -------------------------------------------------------------------

HANDSHAKES = 150
WEBHOOKS = 150
SOCKETS = 50


@scenario(
    11,
    "slow handshakes, and a flood while all places are taken",
    "busy, or closed with 1008; nothing spent; live calls untouched; room again afterwards",
    is_alone=True,
    in_gate=False,
)
async def places_are_flooded(stage: Stage) -> None:
    # As many places as calls go on beside it: none is left.
    async with stage.house(MAX_CALLS="5") as house:
        finding = stage.finding

        async def harm() -> None:
            spent = Spent(house)
            async with AsyncExitStack() as slow:
                for _ in range(HANDSHAKES):
                    await _half_a_handshake(house, slow)
                ringing = await _paced(house, WEBHOOKS, is_bin=False)
                for talk in ringing:
                    result = await talk.result()
                    finding.same("the end of a call too many", result.ended, "hangup verb")
                    finding.same("its sockets", len(result.streams), 0)
                for talk in await _paced(house, SOCKETS, is_bin=True):
                    result = await talk.result()
                    finding.same("a Bin's socket", result.streams[0].close_code, REFUSED)
            spent.check(finding)

        await beside_others(stage, house, harm, START_WITHIN_S)
        result = await house.call(HEARD_OUT, HangUp()).result()
        finding.expect(heard_whole(result, GREETING), "the next call is served")


async def _paced(house: House, count: int, *, is_bin: bool) -> list[Talk]:
    """Calls as fast as this process places them without standing still itself."""
    talks = []
    for _ in range(count):
        talks.append(house.call(Wait(5), HangUp(), is_bin=is_bin))
        await asyncio.sleep(0.02)
    return talks


async def _half_a_handshake(house: House, slow: AsyncExitStack) -> None:
    """A connection that says half a line, and is there until the end."""
    _, writer = await asyncio.open_connection("127.0.0.1", house.stack.port)
    writer.write(b"GET /twilio HTTP/1.1\r\nHost: ")
    slow.callback(writer.transport.abort)
