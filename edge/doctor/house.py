"""Redis, and who lives on it: workers to serve calls, edges to take them."""

import asyncio
import secrets
from collections.abc import Iterator

from edge.doctor.finding import Finding, bad, ok, skipped
from shared.bus import BusError
from shared.bus.survey import Survey, survey
from shared.settings import Settings

# Sound crosses Redis twice each way, so this is heard, and mostly means: another continent.
FAR_MS = 20.0


def look(settings: Settings) -> Survey | BusError:
    """Ask Redis; or why it cannot be asked."""
    if not settings.redis_url:
        return BusError("REDIS_URL is not set here (`make run` has a Redis of its own)")
    process = f"check-{secrets.token_hex(4)}"
    try:
        return asyncio.run(survey(settings.redis_url, process, settings.lanes))
    except BusError as exc:
        return exc


def findings(told: Survey | BusError) -> Iterator[Finding]:
    """What that says."""
    if isinstance(told, BusError):
        yield bad("redis", str(told), "look at REDIS_URL, and whether Redis runs")
        yield skipped("workers", "Redis knows")
        yield skipped("edges", "Redis knows")
        return
    yield from _redis(told)
    yield _alive("workers", told.workers, f"calls under way: {told.live}")
    yield _alive("edges", told.edges, ", ".join(sorted(told.edges)))


def _redis(told: Survey) -> Iterator[Finding]:
    for complaint in told.complaints:
        what, _, todo = complaint.removeprefix("redis: ").rpartition(": ")
        yield bad("redis", what, todo)
    if told.round_trip_ms > FAR_MS:
        far = f"a round trip takes {told.round_trip_ms:.0f} ms, which callers hear"
        yield bad("redis", far, "run Redis near edge and worker")
    elif not told.complaints:
        version = f"version {told.version}" if told.version else "it does not tell its version"
        yield ok("redis", f"{version}, a round trip takes {told.round_trip_ms:.1f} ms")


def _alive(name: str, alive: frozenset[str], more: str) -> Finding:
    if not alive:
        one = name.removesuffix("s")
        return bad(name, "none is alive on this Redis", f"start one: python -m {one}")
    return ok(name, f"{len(alive)} alive; {more}")
