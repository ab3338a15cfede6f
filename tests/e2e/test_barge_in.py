"""The caller interrupts, and the agent stops."""

import asyncio
import time
from dataclasses import replace
from itertools import takewhile

from shared.record import Cut, Onset, Said
from shared.sound import SILENCE
from sim.agent import Faults, SessionRecord
from sim.faults.sound import heard_whole, played
from sim.faults.words import GREETING, HEARD_OUT, LONG, QUICK, say, turn
from sim.phone.call import Call
from sim.phone.caller import HangUp, Interrupt
from sim.phone.record import CallResult
from sim.stack import Stack
from sim.voice import speak
from tests.e2e.kit import agent, call, closed, log_of, until, words

ASK = "What cars do you have?"
WAIT = "Wait please."
FINE = "Fine I am listening."
LATE = ("The second is a red one.", "And the third is a blue one.")


def moment(phone: Call, at: float) -> float:
    """A reading of `time.monotonic()` on the caller's clock, ms."""
    return phone.now_ms - (time.monotonic() - at) * 1000


def onset_of(session: SessionRecord, number: int) -> float:
    """When the agent sent UserStartedSpeaking for the n-th time."""
    onsets = [
        frame.at
        for frame in session.frames
        if frame.sent and frame.json().get("type") == "UserStartedSpeaking"
    ]
    return onsets[number]


def heard_of(result: CallResult, text: str) -> int:
    """How many bytes of a sentence the caller heard."""
    sound, sentence = played(result.streams[0]), speak(text)
    start = sound.find(sentence[:1600])
    assert start >= 0
    pairs = zip(sound[start:], sentence, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


TURNS = (turn(ASK, LONG, *LATE), turn(WAIT, FINE))
SICK = Faults(first=1, late_text=True, no_audio_done=True, chunk_bytes=333)
"""The first session's agent leaves out what may be left out, and says what it should not."""


async def test_an_interruption(house: Stack, port: int) -> None:
    steps = (HEARD_OUT, say(ASK), Interrupt(words(WAIT), 1.2, WAIT), HEARD_OUT, HangUp())
    timing = replace(QUICK, late_chunks=20)
    async with agent(port, *TURNS, faults=SICK, timing=timing) as server:
        phones = [call(house, *steps), call(house, *steps)]
        first = asyncio.create_task(phones[0].run())
        await until(lambda: server.sessions)
        await asyncio.gather(first, phones[1].run())
        for session in server.sessions:
            await closed(session)

    for phone, session in zip(phones, server.sessions, strict=True):
        check(phone, session)
        check_log(house, phone.result)


def check(phone: Call, session: SessionRecord) -> None:
    result = phone.result
    assert result.rejections == []
    assert result.ended == "caller hung up"
    playback = result.streams[0].playback
    (clear,) = [each for each in playback.clears if each.discarded]
    # The agent's sound ends when the agent notices the caller, but for a moment.
    assert 0 <= clear.ms - moment(phone, onset_of(session, 1)) < 250
    # What comes next is the whole answer, and before it nothing: no late sound is ever heard.
    answer = next(each.start_ms for each in playback.utterances if each.start_ms > clear.ms)
    between = result.agent_track()[int(clear.ms) * 8 + 8 : int(answer) * 8 - 800]
    assert between == SILENCE * len(between)
    assert len(between) > 4000
    heard = heard_of(result, LONG)
    assert 8000 < heard < len(speak(LONG))
    assert heard_whole(result, GREETING, FINE)
    for late in LATE:
        assert speak(late)[:1600] not in played(result.streams[0])


def check_log(house: Stack, result: CallResult) -> None:
    heard = heard_of(result, LONG)
    log = [entry for _, entry in log_of(house, result.call_sid)]
    assert [entry.barge_in for entry in log if isinstance(entry, Onset)] == [False, True]
    (long,) = [entry for entry in log if isinstance(entry, Said) and entry.text == LONG]
    (cut,) = [entry for entry in log if isinstance(entry, Cut) and entry.sentence == long.sentence]
    assert abs(cut.heard_ms - heard / 8) < 60 + result.streams[0].lateness.max_ms
    assert LONG.startswith(cut.text)
    assert 0 < len(cut.text) < len(LONG)
