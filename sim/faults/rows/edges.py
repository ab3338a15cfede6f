"""An edge dies, or is told to go: its callers come to another, and to the same agent session."""

import asyncio
import signal

from shared.record import Attached
from shared.sound import RATE, is_speech
from sim.faults.checks import check_carrier
from sim.faults.finding import Finding
from sim.faults.scenario import scenario
from sim.faults.sound import length_ms, longest_silence_ms, next_speech_ms, played
from sim.faults.stage import House, Stage, Talk, is_ready, until, wall_ms
from sim.faults.words import ASK, BYE, ENDING, GREETING, HEARD_OUT, LONG, MORE, say
from sim.phone.record import CallResult
from sim.voice import speak

PUBLIC = "https://voice.example.com"
"""Where the carrier believes the edges to be, as behind a load balancer."""

BACK_WITHIN_MS = 1500.0
AGAIN_AT_MOST_MS = 1000.0
NOT_READY_WITHIN_S = 1.0
GONE_WITHIN_S = 10.0


@scenario(
    4,
    "kill -9 edge while the agent speaks",
    "re-attached at another edge; same agent session; history whole",
    in_gate=False,
)
async def edge_killed(stage: Stage) -> None:
    async with stage.house(PUBLIC_URL=PUBLIC) as house:
        other = await house.add_edge()
        talk = house.call(HEARD_OUT, say(ASK), *ENDING, public_url=PUBLIC)
        await talk.has_heard(GREETING, 0.4 * length_ms(LONG))
        house.stack.edges[0].kill()
        killed_ms = talk.phone.now_ms
        talk.phone.move(f"{other}/twilio/voice")
        result = await talk.result()
        finding = stage.finding
        finding.same(
            "how the streams ended", [s.ended for s in result.streams], ["lost", "server closed"]
        )
        back_ms = result.streams[1].start_ms
        finding.figure("back after ms", back_ms - killed_ms, most=BACK_WITHIN_MS)
        heard_ms = next_speech_ms(result.agent_track(), back_ms) or back_ms
        silence = longest_silence_ms(result.agent_track(), killed_ms, heard_ms + 500)
        finding.figure("gap ms", silence, most=BACK_WITHIN_MS)
        finding.figure("heard twice ms", _overlap(result) / 8, most=AGAIN_AT_MOST_MS)
        _check_one_conversation(finding, house, talk, result)


@scenario(
    5,
    "SIGTERM edge while the agent speaks",
    "not ready; the caller is moved to another edge; every sentence heard once; exit in seconds",
    in_gate=False,
)
async def edge_told_to_go(stage: Stage) -> None:
    async with stage.house(PUBLIC_URL=PUBLIC) as house:
        other = await house.add_edge()
        talk = house.call(HEARD_OUT, say(ASK), *ENDING, public_url=PUBLIC)
        await talk.has_heard(GREETING, 0.4 * length_ms(LONG))
        leaving, since = house.stack.edges[0], wall_ms()
        leaving.send(signal.SIGTERM)
        talk.phone.move(
            f"{other}/twilio/voice"
        )  # as a load balancer does with one that is not ready
        finding = stage.finding
        async with asyncio.timeout(NOT_READY_WITHIN_S):
            while await is_ready(house.stack.url):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        gone = asyncio.create_task(until(lambda: leaving.status is not None, 60))
        calling = asyncio.create_task(talk.result())
        await asyncio.wait({gone, calling}, return_when=asyncio.FIRST_COMPLETED)
        finding.expect(gone.done(), "it is gone while the call goes on elsewhere")
        finding.figure("edge gone after s", (wall_ms() - since) / 1000, most=GONE_WITHIN_S)
        result = await calling
        await gone
        finding.same("its exit status", leaving.status, 0)
        finding.figure("heard twice ms", _overlap(result) / 8, most=0)
        _check_one_conversation(finding, house, talk, result)


def _overlap(result: CallResult) -> int:
    """How many bytes of speech at the end of one stream are the beginning of the next one's."""
    if len(result.streams) < 2:
        return 0
    before, after = (played(stream) for stream in result.streams[:2])
    most = min(len(before), len(after), 5 * RATE)
    found = next((n for n in range(most, 0, -1) if before.endswith(after[:n])), 0)
    return found if is_speech(after[:found]) else 0


def _check_one_conversation(finding: Finding, house: House, talk: Talk, result: CallResult) -> None:
    """All was heard, on however many streams, and the agent noticed nothing."""
    finding.same("the end", result.ended, "hangup verb")
    finding.same("agent sessions", len(talk.sessions), 1)
    finding.same("turns", len(talk.sessions[0].user_turns), 2)
    before, *others = (played(stream) for stream in result.streams)
    sound = before + b"".join(each[_overlap(result) :] for each in others)
    for text in (GREETING, LONG, MORE, BYE):
        finding.same(f"times that {text!r} is heard", sound.count(speak(text)), 1)
    attached = [entry.stream_sid for _, entry in talk.entries(Attached)]
    finding.same("streams in the log", attached, [s.stream_sid for s in result.streams])
    check_carrier(finding, result)
