"""One call driven by hand: time is a number, and the phone plays what it is sent.

The phone is Twilio's playback buffer in small: sound is played as fast as the
caller's frames come, a mark is echoed when all before it has been played, and a
clear echoes every mark that is left.
"""

import json
from collections import deque
from typing import Any

from shared.messages import Audio, Clear, Down, Mark, Sentence, Up
from shared.record import Entry
from shared.sound import FRAME_BYTES, FRAME_S, SILENT_FRAME
from worker import deepgram
from worker.changes import Change
from worker.conversation import Conversation
from worker.terms import Inherited, Line, Terms, ToolCall

SETTINGS = '{"type": "Settings", "agent": {"greeting": "Hello."}}'
GOODBYE = "Bye now."
APOLOGY = "Sorry, no agent."
APOLOGY_SOUND = b"\x55" * 8000  # a second
HOLD = "One moment."
HOLD_SOUND = b"\x66" * 4000

WELCOME = '{"type":"Welcome","request_id":"r-1"}'
APPLIED = '{"type":"SettingsApplied"}'
ONSET = '{"type":"UserStartedSpeaking"}'
DONE = '{"type":"AgentAudioDone"}'
REFUSED = '{"type":"InjectionRefused","message":"the user is speaking"}'
FATAL = '{"type":"Error","code":"INVALID_SETTINGS","description":"..."}'

LOUD_FRAME = b"\x10\x90" * 80


def sentence(text: str, behavior: str = "default") -> str:
    """The agent is about to say this."""
    said = {"type": "ConversationText", "role": "assistant", "content": text}
    return json.dumps({**said, "conversational_behavior": behavior})


def words(text: str) -> str:
    """The caller's turn is confirmed."""
    return json.dumps({"type": "ConversationText", "role": "user", "content": text})


def asks(*names: str, client_side: bool = True) -> str:
    """The agent wants functions called; their ids are `id-<name>`."""
    functions = [
        {"id": f"id-{name}", "name": name, "arguments": "{}", "client_side": client_side}
        for name in names
    ]
    return json.dumps({"type": "FunctionCallRequest", "functions": functions})


def takes_back(*names: str) -> str:
    """The agent cancels functions."""
    functions = [{"id": f"id-{name}", "name": name} for name in names]
    return json.dumps({"type": "FunctionCallCancelled", "functions": functions})


