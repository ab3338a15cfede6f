"""Many at once, and some who take their time."""

import asyncio
from collections import Counter
from contextlib import suppress

from sim.attacks import sockets, webhooks
from sim.attacks.attack import Try, attack
from sim.attacks.fort import ANSWERED_WITHIN_S, Fort
from sim.attacks.sockets import OVERHEARD, REFUSED
from sim.attacks.webhooks import FORBIDDEN

MANY = 200
CUT_OFF = "cut off"

HEAD = b"POST /twilio/voice HTTP/1.1\r\nHost: voice.example.com\r\n"


async def _at_once(attempt: Try, fort: Fort, times: int) -> Counter[str]:
    got = await asyncio.gather(*(attempt(fort) for _ in range(times)))
    return Counter(map(str, got))


@attack(f"{MANY} forged webhooks at once", FORBIDDEN, is_slow=True)
async def forged_webhooks(fort: Fort) -> Counter[str]:
    return await _at_once(webhooks.forged.do, fort, MANY)


@attack(f"{MANY} unsigned sockets at once", FORBIDDEN, is_slow=True)
async def unsigned_sockets(fort: Fort) -> Counter[str]:
    return await _at_once(sockets.unsigned.do, fort, MANY)


@attack(f"{MANY} slow handshakes: half a request", CUT_OFF, is_slow=True)
async def half_requests(fort: Fort) -> Counter[str]:
    return await _at_once(_half_a_request, fort, MANY)


@attack(f"{MANY} requests whose body does not come", "HTTP 408", is_slow=True)
async def half_bodies(fort: Fort) -> Counter[str]:
    return await _at_once(_half_a_body, fort, MANY)


@attack(f"{MANY + 100} sockets that never start", REFUSED, FORBIDDEN, is_slow=True)
async def silent_sockets(fort: Fort) -> Counter[str]:
    return await _at_once(_nothing, fort, MANY + 100)


async def _nothing(fort: Fort) -> str:
    return await fort.knock(signed=OVERHEARD)


async def _half_a_request(fort: Fort) -> str:
    return await _dial(fort, b"GET /twilio HTTP/1.1\r\nHost: ")


async def _half_a_body(fort: Fort) -> str:
    return await _dial(fort, HEAD + b"Content-Length: 99\r\n\r\nCallSid=CA")


async def _dial(fort: Fort, said: bytes) -> str:
    """Say no more than this, and wait for what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", fort.house.stack.port)
    writer.write(said)
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            with suppress(ConnectionError):
                status = await reader.readline()
                return f"HTTP {status.split()[1].decode()}" if status else CUT_OFF
            return CUT_OFF
    except TimeoutError:
        return "left waiting"
    finally:
        writer.transport.abort()
