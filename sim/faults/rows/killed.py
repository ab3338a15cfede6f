"""A worker is killed: the caller stays, and the conversation goes on with another."""

import asyncio

from shared.record import Attached, Said, Taken
from sim.agent import Faults, SessionRecord
from sim.faults.checks import check_carrier, check_stayed, context
from sim.faults.finding import Finding
from sim.faults.scenario import scenario
from sim.faults.sound import (
    heard_of,
    heard_whole,
    length_ms,
    longest_silence_ms,
    next_sent_ms,
    played,
)
from sim.faults.stage import LEASE_S, House, Stage, Talk, until, wall_ms
from sim.faults.words import (
    ASK,
    BYE,
    CHAT,
    ENDING,
    GREETING,
    HEARD_OUT,
    LONG,
    MORE,
    PACED,
    chat,
    say,
    sound_file,
    turn,
)
from sim.phone.record import CallResult
from sim.voice import speak

OWNED_WITHIN_S = LEASE_S + 0.5
HEARD_WITHIN_S = 3.5

SETTLED_S = 5.0
A_ROUND_S = 5.0
"""A caller needs at least so long to say three things and to hear the answers."""

A_WORD_MS = 600.0
"""What was heard is known to a whole word."""

HOLD = sound_file("hold")

TALK = (turn(ASK, LONG, MORE),)

KILLED = "socket open; owned again ≤ 2.5 s; agent heard again ≤ 3.5 s; two-way sound stays"


class Killing:
    """A worker that is killed while it serves a call, and what comes of it."""

    def __init__(self, stage: Stage, house: House, talk: Talk) -> None:
        self.stage = stage
        self.house = house
        self.talk = talk
        self.at_ms = 0.0
        self._wall_ms = 0.0

    async def strike(self) -> None:
        self.talk.owner().kill()
        self.at_ms, self._wall_ms = self.talk.phone.now_ms, wall_ms()

    async def check_owned(self) -> None:
        owned_ms = await self.talk.owned(2)
        self.stage.finding.figure(
            "owned again s", (owned_ms - self._wall_ms) / 1000, most=OWNED_WITHIN_S
        )

    async def check_heard_again(self) -> float:
        """Wait for the successor's first sound. Returns when it is heard."""
        finding = self.stage.finding

        def heard() -> float | None:
            return next_sent_ms(self.talk.phone.result.streams[0], self.at_ms + 100)

        await until(lambda: heard() is not None)
        heard_ms = heard() or 0.0
        finding.figure("heard again s", (heard_ms - self.at_ms) / 1000, most=HEARD_WITHIN_S)
        return heard_ms

    def check_gap(self, until_ms: float) -> None:
        """The silence that the caller hears because of it."""
        track = self.talk.track
        finding = self.stage.finding
        finding.figure("gap ms", longest_silence_ms(track, self.at_ms, until_ms + 500))


async def stay(stage: Stage, talk: Talk) -> CallResult:
    """Talk on for as long as this run has time for, then hang up: every word is answered."""
    loop = asyncio.get_running_loop()
    since, said = loop.time(), 0
    while loop.time() - since < stage.scale.stay_s or not said:
        before = len(talk.phone.result.spoken)
        talk.then(HEARD_OUT, say(CHAT[said % len(CHAT)]), HEARD_OUT)
        await until(lambda before=before: _is_answered(talk, before))  # type: ignore[misc]
        said += 1
    stage.finding.figure("talked on s", loop.time() - since)
    result = await talk.stop()
    stage.finding.same("the phone's sockets", len(result.streams), 1)
    stage.finding.same("the end", result.ended, "caller hung up")
    check_carrier(stage.finding, result)
    return result


def _is_answered(talk: Talk, before: int) -> bool:
    """Whether the caller has said one more thing, and heard an answer to its end."""
    spoken, now_ms = talk.phone.result.spoken, talk.phone.now_ms
    if len(spoken) <= before or now_ms < spoken[-1].end_ms + 500:
        return False
    playback = talk.phone.playback
    heard = [u for u in playback.utterances if u.end_ms > spoken[-1].end_ms] if playback else []
    return bool(heard) and now_ms > heard[-1].end_ms


# -- killed -------------------------------------------------------------------


