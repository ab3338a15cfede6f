"""The phone's socket is lost, and nobody has said that the call is over."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from shared.record import Attached, Cut, Heard, Lost, Over, Said
from shared.sound import RATE
from sim.agent import AgentServer, SessionRecord
from sim.faults.sound import played
from sim.faults.words import GREETING, HEARD_OUT, LONG, say, turn
from sim.phone.caller import Drop, HangUp, Interrupt, Wait
from sim.phone.record import Event, StreamRecord
from sim.phone.track import Impairments, Span
from sim.redis import free_port
from sim.stack import Stack
from sim.voice import speak
from tests.e2e import kit
from tests.e2e.front import front
from tests.e2e.kit import agent, call, closed, live_calls, log_of, logs, session_of, until

ASK = "What cars do you have?"
NEXT = "Tell me the price."
PRICE = "It is not cheap."

BIN = """<Response>
  <Connect><Stream url="{url}"><Parameter name="from" value="{caller}"/></Stream></Connect>
</Response>"""


def overlap(before: bytes, after: bytes) -> int:
    """How many bytes of the end of one piece are the beginning of the other."""
    return next(
        n for n in range(min(len(before), len(after)), -1, -1) if before.endswith(after[:n])
    )


def largest_gap(session: SessionRecord, after: float) -> float:
    """The longest time for which the agent heard nothing, s."""
    times = [f.at for f in session.frames if not f.sent and f.text is None and f.at > after]
    return max(later - sooner for sooner, later in pairwise(times))


def check_heard(first: StreamRecord, second: StreamRecord) -> None:
    """The phone was lost in mid-sentence: all of it was heard, and at most a second of it twice."""
    sentence = speak(LONG)
    before, after = played(first), played(second)
    assert len(speak(GREETING)) + RATE < len(before) < len(speak(GREETING)) + len(sentence)
    again = overlap(before, after)
    assert again < RATE
    assert sentence in before + after[again:]
    assert speak(PRICE) in after


async def test_a_lost_phone_comes_back_to_the_same_conversation(house: Stack, port: int) -> None:
    async with agent(port, turn(ASK, LONG), turn(NEXT, PRICE)) as server:
        result = await call(
            house,
            *(HEARD_OUT, say(ASK), Interrupt(b"", 1.5), Drop()),
            *(HEARD_OUT, say(NEXT), HEARD_OUT, HangUp()),
        ).run()
        (session,) = server.sessions
        assert await closed(session) == 1000

    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert result.said == ["This call may be monitored or recorded."]
    first, second = result.streams
    assert (first.ended, second.ended) == ("lost", "caller hung up")
    assert first.stream_sid != second.stream_sid
    assert session.user_turns == [ASK, NEXT]

    check_heard(first, second)

    # The agent was never without sound.
    assert largest_gap(session, session.frames[0].at) < 1.0
    log = [entry for _, entry in log_of(house, result.call_sid)]
    attached = [entry.stream_sid for entry in log if isinstance(entry, Attached)]
    assert attached == [first.stream_sid, second.stream_sid]
    assert [entry.stream_sid for entry in log if isinstance(entry, Lost)] == [first.stream_sid]


async def test_an_edge_that_is_killed_costs_the_caller_no_word_of_the_conversation(
    port: int, tmp_path: Path
) -> None:
    with kit.stack(tmp_path, port) as stack:
        other = free_port()
        stack.add_edge(other)
        async with (
            front(stack.port, other) as before,
            agent(port, turn(ASK, LONG), turn(NEXT, PRICE)) as server,
        ):
            await until(lambda: len(before.ready) == 2, 20)
            phone = call(
                stack,
                *(HEARD_OUT, say(ASK), HEARD_OUT, say(NEXT), HEARD_OUT, HangUp()),
                webhook=before.webhook,
            )
            calling = asyncio.create_task(phone.run())
            await until(lambda: phone.heard_ms > len(speak(GREETING)) / 8 + 1500)
            stack.edges[0].kill()
            result = await calling
            (session,) = server.sessions
            assert await closed(session) == 1000
        log = [entry for _, entry in log_of(stack, result.call_sid)]

    first, second = result.streams
    print(f"caller on no stream for {second.start_ms - first.ended_ms:.0f} ms")
    assert result.ended == "caller hung up"
    assert result.rejections == []
    assert (first.ended, second.ended) == ("lost", "caller hung up")
    assert session.user_turns == [ASK, NEXT]
    check_heard(first, second)
    assert second.start_ms - first.ended_ms < 1000
    assert [e.text for e in log if isinstance(e, Heard)] == [ASK, NEXT]
    assert [e.text for e in log if isinstance(e, Said)] == [GREETING, LONG, PRICE]
    assert not any(isinstance(e, Cut) for e in log)
    attached = [e for e in log if isinstance(e, Attached)]
    assert [e.stream_sid for e in attached] == [first.stream_sid, second.stream_sid]
    assert len({e.edge for e in attached}) == 2
    assert [e.cause for e in log if isinstance(e, Over)] == ["caller hung up"]


async def test_a_greeting_that_was_not_heard_is_said_to_the_phone_that_comes_back(
    house: Stack, port: int
) -> None:
    async with agent(port) as server:
        result = await call(
            house, HEARD_OUT, HangUp(), impairments=Impairments(lose_at="started")
        ).run()
        await closed(server.sessions[0])

    assert len(server.sessions) == 1
    assert len(result.streams) == 2
    assert speak(GREETING) in played(result.streams[1])


async def check_no_return(house: Stack, server: AgentServer) -> None:
    """A phone that is lost and not brought back."""
    lost_at = []

    def lose(event: Event) -> None:
        if event.kind == "drop":
            lost_at.append(time.monotonic())
            phone.hang_up()  # and so never opens another stream

    phone = call(house, HEARD_OUT, Drop(), on_event=lose, from_="+15550000001")
    result = await phone.run()
    code = await closed(session_of(server, "+15550000001"))
    waited = time.monotonic() - lost_at[0]

    assert len(result.streams) == 1
    assert code == 1000
    assert 1.3 < waited < 5.0  # REATTACH_S is 1.5
    _, over = log_of(house, result.call_sid)[-1]
    assert isinstance(over, Over)
    assert over.cause == "phone lost"


async def check_bin(house: Stack, server: AgentServer) -> None:
    """A Bin's phone cannot come back."""
    bin_ = BIN.format(url=house.stream, caller="+15550000002")
    result = await call(house, HEARD_OUT, Drop(), is_bin=True, bin=bin_).run()

    assert await closed(session_of(server, "+15550000002"), within_s=1.0) == 1000
    assert len(result.streams) == 1


