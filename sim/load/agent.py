"""The agent service's end of a call, made for numbers: it greets, and then echoes or talks.

    echo    every binary message goes back as it came, in the same turn of the loop
    talk    half of the time a sentence of 2 to 3 s plays, sent at once in 960-byte messages; every
            20 s the caller barges in while a sentence plays: UserStartedSpeaking, up to three
            late messages of the cut turn, AgentAudioDone, then the user's words and the answer

The session is Deepgram's: Welcome, Settings, SettingsApplied, text before its sound. Whom it serves
a session learns from the first frame that it hears; its greeting, which may come before, is of
nobody's.
"""

import asyncio
from collections.abc import Callable
from math import inf
from random import Random
from time import perf_counter as clock

import orjson

from sim.load import tag
from sim.load.call import Call, Tally
from sim.load.websocket import BINARY, TEXT, Peer, accept_key, pack

CHUNK_FRAMES = 6
"""Frames in a binary message of the service: 960 bytes."""

FRAMES_A_SECOND = 50
SENTENCE_FRAMES = (100, 150)

SPEAKS_BEFORE_BARGE_IN_S = 0.3
"""So long at least a sentence plays before it is cut: unplayed sound is out then."""

LATE_CHUNKS = 3
LATE_CHUNK_EVERY_S = 0.02
AUDIO_DONE_AFTER_S = 0.12
USER_TEXT_AFTER_S = 0.7

LOOKS_EVERY_S = 0.5
"""How often a mind looks whether it is time to be interrupted."""

_KEY = b"sec-websocket-key:"


def _message(kind: str, **fields: str) -> bytes:
    return pack(TEXT, orjson.dumps({"type": kind, **fields}))


_WELCOME = _message("Welcome", request_id="00000000-0000-4000-8000-000000000000")
_APPLIED = _message("SettingsApplied")
_STARTED_SPEAKING = _message("UserStartedSpeaking")
_AUDIO_DONE = _message("AgentAudioDone")
_USER_TEXT = _message("ConversationText", role="user", content="Wait, one more thing.")
_AGENT_TEXT = _message("ConversationText", role="assistant", content="Certainly, here is more.")
_GREETING = [tag.frame(tag.AGENT, tag.UNBOUND, 0, number) for number in range(CHUNK_FRAMES)]


class House:
    """What all sessions share."""

    def __init__(self, profile: str, tally: Tally, calls: dict[int, Call], every_s: float) -> None:
        """Open the house.

        Args:
            calls: By number; who calls later is added later.
            every_s: From one barge-in of a call to its next.
        """
        self.echoes = profile == "echo"
        self.tally = tally
        self.calls = calls
        self.every_s = every_s
        self.is_quiet = False
        """Set for nobody to say anything more."""
        self.sessions: set[Session] = set()

    def barge_in_due(self, call: Call, nth: int) -> float:
        """When a call's nth barge-in is due: the calls are spread over the time between two."""
        if clock() >= self.tally.until:
            return inf
        regular = max(1, sum(not each.is_late for each in self.calls.values()))
        phase = (call.number % regular + 0.5) / regular
        return self.tally.since + self.every_s * (nth + phase)


