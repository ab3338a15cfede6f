"""One connection and its one owner: what the client sends meets what the agent is doing.

    WELCOMED --Settings--> APPLYING --SettingsApplied--> TALKING

Everything that the client sends is dealt with here, in order, without waiting for anything slow:
thinking and speaking are tasks of the session's group. Whoever finds that the session is over
raises `SessionOver`; the group cancels the rest, and `run` then ends the connection in the way
that the finder asked for.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from websockets.exceptions import ConnectionClosed

from shared.sound import RATE
from sim.agent import events, protocol
from sim.agent.faults import End, Fail, Faults
from sim.agent.hearing import Heard, Hearing, Onset, Patience, Paused, TurnEnded
from sim.agent.mind import Mind
from sim.agent.mouth import Manner, Mouth, Speak
from sim.agent.protocol import (
    ClientMessage,
    CustomToThinkProvider,
    ForceEndTurn,
    FunctionCallResponse,
    InjectAgentMessage,
    InjectUserMessage,
    KeepAlive,
    Refusal,
    Stage,
    UpdateListen,
    UpdatePrompt,
    UpdateSpeak,
    UpdateThink,
)
from sim.agent.script import Script, Turn
from sim.agent.settings import Settings, listening
from sim.agent.timing import Timing
from sim.agent.wire import Wire

Profile = Literal["talk", "echo"]
"""A conversation, or every piece of sound sent back at once."""

ECHO_TAG = "echo"
"""In `tags` of its Settings, this makes a session an echo, whatever the others are."""

AHEAD_S = 1.5
"""Sound that may run ahead of real time where faster is refused.

