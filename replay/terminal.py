"""A call as lines of text, for those who watch it live or look at it afterwards.

    0:05.2  caller  I want to change my booking
    0:06.1  agent   Sure, which day [would suit you best?]
                    answered after 0.9 s

What the caller did not hear of a sentence stands in brackets.
"""

from shared import record
from shared.record import Entry

_WHO = 8

# ANSI colours, by who speaks.
_COLORS = {"caller": "36", "agent": "32", "bridge": "33", "tool": "35", "phone": "90"}
_DIM, _ALERT = "2", "31"


def line(ms: int, entry: Entry, *, colors: bool = False, heard: str | None = None) -> str | None:
    """One line for a log entry, or None for those that people need not see.

    Args:
        ms: Since the call's start; negative before the phone was there.
        colors: Whether to paint, for a terminal.
        heard: Of a sentence of the agent: the part that the caller heard, where that is known.
    """
    told = _tell(entry, heard)
    if told is None:
        return None
    who, text, color = told
    head = f"{clock(ms):>8}  {who:<{_WHO}}"
    if not colors:
        return head + clean(text)
    return f"{_paint(head, _COLORS.get(who, _DIM))}{_paint(clean(text), color)}"


def clock(ms: float) -> str:
    """Minutes, seconds and tenths: `1:05.2`."""
    tenths = round(abs(ms) / 100)
    sign = "-" if ms < 0 and tenths else ""
    return f"{sign}{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def clean(text: str) -> str:
    """Text from outside without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else " " for char in text)


def marked(text: str, heard: str) -> str:
    """A sentence with what was not heard of it in brackets."""
    if heard == text:
        return text
    if not text.startswith(heard):
        return f"{heard} [...]"
    rest = text[len(heard) :].lstrip()
    return f"{heard} [{rest}]" if heard else f"[{rest}]"


def _paint(text: str, color: str) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if color else text


def _tell(entry: Entry, heard: str | None) -> tuple[str, str, str] | None:
    """Who, what, and the colour of it; None for what is not told."""
    match entry:
        case record.Onset(barge_in=True):
            return "caller", "-- interrupts --", _ALERT
        case record.Heard(text):
            return ("caller", text, "") if text.strip() else ("caller", "(a noise)", _DIM)
        case record.Said(_, text, _, behavior):
            who = "bridge" if behavior == "bridge" else "agent"
            return who, text if heard is None else marked(text, heard), ""
        case record.Cut():
            return "agent", _cut(entry), _ALERT
        case record.Answering(latency_ms, silence_ms):
            return "", f"answered after {silence_ms / 1000:.1f} s ({latency_ms} ms thinking)", _DIM
        case record.Pressed(digits):
            return "caller", f"presses {digits}", ""
        case record.ToolAsked() | record.ToolAnswered() | record.ToolCancelled():
            return "tool", _tool(entry), ""
        case _:
            return _tell_around(entry)


def _tell_around(entry: Entry) -> tuple[str, str, str] | None:
    """What happens around the talk."""
    match entry:
        case record.Attached():
            return "phone", "connected", _DIM
        case record.Lost(_, cause):
            return "phone", f"lost: {cause}", _ALERT
        case record.Taken(worker):
            return "bridge", f"owned by {worker}", _DIM
        case record.Configured():
            return "bridge", "the agent is ready", _DIM
        case record.Trouble(source, code, fatal):
            return "bridge", f"{source} {'failed' if fatal else 'warned'}: {code}", _ALERT
        case record.Transferring():
            return "bridge", "goes to somebody else after the goodbye", _DIM
        case record.DialFailed(status):
            return "phone", f"back, nobody took the call: {status}", _ALERT
        case record.AnsweredBy(by):
            return "phone", f"answered by {by.replace('_', ' ')}", _DIM
        case record.Updated(what):
            return "bridge", f"changed: {what}", _DIM
        case record.Paused():
            return "bridge", "nothing is recorded from here", _ALERT
        case record.Resumed():
            return "bridge", "recorded again", _DIM
        case record.Over(cause):
            return "", f"over: {cause}", _DIM
        case _:
            return None


def _cut(cut: record.Cut) -> str:
    if not cut.of_ms:
        return "-- not heard --"
    heard = f'"{cut.text}"' if cut.text else "nothing"
    return f"-- heard only {heard}, {cut.heard_ms / 1000:.1f} of {cut.of_ms / 1000:.1f} s --"


def _tool(entry: record.ToolAsked | record.ToolAnswered | record.ToolCancelled) -> str:
    match entry:
        case record.ToolAsked(_, name, arguments):
            return f"{name}({arguments})"
        case record.ToolAnswered(_, name, content):
            return f"{name} -> {content}"
        case record.ToolCancelled(_, name):
            return f"{name or 'a function'} cancelled"
