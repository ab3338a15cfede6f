"""The scenarios, a module for each kind of fault; importing this registers them all."""

from sim.faults.rows import (
    agents,
    bus,
    edges,
    functions,
    killed,
    leaving,
    phones,
    strangers,
    versions,
)

__all__ = [
    "agents",
    "bus",
    "edges",
    "functions",
    "killed",
    "leaving",
    "phones",
    "strangers",
    "versions",
]
