"""A run's results as a table: one column a target, one row a figure, and the ratios below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.load.meters import cores
from sim.load.run import RAW_BYTES_A_SECOND, Result
from sim.load.statistics import Spread

LATE_P99_MS = 5.0
BUSY_CORES = 0.8
FULL = 0.95

SLOW = 0.8
"""Below so much of a core's best pace, figures say as much of the machine as of the bridge."""

SATURATED_CORES = 0.95
"""A process with one loop that uses so much of a core cannot do more."""

GAP = "  "
NOTHING = "-"

ROLES = ("edge", "worker", "redis", "guide", "generator")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: what it is called, and how a result tells it."""

    label: str
    tell: Callable[[Result], str]


def _times(spread: Spread) -> str:
    if not spread.count:
        return NOTHING
    return f"{spread.p50:.1f} / {spread.p95:.1f} / {spread.p99:.1f} / {spread.max:.1f}"


def _spread_row(label: str, name: str) -> Row:
    return Row(label, lambda result: _times(result.findings.spread(name)))


def _count_row(label: str, name: str) -> Row:
    return Row(label, lambda result: f"{result.findings.count(name):,}")


def _cpu_row(role: str) -> Row:
    def tell(result: Result) -> str:
        if role not in result.costs.cpu_ms:
            return NOTHING
        return f"{result.costs.cpu_ms[role]:.2f}  ({result.costs.cores[role]:.2f} cores)"

    return Row(f"CPU {role}, ms a call-second", tell)


def _redis(tell: Callable[[Result], str]) -> Callable[[Result], str]:
    return lambda result: tell(result) if "redis" in result.costs.cpu_ms else NOTHING


def disturbance_ms(result: Result) -> float | None:
    """How much longer others' slowest frame took when a call joined or left than just before.

    The median of all comings, or of all goings: whichever is worse.
    """
    extra = [result.findings.spread(f"others_extra_at_{what}") for what in ("join", "leave")]
    return max((each.p50 for each in extra if each.count), default=None)


def memory_ratio(result: Result) -> float:
    """What Redis keeps of a call's sound, as a multiple of the sound itself."""
    findings = result.findings
    total = findings.count("sent") + findings.count("spoken")
    share = total / max(1, findings.count("sent"))
    return result.costs.redis_memory / (RAW_BYTES_A_SECOND * share)


ROWS = (
    Row("calls that ran", lambda result: f"{result.findings.calls} of {result.calls}"),
    _spread_row("one way up, ms", "up"),
    _spread_row("one way down, ms", "down"),
    _spread_row("round trip, ms", "round_trip"),
    _spread_row("barge-in to clear, ms", "barge_in"),
    _spread_row("start to greeting, ms", "greeting"),
    _spread_row("guest: start to greeting, ms", "join_bin_greeting"),
    _spread_row("guest: start to heard by the agent, ms", "join_bin_heard"),
    _spread_row("guest: start to first echo, ms", "join_bin_echo"),
    _spread_row("guest by webhook: greeting, ms", "join_webhook_greeting"),
    _spread_row("guest by webhook: heard by the agent, ms", "join_webhook_heard"),
    _spread_row("guest by webhook: first echo, ms", "join_webhook_echo"),
    _spread_row("others' frames before a change, ms", "others_before"),
    _spread_row("others' frames at a change, ms", "others_at_change"),
    _spread_row("others' slowest frame: extra as one joins, ms", "others_extra_at_join"),
    _spread_row("others' slowest frame: extra as one leaves, ms", "others_extra_at_leave"),
    *(_cpu_row(role) for role in ROLES),
    Row("others on this machine, cores", lambda result: f"{result.costs.others_cores:.2f}"),
    Row("pace of a core, of its best", lambda result: f"{result.costs.pace:.0%}"),
    Row("memory a call, KB", lambda result: f"{result.costs.rss_kb:.0f}"),
    Row("Redis commands a call-second", _redis(lambda r: f"{r.costs.redis_commands:.1f}")),
    Row("Redis bytes a call-second", _redis(lambda r: f"{r.costs.redis_bytes:,.0f}")),
    Row("Redis memory to raw sound", _redis(lambda r: f"{memory_ratio(r):.2f}")),
    _count_row("caller frames sent", "sent"),
    _count_row("caller frames heard by the agent", "heard"),
    _count_row("agent frames sent", "spoken"),
    _count_row("agent frames returned to the phone", "returned"),
    _count_row("agent frames taken back", "taken_back"),
    _count_row("frames lost", "lost"),
    _count_row("frames overdue at the end", "overdue"),
    _count_row("frames out of order", "out_of_order"),
    _count_row("frames at the wrong call", "strayed"),
    _count_row("barge-ins", "barge_ins"),
    _count_row("barge-ins without clear", "barge_ins_without_clear"),
    _count_row("stale bytes after a clear", "stale_bytes"),
    _count_row("calls failed", "calls_failed"),
    _spread_row("generator's lateness, ms", "lateness"),
)


