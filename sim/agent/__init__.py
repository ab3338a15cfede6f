"""A stand-in for Deepgram's Voice Agent service: strict about what it is told, faithful in time.

In reading order:

    shapes, schema     what a client's JSON must look like
    settings           what is kept of it
    protocol, events   what the client may say, what the service says
    hearing            when a user's turn begins and ends, by energy
    script             what is heard and answered
    timing, faults     how a healthy service behaves, and a sick one
    record, wire       the ground truth, and the socket
    mouth, mind        speaking, and thinking of what to say
    session, server    one connection, and all of them

It understands no word and synthesizes its answers: a conversation follows a script.
"""

from sim.agent.faults import Close, Dead, Drop, Fail, Faults
from sim.agent.record import Frame, SessionRecord
from sim.agent.script import Script, ScriptedCall, Turn, load
from sim.agent.server import AgentServer
from sim.agent.timing import Timing

__all__ = [
    "AgentServer",
    "Close",
    "Dead",
    "Drop",
    "Fail",
    "Faults",
    "Frame",
    "Script",
    "ScriptedCall",
    "SessionRecord",
    "Timing",
    "Turn",
    "load",
]