@scenario(1, "kill -9 worker while its agent speaks", f"{KILLED}; history equals what was heard")
async def worker_killed_agent_speaks(stage: Stage) -> None:
    async with stage.house(TALK, workers=2, timing=PACED) as house:
        talk = house.call(HEARD_OUT, say(ASK))
        await talk.has_heard(GREETING, 0.4 * length_ms(LONG))
        killing = Killing(stage, house, talk)
        await killing.strike()
        await killing.check_owned()
        killing.check_gap(await killing.check_heard_again())
        await until(lambda: speak(MORE) in played(talk.phone.result.streams[0]))
        result = await stay(stage, talk)
        await house.is_empty()
        _check_history(stage.finding, result, *talk.sessions)


def _check_history(
    finding: Finding, result: CallResult, first: SessionRecord, second: SessionRecord
) -> None:
    """The successor was told of as much of the sentence as the caller had heard."""
    told = context(second)
    finding.same("what came before", told[:2], [("assistant", GREETING), ("user", ASK)])
    role, text = told[2] if len(told) == 3 else ("", "")
    finding.expect(role == "assistant" and LONG.startswith(text), "the sentence is told as cut")
    heard = heard_of(played(result.streams[0]), LONG) / 8
    believed = length_ms(LONG) * len(text) / len(LONG)
    finding.figure("history off by ms", abs(heard - believed), most=A_WORD_MS)
    finding.same("turns before", first.user_turns, [ASK])
    finding.expect(heard_whole(result, GREETING, MORE), "what was left is said")


@scenario(1, "kill -9 worker while the caller speaks", f"{KILLED}; words of the gap are heard")
async def worker_killed_caller_speaks(stage: Stage) -> None:
    async with stage.house(TALK, workers=2) as house:
        talk = house.call(HEARD_OUT, say(ASK))
        await until(lambda: talk.phone.result.spoken)
        begun_ms = talk.phone.result.spoken[0].start_ms
        await until(lambda: talk.phone.now_ms > begun_ms + 600)
        killing = Killing(stage, house, talk)
        await killing.strike()
        await killing.check_owned()
        killing.check_gap(await killing.check_heard_again())
        await until(lambda: speak(MORE) in played(talk.phone.result.streams[0]))
        result = await stay(stage, talk)
        await house.is_empty()
        first, second = talk.sessions
        finding = stage.finding
        finding.same("what came before", context(second), [("assistant", GREETING)])
        finding.same("turns before", first.user_turns, [])
        finding.same("the first turn after", second.user_turns[0], ASK)
        heard = speak(ASK, "caller") in bytes(second.heard)
        finding.expect(heard, "the agent hears the sentence byte for byte")
        finding.expect(heard_whole(result, GREETING, LONG, MORE), "the answer is heard whole")


@scenario(1, "kill -9 worker before SettingsApplied", f"{KILLED}; the greeting is heard once")
async def worker_killed_before_agent_is_ready(stage: Stage) -> None:
    late = Faults(applied_delay_s=8.0, first=1)
    async with stage.house(TALK, workers=2, faults=late) as house:
        talk = house.call()
        await until(lambda: talk.sessions and talk.phone.now_ms > 300)
        killing = Killing(stage, house, talk)
        await killing.strike()
        await killing.check_owned()
        await killing.check_heard_again()
        result = await stay(stage, talk)
        await house.is_empty()
        first, second = talk.sessions
        finding = stage.finding
        finding.same("said before", first.agent_texts(), [])
        finding.same("what came before", context(second), [])
        sound = played(result.streams[0])
        finding.same("greetings heard", sound.count(speak(GREETING)), 1)


@scenario(
    1,
    "kill -9 worker while it rings, its greeting ready; the phone comes to nobody",
    "owned again ≤ 2.5 s; the greeting is heard whole, and once",
)
async def worker_killed_while_it_rings(stage: Stage) -> None:
    async with stage.house(TALK, workers=2, NOTICE="This call may be recorded.") as house:
        talk = house.call(verb_speed=1.0)
        await until(lambda: talk.entries(Said))
        killing = Killing(stage, house, talk)
        await killing.strike()
        await until(lambda: talk.entries(Attached))
        finding = stage.finding
        finding.same("owners as the phone comes", len(talk.entries(Taken)), 1)
        await killing.check_owned()
        result = await stay(stage, talk)
        await house.is_empty()
        finding.same("greetings heard", played(result.streams[0]).count(speak(GREETING)), 1)


