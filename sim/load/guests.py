"""Calls that join and leave while all others run: are they served, and does anybody suffer?

Guests come one at a time, half of them by a webhook, as with `<Connect action>`: their agent is
ready before their socket comes. Of others' frames that arrive in the quarter of a second from each
ringing, coming and going, the slowest is held against the slowest in the quarter just before, in
which nothing happened. On a noisy machine one such pair says little; their median tells.

What a guest hears is timed by the kernel's clock, when it comes to his socket: that this process
has hundreds of other calls to see to first is no wait of his.
"""

import asyncio
import re
from array import array
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from sim.load.phone import Phone, sid

if TYPE_CHECKING:
    from sim.load.generator import Generator

WINDOW_S = 0.25
"""Before and after each coming and going."""

SERVED_WITHIN_S = 3.0
WEBHOOK_WITHIN_S = 5.0

_TOKEN = re.compile(r'<Parameter name="token" value="([^"]+)"')

T = TypeVar("T")


async def come_and_go(generator: "Generator") -> None:
    """Let guests join and leave, and note how it was for them and for the others."""
    for guest in range(generator.plan.guests):
        rings = guest % 2 == 1 and bool(generator.plan.webhooks)
        with suppress(OSError, TimeoutError):
            await _visit(generator, generator.plan.calls + guest, rings=rings)
        if generator.stopped.is_set():
            break


async def _visit(generator: "Generator", number: int, *, rings: bool) -> None:
    parameters = {}
    if rings:
        ringing = _ring(generator.plan.webhooks, number)
        parameters = await _change(generator, "join", ringing)
        await generator.pause(WINDOW_S)
    joining = generator.call(number, parameters, is_late=True)
    phone = await _change(generator, "join", joining)
    await generator.wait_for(lambda: _is_served(generator, phone), SERVED_WITHIN_S)
    _note(generator, phone, "webhook" if rings else "bin")
    phone.is_silent = True
    await generator.pause(WINDOW_S)
    await _change(generator, "leave", _leave(phone))


async def _leave(phone: Phone) -> None:
    phone.call.leave()
    phone.stop()


async def _change(generator: "Generator", what: str, change: Coroutine[Any, Any, T]) -> T:
    """Make a change, and note how others' frames fare as it is made, and just before."""
    always = generator.tally.always
    before = await _watch(generator)
    watching = asyncio.create_task(_watch(generator), name=f"guest:{what}")
    await asyncio.sleep(0)  # it watches
    try:
        return await change
    finally:
        at_change = await watching
        for name, delays in (("before", before), ("at_change", at_change)):
            for delay in delays:
                always(f"others_{name}", delay)
        if before and at_change:
            always(f"others_extra_at_{what}", max(at_change) - max(before))


async def _watch(generator: "Generator") -> "array[float]":
    """The delays of others' frames that arrive in the next moment."""
    watched = generator.tally.watched = array("d")
    await generator.pause(WINDOW_S)
    generator.tally.watched = None
    return watched


def _is_served(generator: "Generator", phone: Phone) -> bool:
    """Whether guest and agent have heard each other and, where that is to be, he himself."""
    call, echoes = phone.call, generator.house.echoes
    is_served = call.is_greeted and call.is_heard
    has_all = is_served and (call.returned_after is not None or not echoes)
    return has_all or generator.stopped.is_set()


def _note(generator: "Generator", phone: Phone, how: str) -> None:
    call, always = phone.call, generator.tally.always
    if call.greeted_after is not None:
        always(f"join_{how}_greeting", call.greeted_after)
    if call.heard_after is not None:
        always(f"join_{how}_heard", call.heard_after)
    if call.returned_after is not None:
        always(f"join_{how}_echo", call.returned_after)
    elif generator.house.echoes:
        generator.tally.counts["guests_not_served"] += 1


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
