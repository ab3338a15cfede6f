"""Webhooks that Twilio did not send, or not now."""

from sim.attacks.attack import attack
from sim.attacks.fort import AFTER, STATUS, VOICE, Fort, new_form, sign

FORBIDDEN = "HTTP 403"


@attack("webhook without a signature", FORBIDDEN)
async def unsigned(fort: Fort) -> str:
    return await fort.post(new_form(), None)


@attack("webhook signed with another key", FORBIDDEN)
async def forged(fort: Fort) -> str:
    form = new_form()
    return await fort.post(form, sign(VOICE, form, "guessed"))


@attack("webhook with the signature of another call's", FORBIDDEN)
async def exchanged(fort: Fort) -> str:
    return await fort.post(new_form(), sign(VOICE, fort.going_on.form))


@attack("webhook with the signature of another path", FORBIDDEN)
async def misdirected(fort: Fort) -> str:
    form = new_form()
    return await fort.post(form, sign(STATUS, form))


@attack("webhook with an agent added to its query", FORBIDDEN)
async def extended(fort: Fort) -> str:
    form = new_form()
    return await fort.post(form, sign(VOICE, form), url=f"{VOICE}?agent=echo")


@attack("webhook with a field added", FORBIDDEN)
async def enriched(fort: Fort) -> str:
    form = new_form()
    return await fort.post({**form, "Extra": "1"}, sign(VOICE, form))


@attack("webhook signed for a host of the attacker's, sent to it", FORBIDDEN)
async def renamed(fort: Fort) -> str:
    form, host = new_form(), "evil.example.com"
    return await fort.post(form, sign(f"https://{host}/twilio/voice", form), host=host)


@attack("status callback's signature on a webhook, its path in Host", FORBIDDEN)
async def smuggled(fort: Fort) -> str:
    form, host = new_form(), "voice.example.com/twilio/status#"
    return await fort.post(form, sign(STATUS, form), host=host)


@attack("forged request for a live call's stream", FORBIDDEN)
async def asked_back(fort: Fort) -> str:
    return await fort.post({**fort.going_on.form, "CallStatus": "in-progress"}, "x", url=AFTER)


@attack("forged status that ends a live call", FORBIDDEN)
async def ended(fort: Fort) -> str:
    form = {**fort.going_on.form, "CallStatus": "completed"}
    return await fort.post(form, sign(STATUS, form, "guessed"), url=STATUS)


@attack("signed webhook repeated while its call goes on", "no stream")
async def repeated(fort: Fort) -> str:
    return await fort.post(fort.going_on.form, sign(VOICE, fort.going_on.form))


@attack("signed webhook repeated when its call is over", "no stream")
async def repeated_later(fort: Fort) -> str:
    return await fort.post(fort.over.form, sign(VOICE, fort.over.form))


@attack("signed webhook without a call", "HTTP 400")
async def nameless(fort: Fort) -> str:
    form = new_form(CallSid="{calls}:new")
    return await fort.post(form, sign(VOICE, form))


@attack("webhook by GET", "HTTP 405")
async def got(fort: Fort) -> str:
    form = new_form()
    answer = await fort.client.get(f"{fort.house.stack.webhook}", params=form)
    return f"HTTP {answer.status_code}"


@attack("webhook of 200 KB", "HTTP 413")
async def oversized(fort: Fort) -> str:
    form = new_form(Extra="x" * 200_000)
    return await fort.post(form, sign(VOICE, form))


@attack("webhook of 10,000 fields", "HTTP 413")
async def crowded(fort: Fort) -> str:
    form = new_form(**{f"{number:x}": "" for number in range(10_000)})
    return await fort.post(form, "x" * 28)
