"""What a caller is told whom nobody can serve: the operator's TwiML and sound, or lines of ours."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from edge import twiml
from shared.lines import read_line, sound_of
from shared.settings import BadSetting, Settings

# Twilio takes no more.
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answers:
    """Documents that are ready before a call comes, and need nothing that could be away."""

    busy: str = twiml.hang_up(twiml.BUSY)
    """All places are taken."""
    fallback: str = twiml.hang_up(twiml.APOLOGY)
    """No worker, no Redis, or a fault of ours."""
    after_apology: str = twiml.hang_up()
    """The same for a caller who has been told so already."""
    hold: bytes = field(default_factory=partial(sound_of, "hold"), repr=False)
    """What a caller hears now and then who waits for a worker: mu-law, 8 kHz."""


def read_answers(settings: Settings) -> Answers:
    """The answers of these settings. Raises: BadSetting, if a file holds something else."""
    usual = Answers()
    fallback = _document("FALLBACK_TWIML", settings.fallback_twiml)
    return Answers(
        busy=_document("BUSY_TWIML", settings.busy_twiml) or usual.busy,
        fallback=fallback or usual.fallback,
        after_apology=fallback or usual.after_apology,
        hold=_sound("HOLD_SOUND", settings.hold_sound) or usual.hold,
    )


def _sound(key: str, path: str) -> bytes:
    """The file's sound; empty if there is none."""
    try:
        return read_line(path) if path else b""
    except OSError as exc:
        raise BadSetting(f"{key}: cannot be read ({type(exc).__name__})") from None
    except ValueError as exc:
        raise BadSetting(f"{key}: {exc}") from None


def _document(key: str, path: str) -> str:
    """The file's text; "" if there is none. What its verbs mean is between operator and Twilio."""
    if not path:
        return ""
    try:
        content = Path(path).read_bytes()
        document = content.decode()
        root = ET.fromstring(document)  # noqa: S314 (the operator's own file)
    except OSError as exc:
        raise BadSetting(f"{key}: cannot be read ({type(exc).__name__})") from None
    except UnicodeDecodeError:
        raise BadSetting(f"{key}: must be UTF-8") from None
    except ET.ParseError as exc:
        raise BadSetting(f"{key}: is no well-formed XML ({exc})") from None
    if root.tag != "Response":
        raise BadSetting(f"{key}: its root must be <Response>, not <{root.tag}>")
    if len(content) > MAX_BYTES:
        raise BadSetting(f"{key}: must not be larger than 64 KiB, which is what Twilio takes")
    return document
