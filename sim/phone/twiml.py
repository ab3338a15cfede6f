"""TwiML, read as strictly as the carrier's schema: a document becomes a tuple of verbs.

Element and attribute names are case-sensitive and nothing unknown passes (12200). A `<Stream>`
must be a `wss` URL without a query string, its parameters shorter than 500 characters each, and
there is one to a `<Connect>`. URLs may be relative; whoever fetched the document resolves them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

MAX_DOCUMENT_BYTES = 64 * 1024
MAX_PARAMETER_CHARS = 500

TOO_LARGE = 11750
PARSE_FAILURE = 12100
SCHEMA_WARNING = 12200
HANDSHAKE_ERROR = 31920
SCHEMA_NOT_SUPPORTED = 31922
MALFORMED_URL = 31923
INVALID_TRACK = 31941


class TwimlError(Exception):
    """The carrier would not execute this document; `code` is what its debugger would show."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    voice: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Play:
    url: str


@dataclass(frozen=True, slots=True)
class Pause:
    length_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Stream:
    url: str
    name: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    status_callback: str = ""
    status_callback_method: str = "POST"


@dataclass(frozen=True, slots=True)
class Connect:
    stream: Stream
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    number: str
    action: str = ""
    method: str = "POST"
    caller_id: str = ""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Hangup:
    pass


@dataclass(frozen=True, slots=True)
class Reject:
    reason: str = "rejected"


Verb = Say | Play | Pause | Connect | Redirect | Dial | Hangup | Reject


class _NoDoctype(ET.TreeBuilder):
    """A DTD can make a few bytes expand to gigabytes, and TwiML has no use for one."""

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise TwimlError(PARSE_FAILURE, "a document type is not allowed")


def parse(document: bytes | str, *, allow_ws: bool = False) -> tuple[Verb, ...]:
    """Read a TwiML document; `allow_ws` lets streams go to `ws://` on a test machine.

    Raises:
        TwimlError: If the carrier would refuse it.
    """
    body = document.encode() if isinstance(document, str) else document
    if len(body) > MAX_DOCUMENT_BYTES:
        raise TwimlError(TOO_LARGE, f"{len(body)} bytes")
    try:
        root = ET.XML(body, ET.XMLParser(target=_NoDoctype()))  # noqa: S314  (see _NoDoctype)
    except (ET.ParseError, LookupError, ValueError) as exc:
        raise TwimlError(PARSE_FAILURE, str(exc)) from exc
    if root.tag != "Response":
        raise TwimlError(PARSE_FAILURE, f"the root is <{root.tag}>, not <Response>")
    return tuple(_verb(element, allow_ws) for element in root)


def _verb(element: ET.Element, allow_ws: bool) -> Verb:
    match element.tag:
        case "Connect":
            return _connect(element, allow_ws)
        case tag if tag in _VERBS:
            allowed, build = _VERBS[tag]
            _check(element, allowed)
            return build(element)
        case tag:
            raise TwimlError(SCHEMA_WARNING, f"unknown verb <{tag}>")


def _say(element: ET.Element) -> Say:
    text = " ".join("".join(element.itertext()).split())
    return Say(text, element.get("voice", ""), element.get("language", ""))


def _play(element: ET.Element) -> Play:
    return Play(_text(element))


def _pause(element: ET.Element) -> Pause:
    return Pause(_seconds(element, "length", 1))


def _redirect(element: ET.Element) -> Redirect:
    return Redirect(_text(element), _method(element))


def _hangup(_element: ET.Element) -> Hangup:
    return Hangup()


def _reject(element: ET.Element) -> Reject:
    return Reject(_one_of(element, "reason", "rejected", "busy"))


def _dial(element: ET.Element) -> Dial:
    for noun in element:
        _named(noun, "Number", "Sip", "Client")
    number = _text(element[0] if len(element) else element)
    return Dial(
        number,
        element.get("action", ""),
        _method(element),
        element.get("callerId", ""),
        _seconds(element, "timeout", 30),
    )


