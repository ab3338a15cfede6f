"""What is said in the scenarios: by the agent, by callers, and by the bridge itself."""

from dataclasses import replace
from typing import Any

from sim.agent import ScriptedCall, Timing, Turn
from sim.phone.caller import HangUp, Listen, Say, Step, Wait
from sim.stack import ROOT
from sim.voice import speak

GREETING = "Hello there."
ASK = "What cars do you have?"
LONG = "Let me tell you about every single car that we have on our lot."
MORE = "Two of them are electric."
THANKS = "Thank you that is all."
BYE = "Thank you and goodbye."
NEXT = "Tell me the price."
PRICE = "It is not cheap."

CHAT = ("What else?", "And then?", "Go on please.")
"""What a caller says beyond the script, to see that somebody is still there."""

REPLY = "That is how it is."
"""The answer to it."""

QUICK = Timing(think_s=0.05, quiet_s=0.4)
"""An agent that answers at once."""

PACED = replace(QUICK, pace=0.9)
"""The same, but its sound comes hardly faster than it is heard, so that a death cuts it off."""

HEARD_OUT = Listen(quiet_s=0.5, timeout_s=15.0)


def sound_file(name: str) -> bytes:
    """A line of the bridge's own."""
    return (ROOT / "shared" / "sounds" / f"{name}.ulaw").read_bytes()


def turn(caller: str, *say: str, **more: Any) -> Turn:
    """A turn in which the agent understands what the caller said, and says this."""
    return Turn(heard=caller, caller=caller, say=say, **more)


def chat(rounds: int, pause_s: float = 0.5) -> list[Step]:
    """A caller who says one thing after the other, and listens to what is answered."""
    texts = [text for _ in range(rounds) for text in CHAT]
    return [step for text in texts for step in (say(text), HEARD_OUT, Wait(pause_s))]


def goodbye(caller: str, say: str = BYE) -> Turn:
    """A turn in which the agent ends the call."""
    return turn(caller, call=(ScriptedCall("end_call", then=(say,), defer_until_eot=True),))


def say(text: str) -> Say:
    """The caller says this."""
    return Say(speak(text, "caller"), text)


TURNS = (turn(ASK, LONG, MORE), goodbye(THANKS))
"""What callers ask in most scenarios, and what they are told."""

ENDING = (Listen(quiet_s=4.0), say(THANKS), Wait(12), HangUp())
"""A caller who bears a silence before saying goodbye."""
