"""Two calls side by side as one HTML file that needs nothing else."""

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from html import escape

from replay.difference import UNSCORED, Difference, Row, verdict, words
from replay.exchanges import Exchange, Sentence
from replay.recording import Recording
from replay.report import cause, length_ms, started
from replay.terminal import clock

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --no: #d33; --was: #d333; --is: #2a73; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.3rem } code { font-size: .85em }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { border-top: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
th:first-child { width: 6rem; font-weight: 400; opacity: .7 }
tbody tr:first-child > * { border-top-width: 3px }
tr.differs > th { color: var(--no); opacity: 1; font-weight: 600 }
tr.differs > th::after { content: " \\2260" }
del { background: var(--was); text-decoration: none }
ins { background: var(--is); text-decoration: none }
.unheard { opacity: .5; text-decoration: line-through }
tbody.unscored { opacity: .55 } caption, .note { text-align: left; opacity: .7; font-style: italic }
.verdict { font-size: 1.1rem; font-weight: 600 }
"""


def page(difference: Difference) -> str:
    """The whole file."""
    a, b = difference.a, difference.b
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{a.call_sid} and {b.call_sid}</title><style>{_STYLE}</style>",
        f"<h1>Two calls</h1><p class='verdict'>{escape(verdict(difference))}</p><table>",
        f"<thead><tr><th></th><th>{_head(a)}</th><th>{_head(b)}</th></tr></thead>",
        *(_body(row) for row in difference.rows),
        "<tbody>",
        *_whole(difference),
        "</tbody></table>",
        "<p class='note'>Struck through: said, and not heard. Pale: not scored.</p></html>\n",
    ]
    return "\n".join(parts)


def _head(recording: Recording) -> str:
    agent = escape(recording.call.agent or "default")
    note = f"<br>a replay of <code>{recording.call.replays}</code>"
    return (
        f"<code>{recording.call_sid}</code><br>agent {agent}, {started(recording) or '?'}"
        f"{note if recording.call.replays else ''}"
    )


def _body(row: Row) -> str:
    cells = "\n".join(_cells(row))
    if row.is_scored:
        return f"<tbody>{cells}</tbody>"
    note = f"<tr><th></th><td class='note' colspan='2'>{UNSCORED}</td></tr>"
    return f"<tbody class='unscored'>{note}{cells}</tbody>"


def _cells(row: Row) -> Iterator[str]:
    """What there is of an exchange in either call, a line each."""
    nothing = Exchange("")
    a, b = row.a or nothing, row.b or nothing
    is_lacking = "turn" in row.differs_in
    yield _tr("caller", *_caller(row), differs=is_lacking or "caller" in row.differs_in)
    if "agent" in row.differs_in and not (_is_cut(a) or _is_cut(b)):
        yield _tr("agent", *_words(a.agent, b.agent), differs=True)
    else:
        yield _tr("agent", _said(a), _said(b), differs="agent" in row.differs_in)
    for name, tell in _DETAILS.items():
        ours, theirs = tell(a), tell(b)
        if ours or theirs:
            yield _tr(name, ours, theirs, differs=name in row.differs_in)


def _caller(row: Row) -> tuple[str, str]:
    if row.a and row.b and (row.a.caller or row.b.caller):
        return _words(row.a.caller, row.b.caller)
    began = "<em>the call begins</em>"
    ours, theirs = (escape(e.caller) or began if e else "" for e in (row.a, row.b))
    return ours, theirs


_DETAILS: dict[str, Callable[[Exchange], str]] = {
    "tools": lambda each: "<br>".join(escape(str(tool)) for tool in each.tools),
    "barge-in": lambda each: "interrupted" if each.was_interrupted else "",
    "latency": lambda each: "" if each.latency_ms is None else f"{each.latency_ms} ms",
}


def _whole(difference: Difference) -> Iterator[str]:
    both = (difference.a, difference.b)
    ends = (escape(cause(each) or "going on") for each in both)
    yield _tr("end", *ends, differs="end" in difference.differs_in)
    lengths = (clock(length_ms(each)) for each in both)
    yield _tr("total", *lengths, differs="total" in difference.differs_in)


def _tr(name: str, a: str, b: str, *, differs: bool = False) -> str:
    style = " class='differs'" if differs else ""
    return f"<tr{style}><th>{name}</th><td>{a}</td><td>{b}</td></tr>"


def _is_cut(exchange: Exchange) -> bool:
    return exchange.heard != exchange.agent


def _said(exchange: Exchange) -> str:
    """The agent's sentences, with what was not heard of them struck through."""
    return " ".join(map(_sentence, exchange.sentences.values()))


def _sentence(sentence: Sentence) -> str:
    heard, text = sentence.heard, sentence.text
    if heard == text or not text.startswith(heard):
        return escape(text)
    rest = text[len(heard) :]
    return f"{escape(heard)}<span class='unheard'>{escape(rest)}</span>"


def _words(a: str, b: str) -> tuple[str, str]:
    """Two texts, with the words marked that only one of them has."""
    ours, theirs = a.split(), b.split()
    spelt = [[" ".join(words(each)) for each in text] for text in (ours, theirs)]
    left, right = [], []
    matched = SequenceMatcher(None, spelt[0], spelt[1], autojunk=False)
    for what, i, i_end, j, j_end in matched.get_opcodes():
        old, new = (escape(" ".join(part)) for part in (ours[i:i_end], theirs[j:j_end]))
        is_same = what == "equal"
        left.append(old if is_same or not old else f"<del>{old}</del>")
        right.append(new if is_same or not new else f"<ins>{new}</ins>")
    return " ".join(filter(None, left)), " ".join(filter(None, right))