@scenario(
    1,
    "kill -9 one of two workers with many calls",
    f"{KILLED} on each of its calls",
    is_alone=True,
    in_gate=False,
    limit_s=90.0,
)
async def worker_killed_with_many_calls(stage: Stage) -> None:
    rounds = 3 + int(stage.scale.stay_s / A_ROUND_S)
    async with stage.house((), workers=2, MAX_CALLS="60", MAX_SESSIONS="60") as house:
        talks = []
        for number in range(stage.scale.orphans):
            talks.append(house.call(HEARD_OUT, *chat(rounds, 0.5 + number % 7 / 10)))
            await asyncio.sleep(0.05)
        await until(lambda: all(len(talk.phone.result.spoken) > 1 for talk in talks))
        victim = talks[0].owner()
        orphans = [talk for talk in talks if talk.owner() is victim]
        victim.kill()
        killed_ms, killed_at = wall_ms(), {talk.sid: talk.phone.now_ms for talk in talks}
        finding = stage.finding
        finding.figure("calls orphaned", len(orphans))
        for talk in orphans:
            owned_ms = await talk.owned(2)
            finding.figure("owned again s", (owned_ms - killed_ms) / 1000, most=OWNED_WITHIN_S)
        await asyncio.sleep(SETTLED_S + stage.scale.stay_s)
        results = [await talk.stop() for talk in talks]
        await house.is_empty()
        finding.figure("talked on s", stage.scale.stay_s)
        for talk, result in zip(talks, results, strict=True):
            _check_answered(finding, result, killed_at[talk.sid] + SETTLED_S * 1000)


def _check_answered(finding: Finding, result: CallResult, since_ms: float) -> None:
    """On the one socket, all was answered since then but what was just said at the end."""
    finding.same("the phone's sockets", len(result.streams), 1)
    finding.same("the end", result.ended, "caller hung up")
    until_ms = result.streams[0].ended_ms - 1500
    asked = [spoken for spoken in result.spoken if since_ms < spoken.end_ms < until_ms]
    unanswered = [spoken for spoken in result.unanswered() if spoken in asked]
    finding.expect(asked, "every caller has talked on")
    finding.same("things said and not answered", len(unanswered), 0)
    check_carrier(finding, result)


@scenario(1, "kill -9 all workers; one comes", "a spoken line; words said meanwhile are heard")
async def all_workers_killed_and_one_comes(stage: Stage) -> None:
    async with stage.house() as house:
        talk = house.call(HEARD_OUT)
        await talk.has_heard(GREETING)
        house.stack.workers[0].kill()
        killed_ms = talk.phone.now_ms
        talk.then(say(ASK))
        await until(lambda: HOLD in played(talk.phone.result.streams[0]))
        house.stack.add_worker()
        await until(lambda: speak(MORE) in played(talk.phone.result.streams[0]))
        talk.then(*ENDING)
        result = await talk.result()
        finding = stage.finding
        line_ms = next_sent_ms(result.streams[0], killed_ms + 100) or 0.0
        finding.figure("spoken line after s", (line_ms - killed_ms) / 1000)
        check_stayed(finding, result, GREETING, LONG, MORE, BYE)
        finding.same("turns after", talk.sessions[1].user_turns[0], ASK)


@scenario(1, "kill -9 all workers; none comes", "a line every 8 s; the polite end after 20 s")
async def all_workers_killed_and_none_comes(stage: Stage) -> None:
    async with stage.house() as house:
        talk = house.call(HEARD_OUT)
        await talk.has_heard(GREETING)
        house.stack.workers[0].kill()
        killed_ms = talk.phone.now_ms
        result = await talk.result()
        finding = stage.finding
        check_stayed(finding, result, GREETING)
        finding.same("lines heard", played(result.streams[0]).count(HOLD), 3)
        finding.figure("ended after s", (talk.phone.now_ms - killed_ms) / 1000, most=26)
        finding.expect(any(text.startswith("Sorry") for text in result.said), "the caller is told")
