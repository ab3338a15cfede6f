"""The edge's process: uvicorn around the app, and signals of our own.

uvicorn closes every socket the moment it is told to stop (1012), which would cut
every call. So SIGTERM is ours: not ready any more, live calls go on to their end
or to DRAIN_S, and only then is the server told.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
import uvloop

from edge.app import Face, make_app
from edge.call import Desk
from edge.fleet import Fleet
from shared import logs
from shared.bus import Registry, open_bus
from shared.settings import BadSetting, Settings, read

log = logging.getLogger("edge")

# Twilio's frames are below 1 KB; anything above this closes the socket with 1009.
MAX_FRAME = 64 * 1024

# An idle HTTP connection is the client's to close: one that the server closes just as the next
# webhook is written loses it. Proxies give up after a minute, uvicorn by itself after 5 s.
KEEP_ALIVE_S = 75

# A socket that is closed makes Twilio ask `/twilio/after`. Somebody must be there to answer.
ASKS_WITHIN_S = 2.0


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(face: Face, settings: Settings) -> _Server:
    config = uvicorn.Config(
        make_app(face),
        host=settings.bind_host,
        port=settings.port,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


async def serve(settings: Settings) -> int:
    """Run an edge until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process = f"edge-{secrets.token_hex(4)}"
    async with open_bus(settings.redis_url, process, settings.lanes) as bus:
        registry = Registry(bus)
        fleet = Fleet(bus, registry)
        face = Face(Desk(bus, registry, settings, fleet))
        server = _server(face, settings)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(), name="uvicorn")
            stopping = tasks.create_task(stop.wait(), name="stop")
            looking = tasks.create_task(fleet.run(), name="fleet")
            place = f"{settings.bind_host}:{settings.port}"
            log.info("edge started", extra={"edge": process, "address": place})
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await _drain(face, settings.drain_s)
            server.should_exit = True
            await serving
            looking.cancel()
    log.info("edge stopped", extra={"edge": process})
    return 0


async def _drain(face: Face, within_s: float) -> None:
    face.is_draining = True
    log.info("draining", extra={"calls": face.calls})
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while face.calls:
                await face.is_idle.wait()
                await asyncio.sleep(ASKS_WITHIN_S)


def _is_free(host: str, port: int) -> bool:
    """Whether the edge can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True


def main() -> int:
    """`python -m edge`: exit status 0 after a signal, 2 if something is set wrongly."""
    try:
        settings = read(os.environ).checked_for_edge()
    except BadSetting as exc:
        sys.stderr.write(f"edge: {exc}\n")
        return 2
    if not _is_free(settings.bind_host, settings.port):
        sys.stderr.write(f"edge: PORT: {settings.port} on {settings.bind_host} cannot be used\n")
        return 2
    logs.setup(settings.log_level, settings.log_format, "edge")
    return uvloop.run(serve(settings))
