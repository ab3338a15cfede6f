"""What happens in each call of the corpus."""

from collections.abc import Callable
from dataclasses import dataclass

from sim.agent import Script, ScriptedCall, Timing, Turn
from sim.phone.caller import Drop, HangUp, Interrupt, Listen, Press, Say, Step, Wait

QUICK = Timing(think_s=0.1, quiet_s=0.4)

ASK = "Do you have a table on Saturday?"
BOOK = "Book it, please."
BYE = "Thank you, bye."

SCRIPT = Script(
    (
        Turn(
            heard=ASK,
            say=("Yes, we have a nice table by the window.",),
        ),
        Turn(
            heard=BOOK,
            call=(ScriptedCall("book_table", '{"day": "Saturday"}', then=("It is booked.",)),),
        ),
        Turn(heard=BYE, call=(ScriptedCall("end_call", then=("Goodbye.",), defer_until_eot=True),)),
    )
)
"""Of all calls: what the agent says depends on how many turns there were before."""

# A patient caller: a tape does not wait, so an agent on a slow machine must have said it all.
HEARD = Listen(quiet_s=1.0, timeout_s=15.0)
_HANG_UP = (HEARD, Wait(0.3), HangUp())


@dataclass(frozen=True, slots=True)
class Scene:
    """A call: what the caller does, and whether his worker dies while he speaks."""

    steps: Callable[[Callable[[str], Say]], tuple[Step, ...]]
    is_taken_over: bool = False


def _interrupting(say: Callable[[str], Say]) -> tuple[Step, ...]:
    return (HEARD, say(ASK), Interrupt(say(BOOK).mulaw, after_s=1.0), *_HANG_UP)


SCENES: dict[str, Scene] = {
    "plain": Scene(lambda say: (HEARD, say(ASK), *_HANG_UP)),
    "barge-in": Scene(_interrupting),
    "tool": Scene(lambda say: (HEARD, say(ASK), HEARD, say(BOOK), HEARD, say(BYE), Wait(8))),
    "digits": Scene(lambda say: (HEARD, Press("12#"), Wait(0.6), *_HANG_UP)),
    "take-over": Scene(lambda say: (HEARD, say(ASK), HEARD, Wait(1), HangUp()), is_taken_over=True),
    "re-attach": Scene(lambda say: (HEARD, Wait(0.3), Drop(), Wait(0.8), say(ASK), *_HANG_UP)),
}
"""By the name of their bundle."""
