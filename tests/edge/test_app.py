"""The edge's routes, in this process, on a real Redis."""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from edge import app, twiml
from edge.app import ATTEMPTS
from shared import logs
from shared.calls import State
from shared.causes import Cause
from shared.messages import HungUp
from shared.record import DialFailed
from shared.settings import Settings
from sim.phone.twiml import Connect, Dial, Hangup, Redirect, Say, parse
from sim.redis import free_port
from tests.edge.kit import (
    CALL,
    FORM,
    STREAM,
    Edge,
    Worker,
    a_worker,
    an_edge,
    ask,
    calls,
    token_of,
)
from tests.shared.bus.help import lets_in, meanwhile

TOKEN = "test_auth_token"
PUBLIC = "https://voice.example.com"


@pytest.fixture
async def edge(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis) as edge:
        yield edge


@pytest.fixture
async def signed(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=PUBLIC) as edge:
        yield edge


@pytest.fixture
async def worker(redis: str) -> AsyncIterator[Worker]:
    async with a_worker(redis) as worker:
        yield worker


def sign(path: str, form: dict[str, str], token: str = TOKEN) -> dict[str, str]:
    value = RequestValidator(token).compute_signature(PUBLIC + path, form)
    return {"X-Twilio-Signature": str(value)}


# -- who is let in ------------------------------------------------------------


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
async def test_a_signed_request_is_let_in(signed: Edge, path: str) -> None:
    response = await signed.client.post(path, data=FORM, headers=sign(path, FORM))

    assert response.status_code in (200, 204)


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": "x"}, sign("/", FORM)])
async def test_others_get_403_and_no_call(signed: Edge, path: str, headers: dict[str, str]) -> None:
    response = await signed.client.post(path, data=FORM, headers=headers)

    assert response.status_code == 403
    assert await calls(signed) == 0
    assert (signed.face.counts.webhooks_forged, signed.face.counts.refused) == (1, 1)


