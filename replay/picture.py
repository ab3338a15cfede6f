"""A call at a glance: two lanes of sound, the caller above the agent, and what happened on them.

Matplotlib is asked for only when a picture is drawn: it takes half a second to load.
"""

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO

from replay.clock import BYTES_PER_MS
from replay.timeline import Timeline
from replay.tracks import Track
from shared.sound import DECODE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 1600, 600, 100

_CALLER, _AGENT, _LOST, _ALERT, _FAINT = "#1f6f8b", "#3a7d44", "#b0b0b0", "#c0392b", "#666666"
_CALLER_Y, _AGENT_Y, _REACH = 1.0, -1.0, 0.55

# Points worked out at once: more cost memory, fewer cost time.
_AT_ONCE = 100

# Labels of a lane take turns in rows, so that those of short turns do not lie on each other.
_ROWS = 3
_LETTER_PX = 6.0

# Loudest sample to its share of the lane, by mu-law byte.
_LEVELS = bytes(min(255, abs(sample) >> 7) for sample in DECODE)


def draw(call: Timeline, title: str, file: BinaryIO) -> None:
    """Draw the call into a PNG file."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    axes = figure.add_axes((0.05, 0.09, 0.94, 0.83))
    seconds = max(call.duration_ms / 1000, 0.1)
    axes.set_xlim(0, seconds)
    axes.set_ylim(-2.35, 2.35)
    axes.set_yticks([_CALLER_Y, _AGENT_Y], ["caller", "agent"])
    axes.set_xlabel("seconds")
    axes.set_title(title, fontsize=10, parse_math=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    _lanes(axes, call)
    _labels(axes, call, seconds)
    _happenings(axes, call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks is a box
        figure.savefig(file, format="png")


def envelope(track: Track, duration_ms: float, points: int = WIDTH) -> list[float]:
    """The loudest sample of each of so many equal parts, 0 to 1."""
    length = round(duration_ms * BYTES_PER_MS)
    bounds = [length * point // points for point in range(points + 1)]
    loud: list[float] = []
    for first in range(0, points, _AT_ONCE):
        part = bounds[first : first + _AT_ONCE + 1]
        levels = track.window(part[0], part[-1]).translate(_LEVELS)
        edges = pairwise(bound - part[0] for bound in part)
        loud += [max(levels[start:end], default=0) / 255 for start, end in edges]
    return loud


def _lanes(axes: "Axes", call: Timeline) -> None:
    for track, middle, color in ((call.caller, _CALLER_Y, _CALLER), (call.agent, _AGENT_Y, _AGENT)):
        loud = envelope(track, call.duration_ms)
        times = [call.duration_ms / 1000 * point / len(loud) for point in range(len(loud))]
        above = [middle + _REACH * level for level in loud]
        below = [middle - _REACH * level for level in loud]
        axes.fill_between(times, below, above, color=color, linewidth=0.3)


def _labels(axes: "Axes", call: Timeline, seconds: float) -> None:
    turns = [(turn.start_ms, turn.text, _CALLER) for turn in call.turns]
    said = [
        (span.start_ms, span.heard + (" ..." if span.was_cut else ""), _AGENT)
        for span in call.spans
        if span.is_heard
    ]
    _rows(axes, turns, seconds, _CALLER_Y + _REACH + 0.12, 0.2)
    _rows(axes, said, seconds, _AGENT_Y - _REACH - 0.25, -0.2)


def _rows(
    axes: "Axes", labels: Sequence[tuple[int, str, str]], seconds: float, first: float, step: float
) -> None:
    """Write labels where they begin, each shortened to the room before the next of its row."""
    for number, (ms, text, color) in enumerate(labels):
        row = number % _ROWS
        following = labels[number + _ROWS : number + _ROWS + 1]
        until = following[0][0] / 1000 if following else seconds
        room = int((until - ms / 1000) / seconds * WIDTH * 0.94 / _LETTER_PX)
        _write(axes, ms / 1000, first + row * step, shortened(text, room), color)


def shortened(text: str, room: int) -> str:
    """As much of a text as so many letters hold."""
    plain = " ".join(text.split())
    if len(plain) <= room:
        return plain
    return plain[: room - 3].rstrip() + "..." if room > 6 else ""


def _happenings(axes: "Axes", call: Timeline) -> None:
    for ms in call.barge_ins:
        axes.axvline(ms / 1000, color=_ALERT, linewidth=1.2, linestyle="--")
        _write(axes, ms / 1000, 2.2, "barge-in", _ALERT)
    for answer in call.answers:
        said = answer.ms / 1000
        axes.plot([said - answer.silence_ms / 1000, said], [0, 0], color=_FAINT, linewidth=1)
        _write(axes, said, 0.06, f"{answer.silence_ms / 1000:.1f} s", _FAINT, ha="right")
    for digits in call.digits:
        _write(axes, digits.ms / 1000, 0.25, f"keys {len(digits.digits)}", _CALLER)
    for tool in call.tools:
        _write(axes, tool.ms / 1000, -0.25, tool.name, _FAINT)


def _write(axes: "Axes", x: float, y: float, text: str, color: str, **more: Any) -> None:
    axes.text(x, y, text, color=color, fontsize=8, clip_on=True, parse_math=False, **more)
