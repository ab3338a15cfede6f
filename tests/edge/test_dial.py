"""`python -m edge dial`: what Twilio is asked, how fast, and what is said of a refusal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from twilio.base.exceptions import TwilioRestException

from edge import dial
from edge.rest import Plan, Rest, refusal
from shared.settings import read
from sim.phone.outgoing import Outgoing
from sim.phone.rest import Callee, RestServer
from sim.redis import free_port

OURS = "+15559870000"
A, B = "+15551230001", "+15551230002"


@pytest.fixture
async def twilio() -> AsyncIterator[RestServer]:
    """An account, whose calls nobody answers."""
    busy = Callee(outgoing=Outgoing(rings_s=0, outcome="busy"))
    port = free_port()
    async with RestServer(port=port, edge="http://127.0.0.1:1", callee=lambda _: busy) as server:
        yield server


def nobody() -> RestServer:
    """An account that cannot be reached."""
    return RestServer(port=free_port(), edge="http://127.0.0.1:1")


def environ(twilio: RestServer, **changes: str) -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": twilio.account_sid,
        "TWILIO_AUTH_TOKEN": twilio.auth_token,
        "TWILIO_FROM": OURS,
        "TWILIO_API_URL": twilio.url,
        "PUBLIC_URL": "https://voice.example.com",
        "AGENTS": "none",
        **changes,
    }


async def run(twilio: RestServer, *argv: str, **changes: str) -> int:
    return await asyncio.to_thread(dial.main, ["--rate", "100", *argv], environ(twilio, **changes))


async def pauses_of(twilio: RestServer, *numbers: str, rate: float = 100) -> list[float]:
    """How long it waits when these are called."""
    pauses: list[float] = []

    def place() -> None:
        with Rest(read(environ(twilio))) as rest:
            dial.dial(rest, Plan(OURS), numbers, rate, sleep=pauses.append)

    await asyncio.to_thread(place)
    return pauses


async def test_what_twilio_is_asked(twilio: RestServer) -> None:
    arguments = ("--agent", "sales", "--param", "name=Ann B", "--param", "day=", "--amd")

    assert await run(twilio, A, *arguments, RING_S="40") == 0

    (placed,) = twilio.placed
    query = "?agent=sales&param.name=Ann+B&param.day="
    assert placed.fields == {
        "To": [A],
        "From": [OURS],
        "Url": [f"https://voice.example.com/twilio/voice{query}"],
        "StatusCallback": [f"https://voice.example.com/twilio/status{query}"],
        "StatusCallbackEvent": ["ringing", "completed"],
        "Timeout": ["35"],
        "MachineDetection": ["DetectMessageEnd"],
        "AsyncAmd": ["true"],
        "AsyncAmdStatusCallback": ["https://voice.example.com/twilio/machine"],
    }


async def test_twilio_lets_no_phone_ring_for_longer_than_it_can(twilio: RestServer) -> None:
    assert await run(twilio, A, RING_S="900") == 0

    (placed,) = twilio.placed
    assert placed.fields["Timeout"] == ["600"]


async def test_without_wishes(twilio: RestServer) -> None:
    twilio.numbers = (B,)

    assert await run(twilio, A, "--from", B) == 0

    (placed,) = twilio.placed
    assert placed.fields["Url"] == ["https://voice.example.com/twilio/voice"]
    assert placed.fields["From"] == [B]
    assert "MachineDetection" not in placed.fields


async def test_numbers_of_a_file_are_called_once_each_in_their_order(
    twilio: RestServer, tmp_path: Path
) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text(f"# customers\n{B}  # Bob\n\n{A}\n{B}\n")

    assert await run(twilio, "--file", str(file)) == 0

    assert [each.fields["To"] for each in twilio.placed] == [[B], [A]]


async def test_a_line_for_each_number_that_shows_its_end_alone(
    twilio: RestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(twilio, A, "+155555", B) == 1

    first, second = (each.call.call_sid for each in twilio.placed)
    assert capsys.readouterr().out.splitlines() == [
        f"1/3 …01 {first}",
        "2/3 …55 not placed: 21211: The phone number you are attempting to call, …, is not valid.",
        f"3/3 …02 {second}",
        "2 of 3 placed",
    ]


@pytest.mark.parametrize(
    ("changes", "code", "advice"),
    [
        ({"TWILIO_AUTH_TOKEN": "wrong"}, 20003, "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
        ({"TWILIO_FROM": B}, 21210, "verify TWILIO_FROM"),
    ],
)
async def test_what_is_wrong_with_all_is_asked_once(
    twilio: RestServer,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    code: int,
    advice: str,
) -> None:
    assert await run(twilio, A, B, **changes) == 1

    refused, count = capsys.readouterr().out.splitlines()
    assert f"1/2 …01 not placed: {code}: " in refused
    assert advice in refused
    assert B not in refused
    assert count == "0 of 2 placed"


async def test_a_call_too_many_just_now_is_placed_later(twilio: RestServer) -> None:
    twilio.busy = 2

    assert await pauses_of(twilio, A) == [0.0, 2.0, 5.0]
    assert len(twilio.placed) == 1


async def test_a_line_that_stays_taken_is_told(
    twilio: RestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    twilio.busy = 99

    await pauses_of(twilio, A)

    assert "…01 not placed: 20429: Too Many Requests" in capsys.readouterr().out
    assert twilio.busy == 99 - 4


async def test_calls_keep_their_distance(twilio: RestServer) -> None:
    first, second, third = await pauses_of(twilio, A, B, A, rate=0.1)

    assert first == 0
    assert 5 < second <= 10
    assert 15 < third <= 20


def test_a_twilio_that_does_not_answer_is_not_asked_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert dial.main([A], environ(nobody())) == 1

    assert "…01 not placed: Twilio did not answer (ConnectionError)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "changes", "why"),
    [
        ([], {}, "whom to call?"),
        (["0555 123"], {}, "argument: no phone number"),
        ([A], {"TWILIO_FROM": ""}, "--from, or TWILIO_FROM"),
        ([A], {"TWILIO_ACCOUNT_SID": ""}, "TWILIO_ACCOUNT_SID: must be set"),
        ([A], {"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_ACCOUNT_SID: must be AC"),
        ([A], {"TWILIO_AUTH_TOKEN": ""}, "TWILIO_AUTH_TOKEN: must be set"),
        ([A], {"TWILIO_API_URL": "api.twilio.com"}, "TWILIO_API_URL: must be https://"),
        ([A], {"PUBLIC_URL": "http://h"}, "PUBLIC_URL: must be https://"),
        ([A, "--agent", "nobody"], {"AGENTS": "agents"}, "--agent: there is no nobody.yaml"),
        ([A, "--param", "name"], {}, "--param: must be NAME=VALUE"),
        ([A, "--ring", "60"], {}, "--ring: must lie between 5 and RING_S (30)"),
        ([A, "--ring", "700"], {"RING_S": "900"}, "--ring: Twilio takes no more than 600"),
        ([A, "--rate", "0"], {}, "--rate: must lie between"),
        (["--file", "/nowhere"], {}, "No such file"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anybody_is_called(
    argv: list[str], changes: dict[str, str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dial.main(argv, environ(nobody(), **changes)) == 2

    said = capsys.readouterr().err
    assert said.startswith("dial: ")
    assert why in said
    assert "0555 123" not in said


@pytest.mark.parametrize("number", ["+15551234567", "1 (555) 123-4567", "555.123.4567"])
def test_numbers_in_what_twilio_says_are_left_out(number: str) -> None:
    said = f"Unable to create record: The number {number} is unverified."

    refused = refusal(TwilioRestException(400, "/Calls.json", said, code=21219))

    assert str(refused) == (
        "21219: The number … is unverified. (a trial account calls verified numbers only)"
    )
    assert not refused.concerns_all
