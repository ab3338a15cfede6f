"""The voice of one session: sentence after sentence, each in a burst, until somebody cuts in.

An utterance is whatever is said without a lull. Each of its sentences is announced as text and
then sent faster than anybody can hear it, and the next one is held back until the one before
has about been played; after the last chunk comes AgentAudioDone, seconds before the caller has
heard the end. The service has no part in playback: the hold is all that it knows of time.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from shared.sound import RATE
from sim.agent import events
from sim.agent.faults import Faults
from sim.agent.timing import Timing
from sim.agent.wire import Wire

Speak = Callable[[str], bytes]
"""A sentence as 8 kHz mu-law."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak in this session."""

    speak: Speak
    timing: Timing
    faults: Faults
    half_said: Callable[[], None]
    """Called in the middle of each sentence's sound; may end the session."""


class Mouth:
    """Says what it is given; one utterance at a time."""

    def __init__(self, wire: Wire, tasks: asyncio.TaskGroup, manner: Manner) -> None:
        self._wire = wire
        self._tasks = tasks
        self._manner = manner
        self._queue: deque[str] = deque()
        self._utterance: asyncio.Task[None] | None = None
        self._left: deque[bytes] = deque()
        self._coming = ""
        self._playing = ""
        self._played_at = 0.0
        self.history = True
        self.experimental = False
        self._reports: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Mouth {'busy' if self.busy else 'still'} queue={len(self._queue)}>"

    @property
    def busy(self) -> bool:
        """Whether an utterance is under way."""
        return self._utterance is not None and not self._utterance.done()

    def say(self, *sentences: str, reports: dict[str, float] | None = None) -> None:
        """Say these after what is being said; `reports` are told when the utterance is over."""
        self._queue.extend(sentences)
        self._reports.update(reports or {})
        if self._queue and not self.busy:
            self._utterance = self._tasks.create_task(self._utter(), name="utterance")

    def unsaid(self) -> list[str]:
        """The sentences which cannot have been heard to their end yet."""
        playing = [self._playing] if time.monotonic() < self._played_at else []
        return [sentence for sentence in playing if sentence not in self._queue] + [*self._queue]

    def stop(self) -> bool:
        """Stop speaking; True if an utterance was under way."""
        stopped = self.busy
        if self._utterance is not None:
            self._utterance.cancel()
            self._utterance = None
        self._coming = self._queue[0] if self._queue else ""
        self._queue.clear()
        self._reports.clear()
        self._played_at = 0.0
        return stopped

    def trail_off(self) -> None:
        """Send what was under way when an utterance was cut, and then its AgentAudioDone."""
        self._tasks.create_task(self._trail(self._coming, self._left), name="trail")
        self._left = deque()

    async def _trail(self, coming: str, left: deque[bytes]) -> None:
        late = left or self._wire.chunks(await self._sound_of(coming))
        if self._manner.faults.late_text:
            await self._wire.send(events.conversation_text("assistant", "What I meant to say is"))
        for chunk in islice(late, self._manner.timing.late_chunks):
            await self._wire.send_sound(chunk)
        await asyncio.sleep(random.uniform(*self._manner.timing.cut_done_s))
        await self._done()

    async def _utter(self) -> None:
        # Something may have been added while the last utterance was being closed.
        while self._queue:
            await self._utterance_of_queue()

    async def _utterance_of_queue(self) -> None:
        started = False
        self._left.clear()
        while self._queue:
            sound = await self._sound_of(self._queue[0])
            if started:
                await asyncio.sleep(self._played_at - time.monotonic())
            await self._sentence(self._queue[0], sound, first=not started)
            started = True
        await self._report()
        await self._done()

    async def _sound_of(self, sentence: str) -> bytes:
        # A voice may need tens of milliseconds, in which other calls must be heard.
        return await asyncio.to_thread(self._manner.speak, sentence)

    async def _sentence(self, sentence: str, sound: bytes, *, first: bool) -> None:
        await self._wire.send(events.conversation_text("assistant", sentence))
        if self.history:
            await self._wire.send(events.history("assistant", sentence))
        if first and self.experimental:
            await self._wire.send(events.agent_started_speaking(0.5, 0.1, 0.4))
        self._playing = sentence
        self._played_at = time.monotonic() + len(sound) / RATE * self._manner.timing.hold
        await self._burst(sound)
        self._queue.popleft()

    async def _burst(self, sound: bytes) -> None:
        self._left = deque(self._wire.chunks(sound))
        half = (len(self._left) + 1) // 2
        while self._left:
            if len(self._left) == half:
                self._manner.half_said()
            chunk = self._left.popleft()
            await self._wire.send_sound(chunk)
            # Sending does not wait, and a barge-in must get a word in, so 0 is slept, too.
            await asyncio.sleep(self._manner.timing.pace * len(chunk) / RATE)

    async def _report(self) -> None:
        for name, seconds in self._reports.items():
            value = f"{seconds:.3f}" if self._manner.faults.latency_strings else round(seconds, 3)
            await self._wire.send(events.latency_report(name, value))
        self._reports.clear()

    async def _done(self) -> None:
        if not self._manner.faults.no_audio_done:
            await self._wire.send(events.AGENT_AUDIO_DONE)