async def check_silent(house: Stack, server: AgentServer) -> None:
    """A phone whose socket is open, and that sends nothing any more."""
    phone = call(
        house,
        *(Wait(30),),
        is_bin=True,
        bin=BIN.format(url=house.stream, caller="+15550000003"),
        impairments=Impairments(half_open=Span(0.5, 30)),
    )
    calling = asyncio.create_task(phone.run())
    await until(lambda: phone.now_ms > 500)
    since = time.monotonic()
    assert await closed(session_of(server, "+15550000003")) == 1000
    assert 2.5 < time.monotonic() - since < 7.0
    phone.hang_up()
    await calling


async def test_phones_that_are_lost_for_good(house: Stack, port: int) -> None:
    async with agent(port) as server:
        await asyncio.gather(
            check_no_return(house, server), check_bin(house, server), check_silent(house, server)
        )

    await until(lambda: live_calls(house) == 0)


async def test_phones_that_go_while_sound_is_sent_to_them(house: Stack, port: int) -> None:
    lost = [Impairments(lose_after_s=0.4 + 0.007 * i) for i in range(15)]
    async with AgentServer(port=port, profile="echo") as server:
        calls = [call(house, Wait(9), is_bin=True, impairments=each) for each in lost]
        calls += [call(house, Wait(0.4 + 0.007 * i), HangUp()) for i in range(15)]
        results = await asyncio.gather(*(each.run() for each in calls))
        await until(lambda: live_calls(house) == 0)

    ends = [log_of(house, result.call_sid)[-1][1] for result in results]
    causes = [end.cause for end in ends if isinstance(end, Over)]
    assert causes == ["phone lost"] * 15 + ["caller hung up"] * 15
    assert {session.close_code for session in server.sessions} == {1000}
    assert "exception" not in logs(house).lower()
