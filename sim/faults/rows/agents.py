"""The agent service breaks off, refuses, dies or dawdles: it is tried again, or the end polite."""

import time

from shared.record import Taken
from shared.sound import SILENCE
from sim.agent import Drop, Faults
from sim.faults.checks import check_carrier, check_stayed, context
from sim.faults.scenario import scenario
from sim.faults.sound import heard_whole, length_ms, longest_silence_ms, next_sent_ms, played
from sim.faults.stage import House, Stage, Talk, until
from sim.faults.words import (
    ASK,
    BYE,
    ENDING,
    GREETING,
    HEARD_OUT,
    LONG,
    MORE,
    PACED,
    say,
    sound_file,
)
from sim.phone.caller import HangUp, Listen, Wait
from sim.voice import speak

APOLOGY = sound_file("apology")
HOLD = sound_file("hold")

WORDLESS_MS = 2000.0
NOTICED_WITHIN_S = 3.0
A_BEAT_S = 0.5
"""What is looked at twice a second is seen so much later."""

QUIET_AND_A_BEAT_S = 2.0
"""The turn ends 0.4 s after its last word, and the machine may be busy."""

FILLER_WITHIN_S = 4.0 + QUIET_AND_A_BEAT_S
ANEW_WITHIN_S = 15.0 + QUIET_AND_A_BEAT_S

RETRIED = "a new session with the history; never > 2 s without a word"


def moment(talk: Talk, at: float) -> float:
    """A reading of `time.monotonic()` on the caller's clock, ms."""
    return talk.phone.now_ms - (time.monotonic() - at) * 1000


async def _breaks(stage: Stage, faults: Faults, wordless_ms: float = WORDLESS_MS) -> None:
    """The agent socket breaks in mid-sentence."""
    async with stage.house(timing=PACED, faults=faults) as house:
        quiet_s = 4.0 if faults.dead else 1.5
        talk = house.call(HEARD_OUT, say(ASK), Listen(quiet_s), *ENDING[1:])
        await until(lambda: len(talk.sessions) == 2)
        first, second = talk.sessions
        broken_at = max(frame.at for frame in first.frames if frame.sent)
        broken_ms = moment(talk, broken_at)
        finding = stage.finding
        most = NOTICED_WITHIN_S + A_BEAT_S if faults.dead else A_BEAT_S
        finding.figure("new session after s", second.opened_at - broken_at, most=most)
        result = await talk.result()
        await until(lambda: house.live_calls == 0)
        check_stayed(finding, result, GREETING, LONG, MORE, BYE)
        again_ms = next_sent_ms(result.streams[0], moment(talk, second.opened_at)) or broken_ms
        silence = longest_silence_ms(result.agent_track(), broken_ms, again_ms + 500)
        finding.figure("gap ms", silence, most=wordless_ms)
        role, heard = context(second)[-1]
        finding.expect(role == "assistant" and LONG.startswith(heard), "the cut sentence is told")
        finding.expect(0 < len(heard) < len(LONG), "as much of it as was heard")
        finding.same("owners", len(talk.entries(Taken)), 1)


@scenario(8, "agent socket closed with 1011 in mid-sentence", RETRIED)
async def agent_closes_1011(stage: Stage) -> None:
    await _breaks(stage, Faults(close=1011, after_turn=1, during_speech=True, first=1))


@scenario(8, "agent socket broken off (1006) in mid-sentence", RETRIED)
async def agent_breaks_off_1006(stage: Stage) -> None:
    await _breaks(stage, Faults(drop=True, after_turn=1, during_speech=True, first=1))


@scenario(8, "agent sends an Error frame in mid-sentence", RETRIED)
async def agent_sends_error(stage: Stage) -> None:
    error = Faults(error="INTERNAL_SERVER_ERROR", after_turn=1, during_speech=True, first=1)
    await _breaks(stage, error)


@scenario(8, "agent dead with an open socket, in mid-sentence", "noticed ≤ 3 s (ping); retried")
async def agent_is_dead(stage: Stage) -> None:
    dead = Faults(dead=True, after_turn=1, during_speech=True, first=1)
    await _breaks(stage, dead, NOTICED_WITHIN_S * 1000 + WORDLESS_MS)


@scenario(8, "agent answers 429 to the first two handshakes", "tried again; the greeting is heard")
async def agent_is_busy(stage: Stage) -> None:
    async with stage.house(faults=Faults(reject=429, first=2)) as house:
        talk = house.call(HEARD_OUT, say(ASK), *ENDING)
        result = await talk.result()
        finding = stage.finding
        check_stayed(finding, result, GREETING, LONG, MORE, BYE)
        greeted = next_sent_ms(result.streams[0], 0.0)
        finding.figure("first word after s", (greeted or 0.0) / 1000, most=WORDLESS_MS / 1000)
        finding.same("agent sessions", len(talk.sessions), 1)


