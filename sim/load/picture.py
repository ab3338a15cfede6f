"""Delay and CPU against the number of calls, the bridge beside the guide's algorithm."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from sim.load.budgets import Cell
from sim.load.report import is_saturated
from sim.load.run import Result

SIZE_INCHES = (11, 7.5)
DPI = 110

COLOURS = ("#1b6ca8", "#d1495b", "#8d99ae")

Figure = Callable[[Result], float]


def draw(path: Path, cells: Sequence[Cell], title: str) -> None:
    """Write the picture as PNG."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- after the backend is chosen

    profiles = sorted({cell[0].profile for cell in cells})
    figure, grid = plt.subplots(2, len(profiles), figsize=SIZE_INCHES, squeeze=False)
    for column, profile in enumerate(profiles):
        chosen = [cell for cell in cells if cell[0].profile == profile]
        upper, lower = grid[0][column], grid[1][column]
        _plot(upper, chosen, _delay_ms, f"{profile}: {_DELAYS[profile]}, p50, ms")
        upper.set_yscale("log")
        _plot(lower, chosen, lambda r: r.costs.bridge_cpu_ms, f"{profile}: CPU a call-second, ms")
        lower.set_ylim(bottom=0)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


_DELAYS = {"echo": "round trip", "talk": "one way up"}


def _delay_ms(result: Result) -> float:
    return result.findings.spread("round_trip" if result.profile == "echo" else "up").p50


def _plot(axes: Any, cells: Sequence[Cell], tell: Figure, title: str) -> None:
    targets = max(map(len, cells))
    for index in range(targets):
        results = [cell[index] for cell in cells if len(cell) > index]
        x = [result.calls for result in results]
        y = [tell(result) for result in results]
        axes.plot(x, y, "o-", color=COLOURS[index], label=results[0].target)
        for result in results:
            if is_saturated(result):
                spot = (result.calls, tell(result))
                axes.annotate(
                    "saturated",
                    spot,
                    fontsize=7,
                    xytext=(0, 5),
                    ha="center",
                    textcoords="offset points",
                )
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("calls")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
