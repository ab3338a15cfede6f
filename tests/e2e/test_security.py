"""With an auth token set, nobody but Twilio gets in, and each token opens one socket."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twilio.request_validator import HMAC_SHA256, RequestValidator
from websockets.asyncio.client import connect

from shared import keys
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT
from sim.phone.call import Call
from sim.phone.caller import HangUp, Step, Wait
from sim.phone.record import CallResult, Event
from sim.phone.track import Impairments, Signature
from sim.phone.wire import Renderer
from sim.stack import Stack
from tests.e2e import kit
from tests.e2e.kit import agent, closed, live_calls, logs

TOKEN = "test_auth_token"
PUBLIC = "https://voice.example.com"


@pytest.fixture(scope="module")
def fort(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("fort")
    with kit.stack(folder, port, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=PUBLIC) as stack:
        yield stack


def call(fort: Stack, *steps: Step, **options: Any) -> Call:
    return kit.call(fort, *steps, public_url=PUBLIC, auth_token=TOKEN, **options)


def dispatched(fort: Stack) -> int:
    """How many calls there have been."""
    with kit.redis_of(fort) as redis:
        return int(redis.zcard(keys.INDEX))


def token_of(result: CallResult) -> str:
    sent = [json.loads(each.frame) for each in result.streams[0].messages if each.sent]
    (start,) = [message["start"] for message in sent if message["event"] == "start"]
    return str(start["customParameters"]["token"])


async def test_signed_calls_pass(fort: Stack, port: int) -> None:
    async with agent(port) as server:
        results = await asyncio.gather(
            call(fort, HEARD_OUT, HangUp()).run(),
            call(fort, HEARD_OUT, HangUp(), is_bin=True).run(),
        )
        for session in server.sessions:
            await closed(session)

    for result in results:
        assert result.ended == "caller hung up"
        assert result.rejections == []
        assert heard_whole(result, GREETING)
        assert result.streams[0].url == "wss://voice.example.com/twilio"


async def test_calls_signed_with_a_shared_key_pass(port: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "TWILIO_SHARED_KEY": "shared",
        "TWILIO_AUTH_TOKEN": TOKEN,
        "PUBLIC_URL": PUBLIC,
    }
    shared: dict[str, Any] = {"auth_token": "shared", "signs_with": HMAC_SHA256}
    with kit.stack(tmp_path, port, **settings) as stack:
        async with agent(port):
            passes = await kit.call(stack, HEARD_OUT, HangUp(), public_url=PUBLIC, **shared).run()
            forged = await call(stack).run()

    assert heard_whole(passes, GREETING)
    assert passes.rejections == []
    assert forged.ended.startswith("error 11200: HTTP 403")


async def test_forged_webhooks_and_sockets_get_403_and_nothing_is_spent(
    fort: Stack, port: int
) -> None:
    before = dispatched(fort)
    forgeries: tuple[Signature, ...] = ("wrong", "missing")
    async with agent(port) as server:
        webhooks = await asyncio.gather(
            *(
                call(fort, impairments=Impairments(webhook_signature=each)).run()
                for each in forgeries
            )
        )
        sockets = await asyncio.gather(
            *(
                call(fort, is_bin=True, impairments=Impairments(stream_signature=each)).run()
                for each in (*forgeries, "https")
            )
        )
        await asyncio.sleep(0.2)

    for result in webhooks:
        assert result.ended.startswith("error 11200: HTTP 403")
    for result in sockets:
        assert [rejection.code for rejection in result.rejections] == [31920]
        assert result.followed[-1].status == 403
    assert server.sessions == []
    assert dispatched(fort) == before
    assert live_calls(fort) == 0
    assert "socket refused: bad signature" in logs(fort)


async def test_a_wrong_token_is_refused_and_the_call_goes_on_with_the_right_one(
    fort: Stack, port: int
) -> None:
    forged = Impairments(parameters=(("token", "forged"),))
    async with agent(port) as server:
        result = await call(fort, HEARD_OUT, HangUp(), impairments=forged).run()
        await closed(server.sessions[0])

    first, second = result.streams
    assert (first.ended, first.close_code) == ("server closed", 1008)
    assert first.playback.sent_bytes == 0
    assert second.ended == "caller hung up"
    assert heard_whole(result, GREETING)
    assert len(server.sessions) == 1


async def test_a_token_opens_one_socket(fort: Stack, port: int) -> None:
    twin = []

    def watch(event: Event) -> None:
        if event.kind.startswith("duplicate"):
            twin.append((event.kind, event.detail))

    async with agent(port) as server:
        # In mid-call, on a second socket with the same token ...
        result = await call(
            fort,
            *(HEARD_OUT, Wait(0.3), HangUp()),
            impairments=Impairments(duplicate_at_s=0.3),
            on_event=watch,
        ).run()
        await closed(server.sessions[0])
        await kit.until(lambda: live_calls(fort) == 0)
        before = dispatched(fort)

        # ... and again when the call is over.
        signature = RequestValidator(TOKEN).compute_signature("wss://voice.example.com/twilio", {})
        async with connect(
            fort.stream, additional_headers={"x-twilio-signature": signature}, proxy=None
        ) as again:
            phone = Renderer("AC" + "0" * 32, result.call_sid, "MZ" + "1" * 32)
            await again.send(phone.start({"token": token_of(result)}))
            await asyncio.wait_for(again.wait_closed(), 5)

    assert twin == [("duplicate closed", "1008")]
    assert result.rejections == []
    assert heard_whole(result, GREETING)
    assert again.close_code == 1008
    assert len(server.sessions) == 1
    assert live_calls(fort) == 0
    assert dispatched(fort) == before
