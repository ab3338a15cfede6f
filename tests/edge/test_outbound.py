"""Calls that we place, as the edge sees them: ringing, the answer, the end without one."""

from collections.abc import AsyncIterator

import pytest

from edge.twilio import Started
from shared.calls import State
from shared.messages import Answered, HungUp
from shared.record import AnsweredBy
from sim.phone.twiml import Redirect
from tests.edge.kit import CALL, STREAM, Edge, Worker, a_worker, an_edge, calls
from tests.shared.bus.help import lets_in

RINGS = {"Direction": "outbound-api", "CallStatus": "ringing"}
ANSWERED = {"Direction": "outbound-api", "CallStatus": "in-progress"}
QUERY = "?agent=sales&param.name=Ann&param.day=a+Monday&other=1"


@pytest.fixture
async def edge(redis: str) -> AsyncIterator[Edge]:
    async with an_edge(redis) as edge:
        yield edge


@pytest.fixture
async def worker(redis: str) -> AsyncIterator[Worker]:
    async with a_worker(redis) as worker:
        yield worker


async def test_a_call_is_dispatched_when_it_rings(edge: Edge, worker: Worker) -> None:
    response = await edge.post(f"/twilio/status{QUERY}", **RINGS)

    assert response.status_code == 204
    ringing = (await worker.claim()).ringing
    assert (ringing.direction, ringing.agent, ringing.has_webhook) == ("outbound", "sales", True)
    assert ringing.parameters == {"name": "Ann", "day": "a Monday"}


async def test_the_one_who_answers_comes_to_the_session_that_waits(
    edge: Edge, worker: Worker
) -> None:
    await edge.post(f"/twilio/status{QUERY}", **RINGS)
    await worker.claim()

    token = await edge.token(f"/twilio/voice{QUERY}", **ANSWERED)

    call = await edge.call()
    assert call.tokens == (token,)
    assert call.attempts == 0  # the phone was not asked back
    assert await calls(edge) == 1


async def test_the_webhook_of_a_call_that_has_been_answered_brings_nobody_again(
    edge: Edge, worker: Worker
) -> None:
    token = await edge.token(f"/twilio/voice{QUERY}", **ANSWERED)
    assert await lets_in(edge.registry, CALL, token)
    edge.registry.door.attach(CALL, STREAM)
    await worker.finish(await worker.claim())

    verbs = await edge.verbs(f"/twilio/voice{QUERY}", **ANSWERED)

    assert verbs == (Redirect("/twilio/after"),)
    assert await calls(edge) == 0


async def test_without_the_callback_it_is_dispatched_when_somebody_answers(
    edge: Edge, worker: Worker
) -> None:
    await edge.token(f"/twilio/voice{QUERY}", **ANSWERED)

    ringing = (await worker.claim()).ringing
    assert (ringing.direction, ringing.agent) == ("outbound", "sales")
    assert ringing.parameters == {"name": "Ann", "day": "a Monday"}


async def test_told_twice_it_rings_once(edge: Edge) -> None:
    for _ in range(2):
        await edge.post("/twilio/status", **RINGS)

    assert await calls(edge) == 1


async def test_a_caller_s_ringing_is_left_to_his_webhook(edge: Edge) -> None:
    await edge.post("/twilio/status", Direction="inbound", CallStatus="ringing")

    assert await edge.registry.call(CALL) is None


@pytest.mark.parametrize("status", ["busy", "failed", "no-answer", "canceled"])
async def test_one_that_nobody_takes_is_over_in_twilio_s_word(
    edge: Edge, worker: Worker, status: str
) -> None:
    await edge.post("/twilio/status", **RINGS)
    await worker.claim()

    await edge.post("/twilio/status", Direction="outbound-api", CallStatus=status)

    assert await worker.noted() == [HungUp(CALL, status)]


async def test_a_ringing_that_comes_after_the_end_is_late(edge: Edge) -> None:
    await edge.post("/twilio/status", Direction="outbound-api", CallStatus="busy")
    await edge.post("/twilio/status", **RINGS)

    call = await edge.call()
    assert (call.state, call.cause) == (State.ENDED, "busy")
    assert await calls(edge) == 0


@pytest.mark.parametrize("by", ["machine_start", "machine_end_beep", "machine_end_other", "fax"])
async def test_the_owner_is_told_of_a_machine_and_so_is_the_log(
    edge: Edge, worker: Worker, by: str
) -> None:
    await edge.post("/twilio/status", **RINGS)
    await worker.claim()

    response = await edge.post("/twilio/machine", AnsweredBy=by)

    assert response.status_code == 204
    assert await worker.noted() == [Answered(CALL, by)]
    assert AnsweredBy(by) in await worker.log(CALL)


async def test_with_nobody_to_tell_the_log_keeps_it_for_whoever_comes(
    edge: Edge, worker: Worker
) -> None:
    await edge.post("/twilio/status", **RINGS)

    await edge.post("/twilio/machine", AnsweredBy="fax")

    assert await worker.log(CALL) == [AnsweredBy("fax")]


@pytest.mark.parametrize("by", ["human", "unknown"])
async def test_a_person_is_noted_in_the_log_alone(edge: Edge, worker: Worker, by: str) -> None:
    await edge.post("/twilio/status", **RINGS)
    await worker.claim()

    await edge.post("/twilio/machine", AnsweredBy=by)

    assert AnsweredBy(by) in await worker.log(CALL)
    await edge.post("/twilio/status", Direction="outbound-api", CallStatus="completed")
    assert await worker.noted() == [HungUp(CALL, "caller hung up")]  # and nothing before


@pytest.mark.parametrize("by", ["", "a robot, +15551230000"])
async def test_what_is_no_answer_of_twilio_s_is_written_nowhere(
    edge: Edge, worker: Worker, by: str
) -> None:
    await edge.post("/twilio/status", **RINGS)

    assert (await edge.post("/twilio/machine", AnsweredBy=by)).status_code == 204

    assert await worker.log(CALL) == []


async def test_a_machine_in_a_call_that_nobody_knows(edge: Edge, worker: Worker) -> None:
    assert (await edge.post("/twilio/machine", AnsweredBy="fax")).status_code == 204

    assert await worker.log(CALL) == []


async def test_a_machine_in_a_call_that_is_over(edge: Edge, worker: Worker) -> None:
    await edge.post("/twilio/status", **RINGS)
    await worker.finish(await worker.claim())

    assert (await edge.post("/twilio/machine", AnsweredBy="fax")).status_code == 204

    assert AnsweredBy("fax") not in await worker.log(CALL)


async def test_who_answers_after_the_session_gave_up_gets_another_alike(
    edge: Edge, worker: Worker
) -> None:
    await edge.post(f"/twilio/status{QUERY}", **RINGS)
    first = await worker.claim()
    token = await edge.token(f"/twilio/voice{QUERY}", **ANSWERED)
    await worker.finish(first)

    admitted = await edge.face.desk.admit(Started(CALL, STREAM, 1, {"token": token}))

    second = await worker.claim()
    assert admitted == second.ringing
    assert second.ringing.direction == "outbound"
    assert second.ringing.parameters == first.ringing.parameters
    assert second.ringing.agent == "sales"


async def test_detection_that_the_answer_waits_for_is_known_with_it(
    edge: Edge, worker: Worker
) -> None:
    await edge.post("/twilio/status", **RINGS)
    await worker.claim()

    await edge.verbs("/twilio/voice", AnsweredBy="machine_end_beep", **ANSWERED)

    assert await worker.noted() == [Answered(CALL, "machine_end_beep")]