class Driver:
    """Feeds a conversation, and collects what it wants done."""

    def __init__(
        self, now: float = 100.0, inherited: Inherited | None = None, **terms: Any
    ) -> None:
        defaults: dict[str, Any] = {
            "settings": SETTINGS,
            "mark_prefix": "m",
            "uses_flux": True,
            "tools": ("end_call",),
            "goodbye": GOODBYE,
            "apology": Line(APOLOGY, APOLOGY_SOUND),
            "hold": Line(HOLD, HOLD_SOUND),
        }
        self.now = now
        self.clock = 0
        self.sequence = 0
        self.over = ""
        self.connects = 0
        self.listens_after: list[int] = []
        self.runs: list[ToolCall] = []
        self.cancels: list[str] = []
        self.forgotten: list[int] = []
        self.transfer = ""
        self.outcomes: list[tuple[str, str]] = []
        self.conversation = Conversation(Terms(**{**defaults, **terms}), now, inherited)
        self.never_echoes = False
        self._buffer: deque[Audio | Mark] = deque()
        self._log: list[Entry] = []
        self._phone: list[Down] = []
        self._agent: list[str | bytes] = []
        self._take()

    # -- what happens ---------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Time passes, without a frame of the caller's."""
        until = self.now + seconds
        while (deadline := self.conversation.deadline) <= until:
            self.now = max(self.now, deadline)
            self.conversation.tick(self.now)
            self._take()
        self.now = until

    def attach(self) -> None:
        self.clock = self.sequence = 0
        self._buffer.clear()
        self.conversation.attached(self.now)
        self._take()

    def detach(self) -> None:
        self._buffer.clear()
        self.conversation.detached(self.now)
        self._take()

    def says(self, *messages: str | bytes) -> None:
        """The agent sends these, at once."""
        for message in messages:
            if isinstance(message, bytes):
                self.conversation.speak(message, self.now)
            else:
                self.conversation.from_agent(deepgram.parse(message), self.now)
            self._take()

    def loses_agent(self, code: str = "http 401") -> None:
        self.conversation.agent_lost(code, self.now)
        self._take()

    def answers(self, content: str, run: int = -1) -> None:
        """One of the operator's functions ends."""
        self.conversation.tool_answered(self.runs[run].key, content, self.now)
        self._take()

    def change(self, change: Change, order: str = "") -> None:
        """A function, or an operator, wants something done."""
        self.conversation.change(change, self.now, order)
        self._take()

    def beat(self) -> None:
        """What is done now and then."""
        self.conversation.look(self.now)
        self._take()

    def caller(self, message: Up) -> None:
        """One entry of the caller's stream."""
        self.sequence += 1
        self.conversation.from_caller(self.sequence, message, self.now)
        self._take()

    def frame(self, mulaw: bytes = SILENT_FRAME) -> None:
        """One of the caller's frames, now."""
        self.caller(Audio(mulaw, self.clock))
        self.clock += len(mulaw) // 8

    def listen(self, seconds: float, mulaw: bytes = SILENT_FRAME) -> None:
        """The caller's frames come and the phone plays, for so long."""
        for _ in range(round(seconds / FRAME_S)):
            self.wait(FRAME_S)
            self.frame(mulaw)
            self._play(FRAME_BYTES)

    def speak_up(self, seconds: float) -> None:
        """The caller is loud."""
        self.listen(seconds, LOUD_FRAME)

    def _play(self, length: int) -> None:
        while self._buffer and (length or isinstance(self._buffer[0], Mark)):
            first = self._buffer.popleft()
            if isinstance(first, Mark):
                self._echo(first)
            else:
                played, length = min(length, len(first.mulaw)), length - len(first.mulaw)
                if length < 0:
                    self._buffer.appendleft(Audio(first.mulaw[played:]))
                    length = 0

    def _echo(self, mark: Mark) -> None:
        if not self.never_echoes:
            self.caller(Mark(mark.name, self.clock))

    def _take(self) -> None:
        effects = self.conversation.take()
        self._log += effects.log
        self._phone += effects.phone
        self._agent += effects.agent
        self.over = effects.over
        self.transfer = effects.transfer or self.transfer
        self.connects += effects.connect
        self.runs += effects.run
        self.cancels += effects.cancel
        self.forgotten += effects.forget_up
        self.outcomes += effects.outcomes
        if effects.listen_after is not None:
            self.listens_after.append(effects.listen_after)
        for message in effects.phone:
            match message:
                case Audio() | Mark():
                    self._buffer.append(message)
                case Clear():
                    left = [each for each in self._buffer if isinstance(each, Mark)]
                    self._buffer.clear()
                    for mark in left:
                        self._echo(mark)

    # -- what came of it, since it was asked last -----------------------------

    def phone(self) -> list[Down]:
        """What was sent down, but for the numbers of sentences."""
        news = self.sent_down()
        return [each for each in news if not isinstance(each, Sentence)]

    def sent_down(self) -> list[Down]:
        """What was sent down."""
        news, self._phone = self._phone, []
        return news

    def heard_by_phone(self) -> bytes:
        """The sound that was sent down."""
        return b"".join(each.mulaw for each in self.phone() if isinstance(each, Audio))

    def agent(self) -> list[str | bytes]:
        news, self._agent = self._agent, []
        return news

    def told(self) -> list[dict[str, Any]]:
        """The text messages for the agent."""
        return [json.loads(each) for each in self.agent() if isinstance(each, str)]

    def context(self) -> list[dict[str, Any]]:
        """The messages in the context of the Settings that the agent was told last."""
        settings = [each for each in self.told() if each["type"] == "Settings"][-1]
        messages: list[dict[str, Any]] = settings["agent"].get("context", {}).get("messages", [])
        return messages

    def log(self) -> list[Entry]:
        news, self._log = self._log, []
        return news

    def forget(self) -> None:
        """What came until now is not what the test is about."""
        self.phone(), self.agent(), self.log()

    @property
    def is_playing(self) -> bool:
        return bool(self._buffer)


def talking(**terms: Any) -> Driver:
    """A call with phone and agent, in which nobody has spoken."""
    call = Driver(**terms)
    call.attach()
    call.says(WELCOME, APPLIED)
    call.forget()
    return call


def ending(**terms: Any) -> Driver:
    """A call that the agent has asked to end, before it said a word in this turn."""
    call = talking(**terms)
    call.says(ONSET, words("Bye."), asks("end_call"))
    call.forget()
    return call


def entries(call: Driver, kind: type) -> list[Any]:
    """What was logged of this kind, since it was asked last."""
    return [each for each in call.log() if isinstance(each, kind)]


def injected(call: Driver) -> list[str]:
    """The words that the agent was told as the caller's, since it was asked last."""
    return [each["content"] for each in call.told() if each["type"] == "InjectUserMessage"]
