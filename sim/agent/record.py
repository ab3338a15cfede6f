"""What really happened in a session: the ground truth that a client is held against."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from shared.sound import RATE
from sim.agent.protocol import FunctionCallResponse

SOUND_BYTES = 600 * RATE
"""Sound kept of each side: ten minutes. What comes later is counted, not kept."""

FRAMES = 200_000
"""Frames kept: more than an hour of a call."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket message."""

    at: float
    """`time.monotonic()` when it was read or written."""
    sent: bool
    """True if the stand-in sent it."""
    text: str | None = field(repr=False)
    """None for a binary message."""
    size: int

    def json(self) -> dict[str, Any]:
        """A text frame's object; empty for sound, and for text that holds no object."""
        try:
            value = json.loads(self.text or "{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class SessionRecord:
    """One session, as the stand-in lived it."""

    request_id: str
    keep: bool = True
    """Whether frames and sound are kept."""
    opened_at: float = field(default_factory=time.monotonic)
    frames: list[Frame] = field(default_factory=list, repr=False)
    heard: bytearray = field(default_factory=bytearray, repr=False)
    """The sound that came in."""
    spoken: bytearray = field(default_factory=bytearray, repr=False)
    """The sound that went out."""
    heard_bytes: int = 0
    spoken_bytes: int = 0
    settings: dict[str, Any] | None = field(default=None, repr=False)
    user_turns: list[str] = field(default_factory=list, repr=False)
    """Texts of confirmed user turns, "" for noises, injected ones included."""
    answered: list[FunctionCallResponse] = field(default_factory=list)
    """Responses that were waited for."""
    late: list[FunctionCallResponse] = field(default_factory=list)
    """Responses that nobody waited for (any more): dropped."""
    early_bytes: int = 0
    """Sound that came between Settings and SettingsApplied: dropped."""
    errors: list[str] = field(default_factory=list)
    """Codes of the Error frames sent."""
    close_code: int | None = None
    """None while the session lives; 1006 if it ended without a close frame."""

    def note(self, frame: str | bytes, *, sent: bool) -> None:
        """Keep one frame."""
        sound = isinstance(frame, bytes)
        if sound:
            self._count(len(frame), sent)
        if not self.keep:
            return
        text = frame if isinstance(frame, str) else None
        if len(self.frames) < FRAMES:
            self.frames.append(Frame(time.monotonic(), sent, text, len(frame)))
        kept = self.spoken if sent else self.heard
        if isinstance(frame, bytes) and len(kept) < SOUND_BYTES:
            kept += frame

    def _count(self, size: int, sent: bool) -> None:
        if sent:
            self.spoken_bytes += size
        else:
            self.heard_bytes += size

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages that the stand-in sent, in order."""
        return [frame.json() for frame in self.frames if frame.sent and frame.text is not None]

    @property
    def received(self) -> list[dict[str, Any]]:
        """The messages that the client sent, in order."""
        return [frame.json() for frame in self.frames if not frame.sent and frame.text is not None]

    def agent_texts(self) -> list[str]:
        """The sentences that the agent said."""
        return [
            message["content"]
            for message in self.sent
            if message["type"] == "ConversationText" and message["role"] == "assistant"
        ]
