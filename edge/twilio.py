"""Twilio's Media Streams protocol, as values: text frames in, messages out, and back.

Counters on the wire are strings. What we send has exactly the documented
fields: anything more is an invalid message to Twilio (warning 31951).
"""

import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from shared.causes import Cause
from shared.messages import Audio, Clear, Digit, Ended, Mark, Up
from shared.vocabulary import BadMessage

# What reading foreign JSON can raise. These, and only these, become BadMessage.
_MALFORMED = (AttributeError, KeyError, RecursionError, TypeError, ValueError)

_SID = re.compile(r"(CA|MZ)[0-9a-fA-F]{32}")

# Redis' stream ids are 64 bits wide; no call has this many messages.
_MAX_COUNT = 2**53


@dataclass(frozen=True, slots=True)
class Started:
    """The stream's first message with anything in it."""

    call_sid: str
    stream_sid: str
    sequence: int
    parameters: dict[str, str] = field(repr=False)


class Received(NamedTuple):
    """One message of a stream that has started, and its sequence number."""

    sequence: int
    message: Up


def is_sid(text: str, prefix: str) -> bool:
    """Whether this is a SID of Twilio's: the prefix and 32 hexadecimal digits."""
    return text.startswith(prefix) and _SID.fullmatch(text) is not None


def parse(text: str | bytes, clock: int = 0) -> Started | Received | None:
    """Read one text frame from Twilio.

    Args:
        clock: Timestamp of the caller's newest frame, ms: the time of what carries none itself.

    Returns:
        None for a message with nothing in it for us: `connected`, another track's
        sound, and any event that Twilio adds after this was written.

    Raises:
        BadMessage: If an event that we know lacks what its name promises.
    """
    try:
        event = orjson.loads(text)
        match event["event"]:
            case "media":
                return _media(event)
            case "mark":
                return Received(_count(event), Mark(_text(event["mark"]["name"]), clock))
            case "dtmf":
                return Received(_count(event), Digit(_digit(event["dtmf"]["digit"]), clock))
            case "start":
                return _start(event)
            case "stop":
                return Received(_count(event), Ended(Cause.CALLER_HUNG_UP))
            case _:
                return None
    except _MALFORMED as exc:
        # Only the kind of error, and no cause: the rest may quote the caller.
        raise BadMessage(f"twilio: {type(exc).__name__}") from None


def _media(event: dict[str, Any]) -> Received | None:
    media = event["media"]
    if media.get("track", "inbound") != "inbound":
        return None
    mulaw = a2b_base64(media["payload"], strict_mode=True)
    return Received(_number(event["sequenceNumber"], 1), Audio(mulaw, _number(media["timestamp"])))


def _start(event: dict[str, Any]) -> Started:
    start = event["start"]
    call_sid, stream_sid = _text(start["callSid"]), _text(start["streamSid"])
    if not (is_sid(call_sid, "CA") and is_sid(stream_sid, "MZ")):
        raise ValueError("SID")
    form = start["mediaFormat"]
    if (form["encoding"], form["sampleRate"], form["channels"]) != ("audio/x-mulaw", 8000, 1):
        raise ValueError("mediaFormat")
    parameters = start.get("customParameters") or {}
    known = {_text(name): _text(value) for name, value in parameters.items()}
    return Started(call_sid, stream_sid, _count(event), known)


def _count(event: dict[str, Any]) -> int:
    return _number(event["sequenceNumber"], 1)


def _number(text: Any, least: int = 0) -> int:
    number = int(_text(text))
    if not least <= number < _MAX_COUNT:
        raise ValueError("not a count")
    return number


def _digit(value: Any) -> str:
    if _text(value) not in tuple("0123456789*#ABCD"):
        raise ValueError("digit")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


class Writer:
    """Renders what goes to one stream. Its SID was checked when it came, so it needs no escape."""

    def __init__(self, stream_sid: str) -> None:
        head = f'","streamSid":"{stream_sid}"'
        self._media = f'{{"event":"media{head},"media":{{"payload":"'.encode()
        self._mark = f'{{"event":"mark{head},"mark":{{"name":"'.encode()
        self._clear = f'{{"event":"clear{head}}}'.encode()

    def render(self, message: Audio | Mark | Clear) -> bytes:
        """The text frame for one message."""
        if isinstance(message, Audio):
            return b'%b%b"}}' % (self._media, b2a_base64(message.mulaw, newline=False))
        if isinstance(message, Mark):
            return b'%b%b"}}' % (self._mark, message.name.encode())
        return self._clear
