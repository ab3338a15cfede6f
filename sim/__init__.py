"""The room of stand-ins: what the bridge meets in the world, on one machine and without accounts.

    sim.phone   the carrier and the caller
    sim.agent   the agent service
    sim.voice   speech for both
    sim.redis   a Redis of one's own

The product imports nothing from here. `python -m sim` starts what has a command line.
"""