_VERBS: dict[str, tuple[str, Callable[[ET.Element], Verb]]] = {
    "Say": ("voice language loop", _say),
    "Play": ("loop digits", _play),
    "Pause": ("length", _pause),
    "Redirect": ("method", _redirect),
    "Hangup": ("", _hangup),
    "Reject": ("reason", _reject),
    "Dial": (
        "action method callerId timeout timeLimit answerOnBridge record hangupOnStar",
        _dial,
    ),
}


def _connect(element: ET.Element, allow_ws: bool) -> Connect:
    _check(element, "action method")
    if len(element) != 1:
        raise TwimlError(SCHEMA_WARNING, f"<Connect> with {len(element)} nouns, not one")
    _named(element[0], "Stream")
    return Connect(_stream(element[0], allow_ws), element.get("action", ""), _method(element))


def _stream(element: ET.Element, allow_ws: bool) -> Stream:
    _check(element, "url name track statusCallback statusCallbackMethod")
    if element.get("track", "inbound_track") != "inbound_track":
        raise TwimlError(INVALID_TRACK, f"track {element.get('track')!r} under <Connect>")
    return Stream(
        _stream_url(element.get("url", ""), allow_ws),
        element.get("name", ""),
        _parameters(element),
        element.get("statusCallback", ""),
        _method(element, "statusCallbackMethod"),
    )


def _stream_url(url: str, allow_ws: bool) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise TwimlError(MALFORMED_URL, str(exc)) from exc
    if "?" in url:
        raise TwimlError(HANDSHAKE_ERROR, "a stream's url may not have a query string")
    if parts.scheme and parts.scheme not in ({"wss", "ws"} if allow_ws else {"wss"}):
        raise TwimlError(SCHEMA_NOT_SUPPORTED, f"a stream's url must be wss, not {parts.scheme}")
    if not url or bool(parts.scheme) != bool(parts.netloc) or parts.fragment or " " in url:
        raise TwimlError(MALFORMED_URL, url)
    return url


def _parameters(element: ET.Element) -> tuple[tuple[str, str], ...]:
    parameters: dict[str, str] = {}
    for child in element:
        _named(child, "Parameter")
        _check(child, "name value")
        name, value = child.get("name", ""), child.get("value", "")
        if not name or name in parameters:
            raise TwimlError(SCHEMA_WARNING, f"parameter {name!r} is nameless or there twice")
        if len(name) + len(value) >= MAX_PARAMETER_CHARS:
            raise TwimlError(SCHEMA_WARNING, f"parameter {name[:40]!r} is too long")
        parameters[name] = value
    return tuple(parameters.items())


def _check(element: ET.Element, allowed: str) -> None:
    if unknown := set(element.keys()) - set(allowed.split()):
        raise TwimlError(SCHEMA_WARNING, f"<{element.tag}> has no attribute {min(unknown)!r}")


def _named(element: ET.Element, *tags: str) -> None:
    if element.tag not in tags:
        raise TwimlError(SCHEMA_WARNING, f"<{element.tag}> is out of place")


def _text(element: ET.Element) -> str:
    if text := (element.text or "").strip():
        return text
    raise TwimlError(SCHEMA_WARNING, f"<{element.tag}> is empty")


def _seconds(element: ET.Element, name: str, default: int) -> float:
    value = element.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise TwimlError(SCHEMA_WARNING, f"{name}={value!r} is not a number of seconds")
    return float(value)


def _method(element: ET.Element, name: str = "method") -> str:
    return _one_of(element, name, "POST", "GET")


def _one_of(element: ET.Element, name: str, default: str, *others: str) -> str:
    value = element.get(name, default)
    if value not in (default, *others):
        raise TwimlError(SCHEMA_WARNING, f"{name}={value!r}")
    return value
