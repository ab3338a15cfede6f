"""Phone sockets that no call of Twilio's has opened."""

from uuid import uuid4

from sim.attacks.attack import attack
from sim.attacks.fort import SOCKET, VOICE, Fort, sign, start
from sim.attacks.webhooks import FORBIDDEN
from sim.phone.wire import CONNECTED

REFUSED = "closed 1008"
TOO_LARGE = "closed 1009"

OVERHEARD = sign(SOCKET)
"""The same for each call, so it can be repeated: from here on a token has to help."""

RUBBISH = 60
"""More than the edge reads of it."""


@attack("socket without a signature", FORBIDDEN)
async def unsigned(fort: Fort) -> str:
    return await fort.knock(CONNECTED, start(fort.ringing.call_sid, token=fort.ringing.token))


@attack("socket signed with another key", FORBIDDEN)
async def forged(fort: Fort) -> str:
    return await fort.knock(signed=sign(SOCKET, key="guessed"))


@attack("socket signed over https://", FORBIDDEN)
async def signed_as_https(fort: Fort) -> str:
    return await fort.knock(signed=sign(SOCKET.replace("wss", "https")))


@attack("socket with a webhook's signature", FORBIDDEN)
async def signed_as_webhook(fort: Fort) -> str:
    return await fort.knock(signed=sign(VOICE, fort.going_on.form))


@attack("socket on another path", FORBIDDEN)
async def elsewhere(fort: Fort) -> str:
    return await fort.knock(signed=sign(f"{SOCKET}/other"), path="/other")


@attack("repeated signature, no token", REFUSED)
async def without_token(fort: Fort) -> str:
    return await fort.knock(CONNECTED, start(f"CA{uuid4().hex}"), signed=OVERHEARD)


@attack("repeated signature, a live call without its token", REFUSED)
async def into_a_call(fort: Fort) -> str:
    return await fort.knock(CONNECTED, start(fort.going_on.call_sid), signed=OVERHEARD)


@attack("repeated signature, a guessed token", REFUSED)
async def guessed(fort: Fort) -> str:
    return await fort.knock(start(fort.ringing.call_sid, token="guessed"), signed=OVERHEARD)  # noqa: S106


@attack("second socket of a live call: its token again", REFUSED)
async def second(fort: Fort) -> str:
    call = fort.going_on
    return await fort.knock(start(call.call_sid, token=call.token), signed=OVERHEARD)


@attack("token of a call that is over", REFUSED)
async def used(fort: Fort) -> str:
    call = fort.over
    return await fort.knock(start(call.call_sid, token=call.token), signed=OVERHEARD)


@attack("token of another call, for a live one", REFUSED)
async def foreign(fort: Fort) -> str:
    call_sid, token = fort.going_on.call_sid, fort.ringing.token
    return await fort.knock(start(call_sid, token=token), signed=OVERHEARD)


@attack("token of another call, for one that nobody announced", REFUSED)
async def unheard_of(fort: Fort) -> str:
    token = fort.ringing.token
    return await fort.knock(start(f"CA{uuid4().hex}", token=token), signed=OVERHEARD)


@attack("token that has expired", REFUSED)
async def expired(fort: Fort) -> str:
    call = fort.late
    return await fort.knock(start(call.call_sid, token=call.token), signed=OVERHEARD)


@attack("frame above 64 KiB", TOO_LARGE)
async def large(fort: Fort) -> str:
    return await fort.knock("x" * 65_537, signed=OVERHEARD)


@attack("binary frame above 64 KiB", TOO_LARGE)
async def large_and_binary(fort: Fort) -> str:
    return await fort.knock(b"x" * 65_537, signed=OVERHEARD)


@attack("message above 64 KiB in pieces", TOO_LARGE)
async def large_in_pieces(fort: Fort) -> str:
    return await fort.knock(["x" * 40_000, "x" * 25_537], signed=OVERHEARD)


@attack("nothing but binary frames", REFUSED)
async def binary(fort: Fort) -> str:
    return await fort.knock(*[b"\x00" * 160] * RUBBISH, signed=OVERHEARD)


@attack("nothing but rubbish", REFUSED)
async def rubbish(fort: Fort) -> str:
    return await fort.knock(*['{"event":"start","start":{}}'] * RUBBISH, signed=OVERHEARD)


@attack("a name of ours in place of a CallSid", REFUSED)
async def nameless(fort: Fort) -> str:
    return await fort.knock(*[start("{calls}:new", token="x")] * RUBBISH, signed=OVERHEARD)  # noqa: S106