@scenario(8, "agent answers 401 to the handshake", "a spoken apology, then the end", in_gate=False)
async def agent_refuses(stage: Stage) -> None:
    async with stage.house(faults=Faults(reject=401)) as house:
        talk = house.call(Wait(15), HangUp())
        result = await talk.result()
        finding = stage.finding
        check_stayed(finding, result)
        finding.same(
            "what is heard", played(result.streams[0]).strip(SILENCE), APOLOGY.strip(SILENCE)
        )
        finding.figure("first word after s", (next_sent_ms(result.streams[0], 0.0) or 0.0) / 1000)
        finding.same("agent sessions", len(house.agent.sessions), 0)
        finding.expect("DEEPGRAM_API_KEY" in house.logs, "the log names the key to look at")
        await house.is_empty()


async def _gone(house: House, talk: Talk) -> float:
    """The agent breaks off in mid-sentence and refuses connections. Returns when, ms."""
    await talk.has_heard(GREETING, 0.4 * length_ms(LONG))
    house.agent.faults = Faults(reject=503)
    house.agent.strike(Drop())
    return talk.phone.now_ms


@scenario(8, "agent gone in mid-sentence, back after 4 s", RETRIED, in_gate=False)
async def agent_comes_back(stage: Stage) -> None:
    async with stage.house(timing=PACED) as house:
        talk = house.call(HEARD_OUT, say(ASK), Listen(quiet_s=6.0), *ENDING[1:])
        gone_ms = await _gone(house, talk)
        await until(lambda: talk.phone.now_ms > gone_ms + 4000)
        house.agent.faults = Faults()
        result = await talk.result()
        finding = stage.finding
        check_stayed(finding, result, GREETING, LONG, MORE, BYE)
        sound = played(result.streams[0])
        finding.expect(HOLD.strip(SILENCE) in sound, "a line is spoken meanwhile")
        before = length_ms(GREETING) + 0.4 * length_ms(LONG)
        silence = longest_silence_ms(result.agent_track(), gone_ms, gone_ms + 4000)
        finding.figure("without a word ms", silence, most=WORDLESS_MS + 500)
        finding.expect(talk.phone.heard_ms > before, "it goes on")


@scenario(
    8,
    "agent gone for good in mid-sentence",
    "a line after 2 s; the apology after 10 s",
    in_gate=False,
)
async def agent_stays_away(stage: Stage) -> None:
    async with stage.house(timing=PACED) as house:
        talk = house.call(HEARD_OUT, say(ASK), Wait(40), HangUp())
        gone_ms = await _gone(house, talk)
        result = await talk.result()
        finding = stage.finding
        check_stayed(finding, result)
        sound = played(result.streams[0])
        finding.expect(HOLD.strip(SILENCE) in sound, "a line is spoken meanwhile")
        finding.expect(
            sound.rstrip(SILENCE).endswith(APOLOGY.strip(SILENCE)), "the apology ends it"
        )
        finding.figure("ended after s", (talk.phone.now_ms - gone_ms) / 1000, most=18)
        await house.is_empty()


@scenario(
    8,
    "agent thinks for 7 s",
    "no fault: one session; a filler line; the answer is heard",
    in_gate=False,
)
async def agent_thinks_slowly(stage: Stage) -> None:
    async with stage.house(faults=Faults(think_s=7.0)) as house:
        talk = house.call(HEARD_OUT, say(ASK))
        await until(lambda: speak(MORE) in played_of(talk))
        result = await talk.stop()
        finding = stage.finding
        asked_ms = result.spoken[0].end_ms
        line_ms = next_sent_ms(result.streams[0], asked_ms) or float("inf")
        finding.figure("first word after s", (line_ms - asked_ms) / 1000, most=FILLER_WITHIN_S)
        finding.expect(heard_whole(result, GREETING, LONG, MORE), "the answer is heard whole")
        finding.same("agent sessions", len(talk.sessions), 1)
        check_carrier(finding, result)


@scenario(
    8,
    "agent owes an answer and stays silent",
    "a filler line at 4 s, a new session at 15 s",
    in_gate=False,
)
async def agent_falls_silent(stage: Stage) -> None:
    async with stage.house(faults=Faults(think_s=90.0, first=1)) as house:
        talk = house.call(HEARD_OUT, say(ASK))
        await until(lambda: len(talk.sessions) == 2, 25)
        asked_ms = talk.phone.result.spoken[0].end_ms
        finding = stage.finding
        anew = (moment(talk, talk.sessions[1].opened_at) - asked_ms) / 1000
        finding.figure("new session after s", anew, most=ANEW_WITHIN_S)
        await until(lambda: speak(MORE) in played_of(talk))
        result = await talk.stop()
        line_ms = next_sent_ms(result.streams[0], asked_ms) or float("inf")
        finding.figure("first word after s", (line_ms - asked_ms) / 1000, most=FILLER_WITHIN_S)
        finding.expect(heard_whole(result, GREETING, LONG, MORE), "the answer is heard whole")
        finding.same("agent sessions", len(talk.sessions), 2)


def played_of(talk: Talk) -> bytes:
    return b"".join(played(stream) for stream in talk.phone.result.streams)