def table(results: Sequence[Result]) -> str:
    """All results side by side."""
    cells = [["p50 / p95 / p99 / max", *(result.target for result in results)]]
    for row in ROWS:
        told = [row.tell(result) for result in results]
        if any(each != NOTHING for each in told):
            cells.append([row.label, *told])
    return aligned(cells)


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        padded = [each.rjust(width) for each, width in zip(rest, widths[1:], strict=True)]
        lines.append(GAP.join([first.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def ratios(bridge: Result, base: Result) -> list[str]:
    """The bridge against the guide's algorithm, on the same load in the same run."""
    lines = []
    if bridge.costs.cpu_ms and base.costs.cpu_ms:
        ours, theirs = bridge.costs.bridge_cpu_ms, base.costs.bridge_cpu_ms
        note = " (it is saturated)" if is_saturated(base) else ""
        lines.append(
            f"CPU a call-second: {ours:.2f} ms, {base.target} {theirs:.2f} ms{note}:"
            f" {ours / max(theirs, 1e-9):.2f} x"
        )
    for name, label in (("round_trip", "round trip"), ("up", "up"), ("barge_in", "barge-in")):
        ours_ms, theirs_ms = bridge.findings.spread(name), base.findings.spread(name)
        if ours_ms.count and theirs_ms.count:
            lines.append(
                f"{label} p50: {ours_ms.p50:.1f} ms, {base.target} {theirs_ms.p50:.1f} ms:"
                f" {ours_ms.p50 / max(theirs_ms.p50, 1e-3):.2f} x"
            )
    return lines


def is_saturated(result: Result) -> bool:
    """Whether a process of the target has no more to give, so that its figures are its limits."""
    roles = {role: each for role, each in result.costs.cores.items() if role != "generator"}
    return any(each > SATURATED_CORES for each in roles.values())


def warnings(result: Result) -> list[str]:
    """What must be known before these figures are believed."""
    found = []
    late = result.findings.spread("lateness").p99
    busy = result.costs.cores.get("generator", 0.0)
    if late > LATE_P99_MS or busy > BUSY_CORES:
        found.append(
            f"WARNING ({result.target}): the generator, not the bridge, is the bottleneck:"
            f" {late:.1f} ms late (p99), {busy:.0%} of a core"
        )
    total = sum(result.costs.cores.values()) + result.costs.others_cores
    if total > cores() * FULL:
        found.append(
            f"WARNING ({result.target}): {total:.1f} of {cores()} cores were busy:"
            " delays are the machine's as much as anybody's"
        )
    if result.costs.others_cores > total / 10:
        found.append(
            f"WARNING ({result.target}): other programs used {result.costs.others_cores:.1f} of"
            f" {total:.1f} busy cores"
        )
    if result.costs.pace < SLOW:
        found.append(
            f"WARNING ({result.target}): a core ran at {result.costs.pace:.0%} of its best pace, as"
            " one that shares its hardware or is slow to wake: its work took so much longer"
        )
    return found
