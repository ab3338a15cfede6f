"""Calls that join and leave while all others run: are they served, and does anybody suffer?

Guests come one at a time, half of them by a webhook, as with `<Connect action>`: their agent is
ready before their socket comes. How long others' frames take in the quarter of a second from each
coming and going is held against the quarter just before it, in which nothing happened: what a
noisy machine does to both is no fault of the guest's.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter as clock
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from sim.load.phone import Phone, sid

if TYPE_CHECKING:
    from sim.load.generator import Generator

WINDOW_S = 0.25
"""Before and after each coming and going."""

RINGS_S = 0.5
"""From the webhook to the socket: the caller hears a notice meanwhile."""

SERVED_WITHIN_S = 3.0
WEBHOOK_WITHIN_S = 5.0

_TOKEN = re.compile(r'<Parameter name="token" value="([^"]+)"')


async def come_and_go(generator: "Generator") -> None:
    """Let guests join and leave, and note how it was for them and for the others."""
    watched = generator.tally.watched = []
    moments: list[float] = []
    for guest in range(generator.plan.guests):
        number = generator.plan.calls + guest
        rings = guest % 2 == 1 and bool(generator.plan.webhooks)
        with suppress(OSError, TimeoutError):
            await _visit(generator, number, moments, rings=rings)
        if generator.stopped.is_set():
            break
    generator.tally.watched = None
    for name, delays in around(watched, moments).items():
        for delay in delays:
            generator.tally.always(name, delay)


async def _visit(generator: "Generator", number: int, moments: list[float], *, rings: bool) -> None:
    parameters = await _ring(generator.plan.webhooks, number) if rings else {}
    if rings:
        await generator.pause(RINGS_S)
    await generator.pause(WINDOW_S)
    moments.append(clock())
    phone = await generator.call(number, parameters, is_late=True)
    await generator.wait_for(lambda: _is_served(generator, phone), SERVED_WITHIN_S)
    _note(generator, phone, "webhook" if rings else "bin")
    phone.is_silent = True
    await generator.pause(2 * WINDOW_S)
    moments.append(clock())
    phone.call.leave()
    phone.stop()
    await generator.pause(WINDOW_S)


def _is_served(generator: "Generator", phone: Phone) -> bool:
    """Whether the guest has heard the agent and, where that is to be, himself."""
    call, echoes = phone.call, generator.house.echoes
    has_all = call.is_greeted and (call.returned_after is not None or not echoes)
    return has_all or generator.stopped.is_set()


def _note(generator: "Generator", phone: Phone, how: str) -> None:
    call, always = phone.call, generator.tally.always
    if call.greeted_after is not None:
        always(f"join_{how}_greeting", call.greeted_after)
    if call.returned_after is not None:
        always(f"join_{how}_echo", call.returned_after)
    elif generator.house.echoes:
        generator.tally.counts["guests_not_served"] += 1


def around(
    watched: Sequence[tuple[float, float]], moments: Sequence[float]
) -> dict[str, list[float]]:
    """Others' delays just after, and just before, the moments at which something happened."""
    found: dict[str, list[float]] = {"others_at_change": [], "others_before": []}
    for departed, delay in watched:
        arrived = departed + delay
        if any(moment <= arrived and departed < moment + WINDOW_S for moment in moments):
            found["others_at_change"].append(delay)
        elif any(moment - WINDOW_S <= departed and arrived < moment for moment in moments):
            found["others_before"].append(delay)
    return found


async def _ring(webhooks: Sequence[str], number: int) -> dict[str, str]:
    """What the carrier asks when a call rings. Returns the stream's parameters.

    Raises:
        OSError, TimeoutError: If there is no answer, or it has no stream for us.
    """
    url = urlsplit(webhooks[number % len(webhooks)])
    form = {
        "CallSid": sid("CA", number),
        "From": "+15550100000",
        "To": "+15550199999",
        "CallStatus": "ringing",
        "Direction": "inbound",
    }
    body = urlencode(form)
    async with asyncio.timeout(WEBHOOK_WITHIN_S):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        document = (await reader.read()).decode(errors="replace")
        writer.close()
    found = _TOKEN.search(document)
    if found is None:
        raise OSError("the webhook's answer has no stream")
    return {"token": found[1]}
