"""What was said, as JSON objects and as subtitles."""

from typing import Any

from replay.timeline import Timeline, Tool
from replay.voice import Span

# The shortest time a subtitle stands: a word is read in less.
CUE_MS = 300


def objects(call: Timeline) -> list[dict[str, Any]]:
    """Everything that happened, an object each, by time: `t` is ms from the call's start."""
    found: list[dict[str, Any]] = [
        {"t": turn.start_ms, "end": turn.end_ms, "who": "caller", "kind": "turn", "text": turn.text}
        for turn in call.turns
    ]
    found += [_sentence(span) for span in call.spans]
    found += [{"t": ms, "who": "caller", "kind": "barge-in"} for ms in call.barge_ins]
    found += [
        {
            "t": answer.ms,
            "who": "agent",
            "kind": "answer",
            "latency_ms": answer.latency_ms,
            "silence_ms": answer.silence_ms,
        }
        for answer in call.answers
    ]
    found += [
        {"t": each.ms, "who": "caller", "kind": "digits", "digits": each.digits}
        for each in call.digits
    ]
    found += [_tool(tool) for tool in call.tools]
    found += [
        {"t": each.ms, "who": each.source, "kind": "trouble", "code": each.code}
        | {"fatal": each.fatal}
        for each in call.troubles
    ]
    if call.end:
        found.append({"t": call.end.ms, "who": "bridge", "kind": "end", "cause": call.end.cause})
    return sorted(found, key=lambda each: each["t"])


def _who(span: Span) -> str:
    return "bridge" if span.is_bridge else "agent"


def _sentence(span: Span) -> dict[str, Any]:
    return {
        "t": span.start_ms,
        "end": span.end_ms,
        "who": _who(span),
        "kind": "sentence",
        "sentence": span.sentence,
        "text": span.text,
        "heard": span.heard,
        "cut": span.was_cut,
    }


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "t": tool.ms,
        "end": tool.answered_ms,
        "who": "agent",
        "kind": "tool",
        "name": tool.name,
        "arguments": tool.arguments,
        "content": tool.content,
        "cancelled": tool.was_cancelled,
    }


def subtitles(call: Timeline) -> str:
    """What was heard of both, as WebVTT with a voice for each."""
    cues = [(turn.start_ms, turn.end_ms, "Caller", turn.text) for turn in call.turns]
    cues += [(s.start_ms, s.end_ms, "Agent", s.heard) for s in call.spans if s.heard.strip()]
    return "\n".join(["WEBVTT\n", *(_cue(*cue) for cue in sorted(cues))])


def _cue(start_ms: int, end_ms: int, voice: str, text: str) -> str:
    start_ms = max(0, start_ms)
    end_ms = max(end_ms, start_ms + CUE_MS)
    words = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_stamp(start_ms)} --> {_stamp(end_ms)}\n<v {voice}>{words}\n"


def _stamp(ms: int) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
