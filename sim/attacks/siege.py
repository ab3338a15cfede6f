"""All attacks, done to one fort: the quick ones in turn, then the slow ones at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sim.attacks import floods, sockets, webhooks
from sim.attacks.attack import Attack, Outcome
from sim.attacks.fort import UNTOUCHED, Fort, Ledger, besieged

ATTACKS = [
    each
    for module in (webhooks, sockets, floods)
    for each in vars(module).values()
    if isinstance(each, Attack)
]
"""All of them, in the table's order."""

SETTLE_S = 0.3
"""An agent is had sooner."""


async def besiege(
    folder: Path, attacks: Sequence[Attack] = ATTACKS, *, is_guarded: bool = True
) -> list[Outcome]:
    """Do them, and see what became of a live call beside them."""
    async with besieged(folder, is_guarded=is_guarded) as fort:
        everything = Ledger(fort.house)
        fort.ask()
        outcomes = [await _do(each, fort) for each in attacks if not each.is_slow]
        slow = [_do(each, fort) for each in attacks if each.is_slow]
        outcomes += await asyncio.gather(*slow)
        await asyncio.sleep(SETTLE_S)
        spent = everything.spent()
        live = Counter([await fort.asked()])
    return [
        *outcomes,
        Outcome("a live call, meanwhile; and all of it together", (UNTOUCHED,), live, spent),
    ]


async def _do(attack: Attack, fort: Fort) -> Outcome:
    """One of them. What is spent while several go on counts against each of them."""
    ledger = Ledger(fort.house)
    got = await attack.do(fort)
    return Outcome(
        attack.what, attack.may_get, Counter([got]) if isinstance(got, str) else got, ledger.spent()
    )