async def test_who_is_refused_again_and_again_fills_no_log(
    signed: Edge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SELDOM_S", 0.2)
    for _ in range(20):
        await signed.post("/twilio/voice")
    await asyncio.sleep(0.2)
    await signed.post("/twilio/voice")

    lines = [each for each in caplog.records if each.message == "webhook refused: bad signature"]
    assert 2 <= len(lines) < 20
    assert vars(lines[-1])["times"] == 21


async def test_what_the_request_says_of_its_host_does_not_count(signed: Edge) -> None:
    forged = RequestValidator(TOKEN).compute_signature("https://evil.example/twilio/voice", FORM)
    headers = {"Host": "evil.example", "X-Twilio-Signature": forged}

    response = await signed.client.post("/twilio/voice", data=FORM, headers=headers)

    assert response.status_code == 403


async def test_the_query_string_is_signed_too(signed: Edge) -> None:
    path = "/twilio/voice?agent=sales"
    headers = sign(path, FORM)

    assert (await signed.client.post(path, data=FORM, headers=headers)).status_code == 200
    assert (await signed.client.post(path + "2", data=FORM, headers=headers)).status_code == 403


async def test_probes_need_no_signature(signed: Edge) -> None:
    assert (await signed.client.get("/healthz")).status_code == 200
    assert (await signed.client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
@pytest.mark.parametrize("call_sid", ["", "CA1", STREAM, CALL + "\n", "{calls}:new"])
async def test_a_call_sid_that_is_none_gets_400(edge: Edge, path: str, call_sid: str) -> None:
    assert (await edge.post(path, CallSid=call_sid)).status_code == 400
    assert await calls(edge) == 0
    assert edge.face.counts.webhooks_malformed == 1


async def test_a_form_of_too_many_fields_gets_413(edge: Edge) -> None:
    form = {**FORM, **{f"field {number}": "" for number in range(app.MAX_FIELDS)}}

    assert (await edge.client.post("/twilio/voice", data=form)).status_code == 413
    assert await calls(edge) == 0


@pytest.mark.parametrize("path", ["/twilio/voice?a=%FF", "/twilio/voice?a=\xff", "/twilio/voic%65"])
async def test_an_address_counts_as_it_was_asked_for(signed: Edge, path: str) -> None:
    for url, status in ((path, 200), ("/twilio/voice", 403)):
        request = signed.client.build_request("POST", path, data=FORM)
        asked = url if status == 403 else request.url.raw_path.decode()
        request.headers.update(sign(asked, FORM))
        assert (await signed.client.send(request)).status_code == status


@pytest.mark.parametrize("host", ["[", "x/twilio/status#", "x/twilio/status?", "a b", "\xff"])
async def test_a_host_that_is_none_changes_nothing(signed: Edge, host: str) -> None:
    for path, status in (("/twilio/voice", 200), ("/twilio/status", 403)):
        headers = httpx.Headers({**sign(path, FORM), "Host": host}, encoding="latin-1")
        request = signed.client.build_request("POST", "/twilio/voice", data=FORM, headers=headers)
        assert (await signed.client.send(request)).status_code == status


async def test_a_form_that_is_none_gets_400(edge: Edge) -> None:
    for content, kind in [
        (b"", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"\xff\xfe%%%", "application/x-www-form-urlencoded"),
        (b"--x", "multipart/form-data"),
        (b"--x", "multipart/form-data; boundary=x"),
    ]:
        response = await edge.client.post(
            "/twilio/voice", content=content, headers={"Content-Type": kind}
        )

        assert response.status_code == 400, kind


async def test_paths_and_methods_that_there_are_not(edge: Edge) -> None:
    assert (await edge.post("/twilio/other")).status_code == 404
    assert (await edge.post("/")).status_code == 404
    assert (await edge.client.get("/twilio/voice")).status_code == 405


# -- a call rings -------------------------------------------------------------


async def test_a_call_is_dispatched_and_its_phone_sent_to_the_socket(edge: Edge) -> None:
    say, connect, redirect = await edge.verbs("/twilio/voice")

    assert say == Say(Settings().notice)
    assert isinstance(connect, Connect)
    assert connect.stream.url == "ws://127.0.0.1:5000/twilio"
    assert connect.action == "/twilio/after"
    assert redirect == Redirect("/twilio/after")
    assert await calls(edge) == 1


@pytest.mark.parametrize(
    ("public_url", "stream"),
    [
        ("https://voice.example.com", "wss://voice.example.com/twilio"),
        ("https://voice.example.com/", "wss://voice.example.com/twilio"),
        ("https://voice.example.com:443", "wss://voice.example.com:443/twilio"),
        ("https://voice.example.com:8443/", "wss://voice.example.com:8443/twilio"),
        ("https://Voice.Example.com", "wss://Voice.Example.com/twilio"),
    ],
)
async def test_the_socket_s_address_is_made_of_public_url_and_let_in_as_it_is_signed(
    redis: str, public_url: str, stream: str
) -> None:
    """Whatever a proxy makes of the request's host and scheme."""
    validator, origin = RequestValidator(TOKEN), public_url.rstrip("/")
    signature = validator.compute_signature(f"{origin}/twilio/voice", FORM)
    proxied = {
        "Host": "10.0.0.7:5000",
        "X-Forwarded-Host": "x.example",
        "X-Forwarded-Proto": "http",
    }
    async with an_edge(redis, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=public_url) as edge:
        response = await edge.client.post(
            "/twilio/voice", data=FORM, headers={**proxied, "X-Twilio-Signature": signature}
        )

        (connect,) = (verb for verb in parse(response.content) if isinstance(verb, Connect))
        assert connect.stream.url == stream
        signed = validator.compute_signature(stream, {})
        assert edge.face.guard.admits_socket("/twilio", signed)


@pytest.mark.parametrize(
    ("host", "stream"),
    [
        ("localhost:5000", "ws://localhost:5000/twilio"),
        ("abc.ngrok.app", "wss://abc.ngrok.app/twilio"),
    ],
)
async def test_without_public_url_it_is_where_the_request_came_to(
    edge: Edge, host: str, stream: str
) -> None:
    response = await edge.client.post("/twilio/voice", data=FORM, headers={"Host": host})

    (connect,) = (v for v in parse(response.content, allow_ws=True) if isinstance(v, Connect))
    assert connect.stream.url == stream


async def test_no_notice_if_it_is_off(redis: str) -> None:
    async with an_edge(redis, NOTICE="off") as edge:
        first, *_ = await edge.verbs("/twilio/voice")

    assert isinstance(first, Connect)


async def test_the_worker_learns_who_calls_whom(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice?agent=sales", Direction="outbound-api")

    ringing = (await worker.claim()).ringing

    assert (ringing.call_sid, ringing.caller, ringing.called) == (CALL, FORM["From"], FORM["To"])
    assert (ringing.agent, ringing.direction, ringing.has_webhook) == ("sales", "outbound", True)
    assert 1 < ringing.notice_s < 6


async def test_a_retried_webhook_gets_the_same_document(edge: Edge) -> None:
    first = await edge.post("/twilio/voice")
    second = await edge.post("/twilio/voice")

    assert first.content == second.content
    assert await calls(edge) == 1


async def test_webhooks_at_the_same_moment_get_documents_that_work(edge: Edge) -> None:
    tokens = await asyncio.gather(*(edge.token() for _ in range(5)))

    taken = [await lets_in(edge.registry, CALL, token) for token in set(tokens)]

    assert all(taken)
    assert await calls(edge) == 1


async def test_a_webhook_retried_after_its_token_came_too_late_gets_one_that_works(
    redis: str,
) -> None:
    async with an_edge(redis, TOKEN_S="0.2", NOTICE="off") as edge:
        late = await edge.token()
        await asyncio.sleep(0.3)
        assert not await lets_in(edge.registry, CALL, late)

        assert await lets_in(edge.registry, CALL, await edge.token())


async def test_tokens_are_different_and_long(edge: Edge) -> None:
    one = token_of(await edge.verbs("/twilio/voice"))
    other = token_of(await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2"))

    assert one != other
    assert len(one) >= 20


async def test_when_all_places_are_taken_the_line_is_busy(edge: Edge, worker: Worker) -> None:
    await worker.beat(places=1)
    await edge.verbs("/twilio/voice")

    verbs = await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")

    assert verbs == (Say(twiml.BUSY), Hangup())
    assert await calls(edge) == 1


async def test_the_account_s_sessions_bound_it_too(redis: str, worker: Worker) -> None:
    async with an_edge(redis, MAX_SESSIONS="1") as edge:
        await worker.beat(places=10)
        await edge.verbs("/twilio/voice")

        verbs = await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")

    assert verbs == (Say(twiml.BUSY), Hangup())


async def test_some_sessions_are_kept_for_calls_that_change_workers(
    redis: str, worker: Worker
) -> None:
    async with an_edge(redis, MAX_SESSIONS="10") as edge:
        await worker.beat(places=20)
        answers = [
            await edge.verbs("/twilio/voice", CallSid=f"{CALL[:-1]}{number}")
            for number in range(10)
        ]

    assert [verbs == (Say(twiml.BUSY), Hangup()) for verbs in answers] == [False] * 9 + [True]


async def test_a_retried_webhook_of_a_call_that_has_its_place_is_not_busy(
    edge: Edge, worker: Worker
) -> None:
    await worker.beat(places=1)

    assert await edge.token() == await edge.token()


async def test_a_number_has_only_so_many_calls_at_once(redis: str, worker: Worker) -> None:
    async with an_edge(redis, MAX_CALLS_PER_CALLER="1") as edge:
        await worker.beat(places=10)
        await edge.verbs("/twilio/voice")

        verbs = await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")
        assert verbs == (Say(twiml.BUSY), Hangup())
        assert await edge.token("/twilio/voice", CallSid=CALL[:-1] + "3", From="+1")
        assert await edge.token()  # the first call's webhook, retried
        counts = edge.face.counts

    assert (counts.ringing, counts.crowded, counts.full) == (2, 1, 0)


async def test_what_the_operator_answers_when_full_is_counted(edge: Edge, worker: Worker) -> None:
    await worker.beat(places=1)
    for digit in "123":
        await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + digit)

    assert (edge.face.counts.ringing, edge.face.counts.full) == (1, 2)


async def test_with_no_worker_alive_the_call_waits_for_one(edge: Edge) -> None:
    assert await edge.token()
    assert await calls(edge) == 1


# -- a signed webhook, repeated -----------------------------------------------


async def attached(edge: Edge) -> None:
    """The phone comes, with its token."""
    assert await lets_in(edge.registry, CALL, await edge.token())
    edge.registry.door.attach(CALL, STREAM)


@pytest.mark.parametrize("status", ["ringing", "in-progress"])
async def test_a_webhook_of_a_call_that_goes_on_gives_no_token(edge: Edge, status: str) -> None:
    await attached(edge)

    assert await edge.verbs("/twilio/voice", CallStatus=status) == (Redirect("/twilio/after"),)
    assert (await edge.call()).tokens == ()
    assert await calls(edge) == 1
    assert edge.face.counts.webhooks_replayed == 1


async def test_a_call_that_is_over_does_not_ring_again(edge: Edge, worker: Worker) -> None:
    await attached(edge)
    await worker.finish(await worker.claim())

    assert await edge.verbs("/twilio/voice") == (Redirect("/twilio/after"),)
    assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)
    assert await calls(edge) == 0


async def test_a_call_whose_caller_gave_up_while_it_rang_does_not_ring_again(
    edge: Edge, worker: Worker
) -> None:
    await edge.verbs("/twilio/voice")
    await worker.finish(await worker.claim())

    assert await edge.verbs("/twilio/voice") == (Redirect("/twilio/after"),)
    assert await calls(edge) == 0


async def test_a_caller_whom_the_operator_s_twiml_sends_back_is_served(
    edge: Edge, worker: Worker
) -> None:
    await attached(edge)
    await worker.finish(await worker.claim())

    assert await edge.token("/twilio/voice", CallStatus="in-progress")
    assert await calls(edge) == 1


async def test_a_retried_webhook_gives_the_token_its_time_again(redis: str) -> None:
    async with an_edge(redis, TOKEN_S="0.2", NOTICE="off") as edge:
        token = await edge.token()
        await asyncio.sleep(0.15)
        assert await edge.token() == token
        await asyncio.sleep(0.15)

        assert await lets_in(edge.registry, CALL, token)


async def test_a_token_expires(redis: str) -> None:
    async with an_edge(redis, TOKEN_S="0.1", NOTICE="off") as edge:
        token = await edge.token()
        await asyncio.sleep(0.2)

        assert not await lets_in(edge.registry, CALL, token)


async def test_the_notice_does_not_cost_the_token_s_time(redis: str) -> None:
    async with an_edge(redis, TOKEN_S="0.1") as edge:
        token = await edge.token()
        await asyncio.sleep(0.2)

        assert await lets_in(edge.registry, CALL, token)


# -- the stream has ended -----------------------------------------------------


async def test_after_a_call_that_is_over_twilio_hangs_up(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice")
    await worker.finish(await worker.claim())

    for _ in range(2):
        assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)


async def test_after_a_call_that_nobody_knows_twilio_hangs_up(edge: Edge) -> None:
    assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)


async def test_after_a_lost_socket_the_phone_is_asked_back_without_a_notice(
    edge: Edge, worker: Worker
) -> None:
    first = await edge.token()
    await lets_in(edge.registry, CALL, first)
    await worker.claim()

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")

    assert isinstance(verbs[0], Connect)
    assert token_of(verbs) != first
    assert await lets_in(edge.registry, CALL, token_of(verbs))


async def test_but_only_so_often(edge: Edge, worker: Worker) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()
    for _ in range(ATTEMPTS):
        assert await edge.token("/twilio/after")

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")

    assert verbs == (Say(twiml.APOLOGY), Hangup())
    assert await worker.noted() == [HungUp(CALL, "phone lost")]


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_after_a_hang_up_there_is_nothing_to_do_but_to_tell_the_owner(
    edge: Edge, worker: Worker, status: str
) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    assert await edge.verbs("/twilio/after", CallStatus=status) == ()
    assert await worker.noted() == [HungUp(CALL, "caller hung up")]


# -- transfers ----------------------------------------------------------------

TARGET = "+15557654321"
NOT_TALKED = ["busy", "no-answer", "failed", "canceled"]


async def transferred(edge: Edge, worker: Worker, target: str = TARGET, **form: str) -> None:
    """A call whose agent has given it to somebody else."""
    await edge.verbs("/twilio/voice?agent=sales", **form)
    await worker.finish(await worker.claim(), target)


async def test_a_caller_back_from_a_failed_transfer_is_no_new_call(
    redis: str, worker: Worker
) -> None:
    async with an_edge(redis, MAX_CALLS_PER_CALLER="1") as edge:
        await transferred(edge, worker)
        assert await edge.token("/twilio/voice", CallSid=CALL[:-1] + "2")

        assert await edge.token("/twilio/after", CallStatus="in-progress", DialCallStatus="busy")

        assert edge.face.counts.ringing == 2


async def test_a_transferred_call_is_dialled_however_often_it_is_asked(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)

    for _ in range(2):
        verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")
        assert verbs == (Dial(TARGET, "/twilio/after"),)


@pytest.mark.parametrize("caller", ["anonymous", "client:ann", "+266696687"])
async def test_a_caller_without_a_number_shows_ours(
    edge: Edge, worker: Worker, caller: str
) -> None:
    await transferred(edge, worker, From=caller)

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress")

    assert verbs == (Dial(TARGET, "/twilio/after", caller_id=FORM["To"]),)


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_when_the_other_two_have_talked_the_call_is_over(
    edge: Edge, worker: Worker, status: str
) -> None:
    await transferred(edge, worker)

    for _ in range(2):
        verbs = await edge.verbs("/twilio/after", CallStatus="in-progress", DialCallStatus=status)
        assert verbs == (Hangup(),)
    assert await calls(edge) == 0


@pytest.mark.parametrize("status", NOT_TALKED)
async def test_when_nobody_answers_the_caller_is_back_with_the_same_agent(
    edge: Edge, worker: Worker, status: str
) -> None:
    await transferred(edge, worker)

    token = await edge.token("/twilio/after", CallStatus="in-progress", DialCallStatus=status)
    log = await worker.log(CALL)
    claim = await worker.claim()

    assert log[-1] == DialFailed(status)  # before anybody had the call
    ringing = claim.ringing
    assert (ringing.call_sid, ringing.caller, ringing.called) == (CALL, FORM["From"], FORM["To"])
    assert (ringing.agent, ringing.direction, ringing.has_webhook) == ("sales", "inbound", True)
    call = await edge.call()
    assert (call.state, call.cause, call.transfer, call.attempts) == (State.RINGING, "", "", 0)
    assert await lets_in(edge.registry, CALL, token)


async def test_a_failed_dial_that_is_told_twice_brings_one_call_back(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)
    form = {"CallStatus": "in-progress", "DialCallStatus": "busy"}

    tokens = [await edge.token("/twilio/after", **form) for _ in range(2)]

    assert await calls(edge) == 1
    assert (await worker.log(CALL)).count(DialFailed("busy")) == 1
    assert [await lets_in(edge.registry, CALL, token) for token in tokens] == [True, True]


async def test_what_a_dial_s_status_says_is_not_passed_on_if_it_is_none(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)

    await edge.token("/twilio/after", CallStatus="in-progress", DialCallStatus="be rude")

    assert (await worker.log(CALL))[-1] == DialFailed("failed")


async def test_a_caller_who_comes_back_when_all_places_are_taken_is_told_so(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)
    await worker.beat(places=1)
    await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2")

    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress", DialCallStatus="busy")

    assert verbs == (Say(twiml.BUSY), Hangup())


async def test_a_caller_who_hangs_up_on_the_way_to_somebody_else(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)

    assert await edge.verbs("/twilio/after", CallStatus="completed") == ()
    assert await calls(edge) == 0


@pytest.mark.parametrize("status", NOT_TALKED)
async def test_a_caller_who_comes_back_to_a_call_that_is_forgotten_hears_an_apology(
    edge: Edge, status: str
) -> None:
    verbs = await edge.verbs("/twilio/after", CallStatus="in-progress", DialCallStatus=status)

    assert verbs == (Say(twiml.APOLOGY), Hangup())


# -- an edge that is told to stop ---------------------------------------------


async def test_with_another_edge_there_one_that_leaves_answers_as_ever(
    redis: str, edge: Edge
) -> None:
    async with an_edge(redis, "edge-other") as other:
        await other.registry.edge_peers(draining=False)
        edge.fleet.drain(60)
        await edge.fleet.look()

        assert await edge.token()


async def test_the_last_edge_takes_no_new_calls_and_serves_those_there_are(
    edge: Edge, worker: Worker
) -> None:
    first = await edge.token()
    edge.fleet.drain(60)
    await edge.fleet.look()

    assert await edge.verbs("/twilio/voice", CallSid=CALL[:-1] + "2") == (
        Say(twiml.BUSY),
        Hangup(),
    )
    assert await calls(edge) == 1
    assert await edge.token() == first
    await worker.claim()
    assert await edge.token("/twilio/after", CallStatus="in-progress")


# -- the operator's own documents ---------------------------------------------

QUEUE = "<Response><Redirect>https://example.com/queue</Redirect></Response>"
ELSEWHERE = "<Response><Dial>+15550009999</Dial></Response>"


@pytest.fixture
async def own(redis: str, tmp_path: Path) -> AsyncIterator[Edge]:
    (tmp_path / "busy.xml").write_text(QUEUE)
    (tmp_path / "fallback.xml").write_text(ELSEWHERE)
    async with an_edge(
        redis,
        BUSY_TWIML=str(tmp_path / "busy.xml"),
        FALLBACK_TWIML=str(tmp_path / "fallback.xml"),
    ) as edge:
        yield edge


async def test_the_operator_s_document_for_a_call_too_many(own: Edge, worker: Worker) -> None:
    await worker.beat(places=1)
    await own.verbs("/twilio/voice")

    response = await own.post("/twilio/voice", CallSid=CALL[:-1] + "2")

    assert response.text == QUEUE


@pytest.mark.parametrize("cause", [Cause.NO_WORKER, Cause.INTERNAL_ERROR, "agent failed"])
async def test_the_operator_s_document_after_a_call_that_we_could_not_serve(
    own: Edge, cause: str
) -> None:
    await own.verbs("/twilio/voice")
    own.registry.abandon(CALL, cause)

    assert (await own.post("/twilio/after", CallStatus="in-progress")).text == ELSEWHERE


async def test_the_operator_s_document_after_too_many_attempts(own: Edge) -> None:
    await own.verbs("/twilio/voice")
    for _ in range(ATTEMPTS):
        await own.token("/twilio/after")

    assert (await own.post("/twilio/after", CallStatus="in-progress")).text == ELSEWHERE


async def test_the_operator_s_document_without_redis(tmp_path: Path) -> None:
    (tmp_path / "fallback.xml").write_text(ELSEWHERE)
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with an_edge(url, wait=False, FALLBACK_TWIML=str(tmp_path / "fallback.xml")) as edge:
        for path in ("/twilio/voice", "/twilio/after"):
            assert (await edge.post(path)).text == ELSEWHERE


async def test_an_apology_that_the_worker_has_said_is_not_said_again(edge: Edge) -> None:
    await edge.verbs("/twilio/voice")
    edge.registry.abandon(CALL, "agent failed")

    assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (Hangup(),)


@pytest.mark.parametrize("cause", [Cause.NO_WORKER, Cause.INTERNAL_ERROR])
async def test_without_one_the_caller_hears_an_apology(edge: Edge, cause: str) -> None:
    await edge.verbs("/twilio/voice")
    edge.registry.abandon(CALL, cause)

    assert await edge.verbs("/twilio/after", CallStatus="in-progress") == (
        Say(twiml.APOLOGY),
        Hangup(),
    )


# -- status callbacks ---------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_terminal_status_ends_the_call(edge: Edge, worker: Worker, status: str) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    response = await edge.post("/twilio/status", CallStatus=status)

    assert (response.status_code, response.content) == (204, b"")
    assert await worker.noted() == [HungUp(CALL, "caller hung up")]


@pytest.mark.parametrize("status", ["initiated", "ringing", "in-progress", "", "new one"])
async def test_any_other_status_does_not(edge: Edge, worker: Worker, status: str) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()

    assert (await edge.post("/twilio/status", CallStatus=status)).status_code == 204
    await edge.post("/twilio/status", CallStatus="completed")
    assert len(await worker.noted()) == 1


async def test_a_status_of_a_call_that_nobody_knows_or_serves(edge: Edge) -> None:
    assert (await edge.post("/twilio/status", CallStatus="completed")).status_code == 204
    await edge.verbs("/twilio/voice")
    assert (await edge.post("/twilio/status", CallStatus="completed")).status_code == 204
    assert await calls(edge) == 0  # it takes nobody's place


async def test_whoever_takes_a_call_over_reads_that_its_caller_has_hung_up(
    edge: Edge, worker: Worker
) -> None:
    await edge.verbs("/twilio/voice")
    await worker.claim()  # and is gone, with whatever it is told

    await edge.post("/twilio/status", CallStatus="completed")

    call = await edge.call()
    assert (call.state, call.cause) == (State.ENDED, Cause.CALLER_HUNG_UP)
    assert await calls(edge) == 1  # it is its owner's, or his successor's, to end


async def test_a_caller_who_hangs_up_before_his_call_is_somebody_s_again_takes_nobody_s_place(
    edge: Edge, worker: Worker
) -> None:
    await transferred(edge, worker)
    await edge.token("/twilio/after", CallStatus="in-progress", DialCallStatus="busy")

    await edge.post("/twilio/status", CallStatus="completed")

    call = await edge.call()
    assert (call.state, call.cause) == (State.ENDED, Cause.CALLER_HUNG_UP)
    assert await calls(edge) == 0


@pytest.mark.parametrize("is_back", [False, True])
async def test_a_caller_who_hangs_up_before_his_call_is_described_is_not_waited_for(
    is_back: bool, edge: Edge, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_back:
        await transferred(edge, worker)
    hangs_up = partial(edge.post, "/twilio/status", CallStatus="completed")
    meanwhile(monkeypatch, edge.face.desk.bus, hangs_up)
    form = {"CallStatus": "in-progress", "DialCallStatus": "busy"} if is_back else {}
    await edge.verbs("/twilio/after" if is_back else "/twilio/voice", **form)

    assert await calls(edge) == 0
    assert is_back or (await edge.call()).cause == Cause.CALLER_HUNG_UP


# -- probes, and a Redis that is away -----------------------------------------


async def ready(edge: Edge) -> tuple[int, dict[str, Any]]:
    response = await edge.client.get("/readyz")
    return response.status_code, response.json()


async def test_ready_and_how_many_workers(edge: Edge, worker: Worker) -> None:
    assert await ready(edge) == (
        200,
        {"ready": True, "redis": True, "workers": 0, "draining": False},
    )
    await worker.beat(places=3)
    assert (await ready(edge))[1]["workers"] == 1


async def test_a_draining_edge_is_not_ready(edge: Edge) -> None:
    edge.fleet.drain(60)

    status, state = await ready(edge)

    assert (status, state["draining"]) == (503, True)


async def test_without_redis_the_edge_is_alive_and_not_ready() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with an_edge(url, wait=False) as edge:
        assert (await edge.client.get("/healthz")).text == "ok"
        status, state = await ready(edge)

    assert (status, state["redis"]) == (503, False)


async def test_without_redis_a_caller_hears_an_apology() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with an_edge(url, wait=False) as edge:
        assert await edge.verbs("/twilio/voice") == (Say(twiml.APOLOGY), Hangup())


# -- a fault of ours ------------------------------------------------------------


@pytest.mark.parametrize("path", ["voice", "after", "status", "machine"])
async def test_a_fault_of_ours_lets_the_caller_hear_an_apology(
    edge: Edge, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    await edge.verbs("/twilio/voice")
    await ask(edge, "HSET", edge.face.desk.bus.call_key(CALL), "state", "of tomorrow")

    changes = {"CallStatus": "completed", "AnsweredBy": "human"}
    assert await edge.verbs(f"/twilio/{path}", **changes) == (Say(twiml.APOLOGY), Hangup())
    (told,) = [vars(each) for each in caplog.records if each.message == "webhook failed"]
    assert (told["call_sid"], told["reason"][:14]) == (CALL, "ValueError at ")
    assert "tomorrow" not in repr(told)


# -- whatever is posted ---------------------------------------------------------

CALLER = "4711-0815"
VALUES = st.text(max_size=9) | st.sampled_from(
    [
        CALLER,
        "completed",
        "busy",
        "answered",
        "in-progress",
        "outbound-dial",
        "\x00",
        "\ud800",
        CALL,
    ]
)
BODIES = st.binary(max_size=60) | st.builds(
    lambda fields, more: urlencode([*fields.items(), *more], errors="replace").encode(),
    st.dictionaries(st.sampled_from([*FORM, "DialCallStatus", "x"]), VALUES).map(FORM.__or__),
    st.lists(st.tuples(st.sampled_from(["CallSid", "CallStatus"]), VALUES), max_size=1),
)
PATHS = st.sampled_from(["/twilio/voice", "/twilio/after", "/twilio/status"])
QUERIES = st.sampled_from(["", "?", "?agent=%ff%00", "?agent=a&agent=b", "?%", f"?agent={CALLER}"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATHS, QUERIES, BODIES)
async def test_whatever_is_posted_is_answered_with_twiml_or_refused(
    edge: Edge, caplog: pytest.LogCaptureFixture, path: str, query: str, body: bytes
) -> None:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "edge"):
        response = await edge.client.post(path + query, content=body)

    assert response.status_code in (200, 204, 400)
    if response.status_code == 200:
        assert isinstance(parse(response.content, allow_ws=True), tuple)
    logged = [vars(each) for each in caplog.records if each.name == "edge"]
    assert CALLER not in response.text + repr(logged)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATHS, QUERIES, BODIES, st.none() | st.text("0123456789abcdefABCDEF+/=", max_size=30))
async def test_whatever_is_posted_without_a_signature_is_refused(
    signed: Edge, path: str, query: str, body: bytes, signature: str | None
) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}

    response = await signed.client.post(path + query, content=body, headers=headers)

    assert response.status_code == 403
    assert await calls(signed) == 0
