"""The carrier's media-stream messages: its own rendered exactly, the server's read strictly.

Every counter is a string, the JSON is compact, and each event has the key order seen on real
calls. `sequenceNumber` counts all messages from `start` on, whatever their kind; `chunk` counts
media alone. From the server exactly three messages are understood, with exactly their documented
fields and the stream's own SID; anything else is a Rejection, reported once a stream and code.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'

MALFORMED_MESSAGE = 31950
INVALID_MESSAGE = 31951


@dataclass(frozen=True, slots=True)
class Media:
    """Sound to play."""

    mulaw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """To be echoed when all sound before it has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop all sound that has not been played."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A warning or error of the carrier's, by its code."""

    code: int
    why: str


Command = Media | Mark | Clear


class Renderer:
    """One stream's messages to the server, counted."""

    def __init__(self, account_sid: str, call_sid: str, stream_sid: str) -> None:
        self.account_sid = account_sid
        self.call_sid = call_sid
        self.stream_sid = stream_sid
        self._sequence = 0
        self._chunk = 0

    def twin(self) -> "Renderer":
        """Another that claims to be the same stream."""
        return Renderer(self.account_sid, self.call_sid, self.stream_sid)

    def start(self, parameters: Mapping[str, str]) -> str:
        start = {
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        }
        return _compact(
            event="start", sequenceNumber=self._next(), start=start, streamSid=self.stream_sid
        )

    def media(self, timestamp_ms: int, mulaw: bytes) -> str:
        # Fifty a second and call: the only message that is not put together by json.
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._next()}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunk}","timestamp":"{timestamp_ms}",'
            f'"payload":"{base64.b64encode(mulaw).decode()}"}},"streamSid":"{self.stream_sid}"}}'
        )

    def dtmf(self, digit: str) -> str:
        return _compact(
            event="dtmf",
            streamSid=self.stream_sid,
            sequenceNumber=self._next(),
            dtmf={"track": "inbound_track", "digit": digit},
        )

    def mark(self, name: str) -> str:
        return _compact(
            event="mark",
            sequenceNumber=self._next(),
            streamSid=self.stream_sid,
            mark={"name": name},
        )

    def stop(self) -> str:
        return _compact(
            event="stop",
            sequenceNumber=self._next(),
            streamSid=self.stream_sid,
            stop={"accountSid": self.account_sid, "callSid": self.call_sid},
        )

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)


def parse(frame: str | bytes, stream_sid: str) -> Command | Rejection:
    """Read one WebSocket message from the server, or say why the carrier would not."""
    if isinstance(frame, bytes):
        return Rejection(MALFORMED_MESSAGE, "binary frame")
    try:
        return _command(json.loads(frame), stream_sid)
    except (ValueError, RecursionError) as exc:
        return Rejection(INVALID_MESSAGE, _reason(exc))


def _command(message: Any, stream_sid: str) -> Command:
    match message:
        case {"event": "media", "media": body}:
            _envelope(message, stream_sid, "media")
            return Media(_payload(body))
        case {"event": "mark", "mark": body}:
            _envelope(message, stream_sid, "mark")
            return Mark(_only(body, "name"))
        case {"event": "clear"}:
            _envelope(message, stream_sid)
            return Clear()
        case {"event": "media" | "mark" as event}:
            raise ValueError(f"{event} without its {event} object")
        case {"event": str(event)}:
            raise ValueError(f"unknown event {event[:40]!r}")
        case _:
            raise ValueError("no event")


def _envelope(message: dict[str, Any], stream_sid: str, *body: str) -> None:
    if extra := message.keys() - {"event", "streamSid", *body}:
        raise ValueError(f"extra field {min(extra)[:40]!r}")
    if message.get("streamSid") != stream_sid:
        raise ValueError("wrong stream SID" if "streamSid" in message else "no streamSid")


def _only(body: Any, name: str) -> str:
    match body:
        case {**fields} if fields.keys() == {name} and isinstance(fields[name], str):
            if value := fields[name]:
                return str(value)
            raise ValueError(f"empty {name}")
        case _:
            raise ValueError(f"not exactly a {name} string")


def _payload(body: Any) -> bytes:
    return base64.b64decode(_only(body, "payload"), validate=True)


def _reason(exc: Exception) -> str:
    match exc:
        case json.JSONDecodeError():
            return "not JSON"
        case RecursionError():
            return "JSON nested too deep"
        case _:
            return str(exc)


def _compact(**message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
