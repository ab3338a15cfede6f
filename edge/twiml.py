"""What Twilio is told to do with a call: TwiML documents."""

import re
from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

AFTER_PATH = "/twilio/after"

BUSY = "All our lines are busy. Please call again later."
APOLOGY = "Sorry, something went wrong on our side. Please call again later."

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def connect(stream_url: str, parameters: Mapping[str, str], notice: str = "") -> str:
    """Say the notice, then give the call to the stream.

    When the stream ends, however it ends, Twilio asks `/twilio/after` what is next:
    by the action of `<Connect>`, and should that be passed over, by the verb after it.
    """
    document = VoiceResponse()
    if notice:
        document.say(_xml(notice))
    verb = Connect(action=AFTER_PATH, method="POST")
    stream = verb.stream(url=stream_url)
    for name, value in parameters.items():
        stream.parameter(name=_xml(name), value=_xml(value))
    document.append(verb)
    document.redirect(AFTER_PATH, method="POST")
    return str(document)


def go_after() -> str:
    """Have Twilio ask, with a request that it signs now, what is next."""
    document = VoiceResponse()
    document.redirect(AFTER_PATH, method="POST")
    return str(document)


def dial(target: str, caller_id: str = "") -> str:
    """Give the call to somebody else; how that went is told to `/twilio/after`.

    Args:
        target: A phone number or a `sip:` address.
        caller_id: The number that is shown; empty: the caller's own.
    """
    document = VoiceResponse()
    shown = {"caller_id": _xml(caller_id)} if caller_id else {}
    verb = Dial(action=AFTER_PATH, method="POST", **shown)
    if target.startswith(("sip:", "sips:")):
        verb.sip(_xml(target))
    else:
        verb.number(_xml(target))
    document.append(verb)
    return str(document)


def hang_up(say: str = "") -> str:
    """Put the phone down, after a last word if there is one."""
    document = VoiceResponse()
    if say:
        document.say(_xml(say))
    document.hangup()
    return str(document)


def nothing() -> str:
    """An answer for a call that is over already."""
    return str(VoiceResponse())


def _xml(text: str) -> str:
    """A text without the characters that XML has no way to write."""
    return _NOT_XML.sub("", text)
