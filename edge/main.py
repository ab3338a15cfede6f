"""The edge's process: a server around the app, and signals of our own.

uvicorn closes every socket the moment it is told to stop (1012), which would cut
every call. So SIGTERM is ours: not ready any more, calls move to another edge in
moments when nobody speaks; with no other edge, and for calls that cannot move, they go
on to their end or to DRAIN_S; and only then is the server told.
"""

import asyncio
import logging
import resource
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

import uvloop

from edge.answers import Answers, read_answers
from edge.app import Face, make_app
from edge.desk import Desk
from edge.fleet import Fleet
from edge.metrics import EdgeMetrics
from edge.server import make_server
from shared import garbage, logs
from shared.bus import Pauses, Registry, checks, open_bus
from shared.metrics import metrics
from shared.probes import is_free
from shared.settings import BadSetting, Settings, read

log = logging.getLogger("edge")

# With hundreds of calls: frames of all callers gather, and are written together. The worker reads
# them less often than that.
PAUSES = Pauses(writing=0.020)

# A socket that is closed makes Twilio ask `/twilio/after`. Somebody must be there to answer.
ASKS_WITHIN_S = 2.0


async def serve(settings: Settings, answers: Answers) -> int:
    """Run an edge until SIGTERM or SIGINT."""
    asyncio.get_running_loop().set_exception_handler(logs.of_loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process = f"edge-{secrets.token_hex(4)}"
    async with open_bus(settings.redis_url, process, settings.lanes, PAUSES) as bus:
        registry = Registry(bus)
        fleet = Fleet(bus, registry)
        face = Face(Desk(bus, registry, settings, fleet, answers))
        server = make_server(make_app(face), settings)
        shown = metrics(settings, bus, lambda: face.is_ready, EdgeMetrics(face))
        async with shown, asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(), name="uvicorn")
            stopping = tasks.create_task(stop.wait(), name="stop")
            looking = tasks.create_task(fleet.run(), name="fleet")
            checking = tasks.create_task(checks.warn(bus), name="checks")
            place = f"{settings.bind_host}:{settings.port}"
            log.info("edge started", extra={"edge": process, "address": place})
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await _drain(face, settings.drain_s)
            server.should_exit = True
            await serving
            looking.cancel()
            checking.cancel()
    log.info("edge stopped", extra={"edge": process})
    return 0


async def _drain(face: Face, within_s: float) -> None:
    face.desk.fleet.drain(within_s)
    log.info("draining", extra={"calls": face.calls})
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while face.calls:
                await face.is_idle.wait()
                await asyncio.sleep(ASKS_WITHIN_S)
    log.info("drained", extra={"moved": face.moved, "calls": face.calls})


def _allow_sockets() -> None:
    """As many descriptors as the system lets us have: strangers who stand about need some, too."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(environ: Mapping[str, str]) -> int:
    """An edge: exit status 0 after a signal, 2 if something is set wrongly."""
    try:
        settings = read(environ).checked_for_edge()
        answers = read_answers(settings)
    except BadSetting as exc:
        sys.stderr.write(f"edge: {exc}\n")
        return 2
    places = {
        "PORT": (settings.bind_host, settings.port),
        "METRICS_PORT": (settings.metrics_host, settings.metrics_port),
    }
    for key, (host, port) in places.items():
        if not is_free(host, port):
            sys.stderr.write(f"edge: {key}: {port} on {host} cannot be used\n")
            return 2
    logs.setup(settings.log_level, settings.log_format, "edge")
    _allow_sockets()
    garbage.tame()
    return uvloop.run(serve(settings, answers))