class Session(Peer):
    """One agent socket."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._call: Call | None = None
        self._mind: asyncio.Task[None] | None = None
        self._turn = 0
        self._spoken = 0

    def on_head(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        keys = [line[len(_KEY) :].strip() for line in lines if line.lower().startswith(_KEY)]
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(keys[0]) + b"\r\n\r\n" + _WELCOME
        )
        self._house.sessions.add(self)

    def on_text(self, payload: bytes) -> None:
        if orjson.loads(payload).get("type") == "Settings":
            self._house.tally.counts["greeting_frames"] += len(_GREETING)
            self.write(_APPLIED + _AGENT_TEXT + pack(BINARY, b"".join(_GREETING)))

    def on_binary(self, payload: bytes) -> None:
        now = clock()
        for found in tag.read(payload):
            if found is None:
                self._house.tally.counts["foreign"] += 1
            elif call := self._call or self._bind(found.call):
                self._hear(call, found, now)
        if self._house.echoes:
            self.send(BINARY, payload)

    def _bind(self, number: int) -> Call | None:
        self._call = self._house.calls.get(number)
        if self._call and not self._house.echoes:
            talk = self._talk(self._call)
            self._mind = asyncio.get_running_loop().create_task(talk, name=f"mind:{number}")
        return self._call

    def _hear(self, call: Call, found: tag.Tag, now: float) -> None:
        if found.call != call.number:
            self._house.tally.counts["strayed"] += 1
            return
        call.heard(found.number, now)
        if self._house.echoes:
            call.echo.depart(found.number, now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._house.sessions.discard(self)
        if self._mind:
            self._mind.cancel()

    # -- the talk profile -----------------------------------------------------

    async def _talk(self, call: Call) -> None:
        random = Random(call.number)
        first, barge_ins = 0, 0
        over = clock()
        until = over + random.uniform(0, 2 * SENTENCE_FRAMES[1] / FRAMES_A_SECOND)
        while not self._house.is_quiet:
            if await self._is_interrupted(call, barge_ins, until):
                barge_ins += 1
                if clock() > over - SPEAKS_BEFORE_BARGE_IN_S:
                    first = self._spoken
                    self._say(call, SENTENCE_FRAMES[0])
                    await asyncio.sleep(SPEAKS_BEFORE_BARGE_IN_S)
                await self._be_cut(call, first, random.randint(1, LATE_CHUNKS))
            first = self._spoken
            seconds = self._say(call, random.randint(*SENTENCE_FRAMES))
            over = clock() + seconds
            until = over + seconds

    async def _is_interrupted(self, call: Call, nth: int, until: float) -> bool:
        """Wait for the next sentence's time. Returns at once, with True, when the caller speaks."""
        while not call.is_late and (now := clock()) < until:
            # Looked at again and again, since it is not known from the start when we measure.
            due = self._house.barge_in_due(call, nth)
            if due <= now:
                return not self._house.is_quiet
            await asyncio.sleep(min(until, due, now + LOOKS_EVERY_S) - now)
        await asyncio.sleep(max(0.0, until - clock()))
        return False

    def _say(self, call: Call, frames: int) -> float:
        """One sentence, sent all at once. Returns for how long it plays."""
        self._turn += 1
        self.write(_AGENT_TEXT + self._sound(call, frames) + _AUDIO_DONE)
        return frames / FRAMES_A_SECOND

    def _sound(self, call: Call, frames: int) -> bytes:
        now, numbers = clock(), range(self._spoken, self._spoken + frames)
        self._spoken += frames
        sound = []
        for number in numbers:
            call.speech.depart(number, now)
            sound.append(tag.frame(tag.AGENT, call.number, self._turn, number))
        chunks = (sound[at : at + CHUNK_FRAMES] for at in range(0, frames, CHUNK_FRAMES))
        return b"".join(pack(BINARY, b"".join(chunk)) for chunk in chunks)

    async def _be_cut(self, call: Call, first: int, late_chunks: int) -> None:
        began = clock()
        call.barge_in(self._turn, began)
        self.write(_STARTED_SPEAKING)
        for _ in range(late_chunks):
            await asyncio.sleep(LATE_CHUNK_EVERY_S)
            self.write(self._sound(call, CHUNK_FRAMES))
        call.speech.cut(range(first, self._spoken))
        await _until(began + AUDIO_DONE_AFTER_S)
        self.write(_AUDIO_DONE)
        await _until(began + USER_TEXT_AFTER_S)
        self.write(_USER_TEXT)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - clock()))


def server(house: House) -> Callable[[], Session]:
    """What makes a session of a connection."""
    return lambda: Session(house)