A client may have kept a second of it until SettingsApplied, and a network piles up the rest.
"""

_NO_SETTINGS = "Please ensure that you send a 'Settings' message at the beginning of the session."
_NO_SOUND = "Please ensure that you're sending binary messages containing user speech."


class SessionOver(Exception):
    """The session is over, and is to end like this."""

    def __init__(self, end: End) -> None:
        super().__init__(type(end).__name__)
        self.end = end


@dataclass(frozen=True, slots=True)
class House:
    """What all sessions of a server have in common."""

    script: Script
    speak: Speak
    timing: Timing
    profile: Profile = "talk"


class Session:
    """One conversation."""

    def __init__(self, wire: Wire, house: House, faults: Faults) -> None:
        self._wire = wire
        self._house = house
        self._faults = faults
        self._record = wire.record
        self._stage = Stage.WELCOMED
        self._echoes = house.profile == "echo"
        self._listen: dict[str, Any] = {}
        self._hearing = Hearing(self._patience())
        self._turns = 0  # with text, of this conversation: those in the context too
        self._new_turns = 0  # with text, of this session
        self._spoken_turns = 0  # with words in them, whatever was recognised
        self._unsaid: list[str] = []
        self._unanswered: Turn | None = None
        self._betting = False
        self._warned = False
        self._first_sound_at: float | None = None

    def __repr__(self) -> str:
        return f"<Session {self._record.request_id} {self._stage.value} turns={self._turns}>"

    async def run(self) -> None:
        """Hold the session until one side ends it."""
        ends: list[End] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                self._begin(tasks)
                while True:
                    await self._on_frame(await self._wire.receive())
        except* SessionOver as over:
            ends = [one.end for one in over.exceptions if isinstance(one, SessionOver)]
        except* ConnectionClosed:
            pass
        if ends:
            await self._wire.finish(ends[0])

    def strike(self, end: End) -> None:
        """End the session from outside, like this."""
        if not self._verdict.done():
            self._verdict.set_result(end)

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        manner = Manner(self._house.speak, self._house.timing, self._faults, self._half_said)
        self._tasks = tasks
        self._verdict: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._mouth = Mouth(self._wire, tasks, manner)
        self._mind = Mind(self._wire, self._mouth, tasks, self._house.timing, self._faults)
        for watch in (self._open, self._watch_idle, self._watch_length, self._watch_verdict):
            tasks.create_task(watch(), name=watch.__name__)

    # What happens by itself.

    async def _open(self) -> None:
        await asyncio.sleep(self._faults.welcome_delay_s)
        if not self._faults.no_welcome:
            await self._wire.send(events.welcome(self._record.request_id))
        await asyncio.sleep(self._record.opened_at + self._faults.after_s - time.monotonic())
        self._befall()

    async def _watch_idle(self) -> None:
        idle_s = self._house.timing.idle_s
        idle = 0.0
        while idle < idle_s:
            await asyncio.sleep(idle_s - idle)
            idle = time.monotonic() - self._wire.last_heard_at
        advice = _NO_SETTINGS if self._stage is Stage.WELCOMED else _NO_SOUND
        sentence = f"We waited too long for a websocket message. {advice}"
        raise SessionOver(Fail("CLIENT_MESSAGE_TIMEOUT", sentence))

    async def _watch_length(self) -> None:
        timing = self._house.timing
        await asyncio.sleep(timing.cap_s - timing.cap_warning_s)
        approaching = "The session will end soon, at its maximum length."
        await self._wire.send(events.warning("MAXIMUM_SESSION_LENGTH_APPROACHING", approaching))
        await asyncio.sleep(timing.cap_warning_s)
        raise SessionOver(Fail("MAXIMUM_SESSION_LENGTH_REACHED", "The session ended."))

    async def _watch_verdict(self) -> None:
        raise SessionOver(await self._verdict)

    def _half_said(self) -> None:
        self._befall(speaking=True)

    def _befall(self, *, speaking: bool = False) -> None:
        """Suffer what this session is to suffer, if now is the moment."""
        elapsed_s = time.monotonic() - self._record.opened_at
        if not self._faults.due(elapsed_s, self._new_turns, speaking):
            return
        if self._faults.warning and not self._warned:
            self._warned = True
            warning = events.warning(self._faults.warning, "on demand")
            self._tasks.create_task(self._wire.send(warning), name="warning")
        if end := self._faults.end():
            raise SessionOver(end)

    # What the client sends.

    async def _on_frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            return await self._on_sound(frame)
        message = protocol.parse(frame)
        if not isinstance(message, Refusal):
            message = protocol.admit(message, self._stage) or message
        if isinstance(message, Refusal):
            raise SessionOver(Fail(message.code, message.description))
        return await self._on_message(message)

    async def _on_message(self, message: ClientMessage) -> None:
        match message:
            case Settings():
                self._on_settings(message)
            case InjectAgentMessage():
                await self._inject(message)
            case InjectUserMessage(content):
                await self._inject_user(content)
            case FunctionCallResponse():
                waited = self._mind.respond(message)
                (self._record.answered if waited else self._record.late).append(message)
            case ForceEndTurn():
                await self._force_end_turn()
            case KeepAlive() | CustomToThinkProvider():
                pass
            case _:
                await self._update(message)

    async def _update(self, message: ClientMessage) -> None:
        match message:
            case UpdatePrompt():
                await self._wire.send(events.PROMPT_UPDATED)
            case UpdateSpeak():
                await self._wire.send(events.SPEAK_UPDATED)
            case UpdateThink(functions):
                self._mind.functions = functions
                await self._wire.send(events.THINK_UPDATED)
            case UpdateListen(provider):
                self._adapt(provider)
                await self._wire.send(events.LISTEN_UPDATED)

    def _on_settings(self, settings: Settings) -> None:
        self._stage = Stage.APPLYING
        self._record.settings = dict(settings.raw)
        self._echoes |= ECHO_TAG in settings.raw.get("tags", ())
        self._adapt(settings.listen)
        self._mind.functions = settings.functions
        self._mind.history = self._mouth.history = settings.history
        self._mouth.experimental = settings.experimental
        self._turns, self._unsaid = self._house.script.resume(settings.context)
        self._tasks.create_task(self._apply(settings), name="apply")

    async def _apply(self, settings: Settings) -> None:
        await asyncio.sleep(self._faults.applied_delay_s)
        self._stage = Stage.TALKING
        await self._wire.send(events.SETTINGS_APPLIED)
        if settings.long_prompt:
            await self._wire.send(events.warning("PROMPT_TOO_LONG", "The prompt was truncated."))
        if settings.greeting and not self._echoes:
            self._mouth.say(settings.greeting)

    def _adapt(self, provider: Mapping[str, Any]) -> None:
        """Listen like this; what is left out stays."""
        self._listen.update(provider)
        self._hearing.patience = self._patience()

    def _patience(self) -> Patience:
        asked = listening(self._listen)
        eager_s = self._house.timing.eager_s if asked.eager else None
        quiet_s = self._house.timing.quiet_s
        return Patience(quiet_s, eager_s, asked.eot_timeout_s, asked.manual)

    async def _on_sound(self, mulaw: bytes) -> None:
        match self._stage:
            case Stage.WELCOMED:
                sentence = "Sound can be sent once Settings have been applied."
                raise SessionOver(Fail(protocol.BINARY_BEFORE_SETTINGS, sentence))
            case Stage.APPLYING:
                self._record.early_bytes += len(mulaw)
            case Stage.TALKING if self._echoes:
                await self._wire.send_sound(mulaw)
            case Stage.TALKING:
                await self._hear(mulaw)

    async def _hear(self, mulaw: bytes) -> None:
        if self._faults.realtime_only:
            self._check_pace()
        for heard in self._hearing.feed(mulaw):
            await self._on_heard(heard)

    def _check_pace(self) -> None:
        now = time.monotonic()
        self._first_sound_at = self._first_sound_at or now
        heard_s = (self._record.heard_bytes - self._record.early_bytes) / RATE
        if heard_s > now - self._first_sound_at + AHEAD_S:
            sentence = "Sound came faster than real time."
            raise SessionOver(Fail("ASR_CONNECTION_CLOSED", sentence))

    # Turns.

    async def _on_heard(self, heard: Heard) -> None:
        match heard:
            case Onset():
                await self._on_onset()
            case Paused():
                self._betting = True
                self._mind.answer(self._next_turn(), confirmed=False)
            case TurnEnded():
                await self._on_turn_ended(heard)

    def _next_turn(self) -> Turn:
        return self._house.script.turn(self._turns)

    async def _on_onset(self) -> None:
        """Somebody speaks: whatever the agent was about, it is over."""
        if self._mind.busy and not self._betting:
            self._unanswered = self._house.script.turn(self._turns - 1)
        self._unsaid = self._mouth.unsaid() or self._unsaid
        cut = self._mouth.stop()
        await self._wire.send(events.USER_STARTED_SPEAKING)
        await self._drop_answer()
        if cut:
            self._mouth.trail_off()

    async def _drop_answer(self) -> None:
        self._betting = False
        if calls := self._mind.abandon():
            await self._wire.send(events.function_call_cancelled(calls))

    async def _on_turn_ended(self, ended: TurnEnded) -> None:
        self._spoken_turns += ended.words
        deaf = not ended.words or self._spoken_turns == self._faults.empty_turn
        if self._faults.end_of_turn and self._listen.get("version") == "v2":
            await self._wire.send(events.end_of_turn(ended.trigger))
        if deaf:
            await self._on_noise()
        else:
            await self._on_turn(self._next_turn().heard)

    async def _on_noise(self) -> None:
        """A turn without words: the agent takes up what it broke off."""
        await self._drop_answer()
        await self._tell_user_turn("")
        unsaid, self._unsaid = self._unsaid, []
        if self._unanswered:
            self._mind.answer(self._unanswered)
        self._unanswered = None
        self._mouth.say(*unsaid)

    async def _on_turn(self, text: str, *, voiced: bool = True) -> None:
        """The next turn of the script, confirmed."""
        turn, betting = self._next_turn(), self._betting
        self._turns += 1
        self._new_turns += 1
        self._unsaid, self._unanswered, self._betting = [], None, False
        await self._tell_user_turn(text)
        self._befall()
        if betting:
            self._mind.confirm()
        else:
            self._mind.answer(turn, voiced=voiced)

    async def _tell_user_turn(self, text: str) -> None:
        self._record.user_turns.append(text)
        await self._wire.send(events.conversation_text("user", text))
        if self._mind.history:
            await self._wire.send(events.history("user", text))

    async def _force_end_turn(self) -> None:
        if self._listen.get("version") != "v2":
            sentence = "ForceEndTurn needs a Flux listen model."
            await self._wire.send(events.warning("FORCE_END_TURN_UNSUPPORTED", sentence))
        elif ended := self._hearing.force():
            await self._on_turn_ended(ended)

    # Injections.

    async def _inject(self, injected: InjectAgentMessage) -> None:
        speaking = self._mouth.busy or self._mind.busy
        match injected.behavior:
            case "interrupt":
                self._mouth.stop()
            case _ if self._hearing.talking:
                return await self._refuse_injection("The user is speaking.")
            case "default" if speaking:
                return await self._refuse_injection("The agent is speaking.")
        return self._mouth.say(injected.message)

    async def _inject_user(self, content: str) -> None:
        """A user turn in text: the next of the script, or a word to go on.

        A client that takes over a broken session may tell the agent to go on in words which no
        script foresees. They count as a turn only if there is nothing to go on with.
        """
        if self._hearing.talking:
            return await self._refuse_injection("The user is speaking.")
        await self._drop_answer()
        unsaid = self._unsaid
        if not unsaid or content == self._next_turn().heard:
            return await self._on_turn(content, voiced=False)
        self._unsaid = []
        await self._tell_user_turn(content)
        return self._mouth.say(*unsaid)

    async def _refuse_injection(self, sentence: str) -> None:
        await self._wire.send(events.injection_refused(sentence))
