"""A worker stalls, or is told to go: its calls are another's, and it is not heard any more."""

import asyncio
import signal

from shared import keys
from shared.record import Configured, Released, Taken
from shared.sound import SILENCE
from sim.agent import Faults
from sim.faults.checks import check_carrier, check_stayed
from sim.faults.finding import Finding
from sim.faults.rows.killed import OWNED_WITHIN_S, TALK
from sim.faults.scenario import scenario
from sim.faults.sound import (
    BEGINNING,
    answers_ms,
    heard_of,
    length_ms,
    played,
)
from sim.faults.stage import House, Stage, Talk, until, wall_ms
from sim.faults.words import ASK, BYE, ENDING, GREETING, HEARD_OUT, LONG, MORE, PACED, chat, say
from sim.load.statistics import spread
from sim.phone.record import CallResult
from sim.voice import speak

HAND_OFF_SILENCE_MS = 300.0

GONE_WITHIN_S = 30.0
"""Half of DRAIN_S: by then calls are handed on whether anybody speaks or not."""

AROUND_MS = 4000.0
"""The answers just before and after a hand-off: the others tell of the machine."""

# -- stalled ------------------------------------------------------------------


@scenario(
    2,
    "SIGSTOP worker past its lease, then SIGCONT",
    "none of its bytes reach the phone; it lets go by itself",
)
async def worker_stalls(stage: Stage) -> None:
    async with stage.house(workers=2, timing=PACED) as house:
        talk = house.call(HEARD_OUT, say(ASK), *ENDING)
        await talk.has_heard(GREETING, 0.4 * length_ms(LONG))
        former, stopped_ms = talk.owner(), wall_ms()
        former.send(signal.SIGSTOP)
        owned_ms = await talk.owned(2)
        stage.finding.figure("owned again s", (owned_ms - stopped_ms) / 1000, most=OWNED_WITHIN_S)
        await talk.configured(2)
        former.send(signal.SIGCONT)
        woken_ms = wall_ms()
        await until(lambda: "lease lost" in former.log)
        stage.finding.figure("let go after ms", wall_ms() - woken_ms, most=1000)
        await until(lambda: talk.sessions[0].close_code is not None)
        result = await talk.result()
        check_stayed(stage.finding, result, GREETING, LONG, MORE, BYE)
        _check_no_bytes_of_the_former(stage.finding, house, talk)


def _check_no_bytes_of_the_former(finding: Finding, house: House, talk: Talk) -> None:
    """Nothing of the former owner's was written, or is on the phone, behind the next's."""
    stream = talk.phone.result.streams[0]
    epochs = [f"{taken.epoch:x}" for _, taken in talk.entries(Taken)]
    with house.redis as redis:
        ids = [key for key, _ in redis.xrange(keys.down(0, stream.stream_sid))]
    written = [f"{int(key.partition(b'-')[0]):x}" for key in ids]
    echoed = [echo.name.partition("-")[0] for echo in stream.playback.echoes]
    echoed = [epoch for epoch in echoed if epoch != "edge"]  # asks what is heard, of nobody's sound
    for what, each in (("bytes written", written), ("marks echoed", echoed)):
        finding.expect(set(each) == set(epochs), f"{what} are those of both owners")
        finding.expect(each == sorted(each), f"{what} by the former come before the successor's")
    sound = played(stream)
    cut = heard_of(sound, LONG)
    finding.figure("heard of the former ms", cut / 8)
    rest = sound[sound.index(speak(LONG)[:BEGINNING]) + cut :].lstrip(SILENCE)
    finding.expect(rest.startswith(speak(LONG).lstrip(SILENCE)), "then the successor's sound comes")


# -- told to go ---------------------------------------------------------------


@scenario(
    3,
    "SIGTERM worker in mid-call",
    "hand-off; no socket closed; silence added ≤ 0.3 s a call; process gone in seconds",
    is_alone=True,
    limit_s=120.0,
)
async def worker_told_to_go(stage: Stage) -> None:
    places = str(stage.scale.calls + 10)
    slow = Faults(welcome_delay_s=0.3)  # so what is not prepared beforehand is heard
    async with stage.house(TALK, faults=slow, MAX_CALLS=places, MAX_SESSIONS=places) as house:
        talks = []
        for number in range(stage.scale.calls):
            talks.append(house.call(HEARD_OUT, *chat(6, 0.5 + number % 7 / 10)))
            await asyncio.sleep(0.05)
        await house.add_worker()
        await until(lambda: all(len(talk.phone.result.spoken) > 2 for talk in talks), 40)
        told_ms = {talk.sid: talk.phone.now_ms for talk in talks}
        since = wall_ms()
        leaving = house.stack.workers[0]
        leaving.send(signal.SIGTERM)
        await until(lambda: leaving.status is not None, 30)
        stage.finding.figure("process gone after s", (wall_ms() - since) / 1000, most=GONE_WITHIN_S)
        stage.finding.same("its exit status", leaving.status, 0)
        counts = {talk.sid: len(talk.phone.result.spoken) for talk in talks}
        await until(lambda: all(len(t.phone.result.spoken) > counts[t.sid] + 1 for t in talks), 40)
        results = [await talk.stop() for talk in talks]
        await house.is_empty()
        stage.finding.figure("prepared beforehand", leaving.log.count('"prepared": true'))
        _check_handed_off(stage.finding, talks, results, told_ms)


def _check_handed_off(
    finding: Finding, talks: list[Talk], results: list[CallResult], told_ms: dict[str, float]
) -> None:
    base: list[float] = []
    added: list[float] = []
    for talk, result in zip(talks, results, strict=True):
        finding.same("the phone's sockets", len(result.streams), 1)
        finding.same("the end", result.ended, "caller hung up")
        finding.same("owners", len(talk.entries(Taken)), 2)
        check_carrier(finding, result)
        base += [delay for at, delay in answers_ms(result) if at < told_ms[talk.sid] - 2000]
    usual = spread([delay / 1000 for delay in base]).p50
    for talk, result in zip(talks, results, strict=True):
        moved_ms = _moved_ms(talk)
        near = [d for at, d in answers_ms(result) if abs(at - moved_ms) < AROUND_MS]
        added.append(max(0.0, *near, usual) - usual if near else 0.0)
    silence = spread([ms / 1000 for ms in added])
    bare = spread([_without_agent_ms(talk) / 1000 for talk in talks])
    finding.figure("calls", len(talks))
    finding.figure("usual answer p50 ms", usual)
    finding.figure("added to it p50 ms", silence.p50)
    finding.figure("added to it max ms", silence.max, most=HAND_OFF_SILENCE_MS)
    finding.figure("without agent p50 ms", bare.p50)
    finding.figure("without agent max ms", bare.max)


def _moved_ms(talk: Talk) -> float:
    """When the call was released, on the caller's clock."""
    released = talk.entries(Released)
    return talk.phone.now_ms - (wall_ms() - released[0][0]) if released else float("inf")


def _without_agent_ms(talk: Talk) -> float:
    """From the release of a call until it has an agent again."""
    released, configured = talk.entries(Released), talk.entries(Configured)
    if len(released) != 1 or len(configured) < 2:
        return float("inf")
    return float(configured[-1][0] - released[0][0])
