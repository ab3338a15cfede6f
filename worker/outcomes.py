"""What came of operators' orders, told to those who gave them."""

from collections.abc import Iterable

from shared.bus import Bus
from shared.messages import Order, Outcome


def name_of(order: Order) -> str:
    """What a session calls an order."""
    return f"{order.sender} {order.number}"


def tell(outcomes: Iterable[tuple[str, str]], call_sid: str, bus: Bus) -> None:
    """Tell who gave the orders of these names what came of them."""
    for name, refusal in outcomes:
        sender, _, number = name.rpartition(" ")
        bus.note(sender, call_sid, Outcome(int(number), refusal))
