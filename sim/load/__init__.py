"""The load generator: many calls at once, what the bridge adds to them, and what it costs.

    terminal <-- main -- run --> meters        CPU, memory and Redis, read from outside
                          | '--> targets       the bridge as real processes; the guide's server
                          |
                      generator                a process of its own: both ends of every call
                          |-- phone   the carrier's end   --->  what is measured
                          '-- agent   the service's end   <---

Both ends live in one process, so that one clock stamps a frame where it goes in and where it
comes out; nothing is subtracted that two clocks told. They share a `Call`, which numbers every
20 ms of sound in its own bytes, so that a lost, doubled, reordered or misrouted frame shows.

A generator must cost much less than what it measures: frames are packed by hand around constant
bytes, a timer serves all calls from absolute deadlines, and no task exists a call but the agent's
mind in the talk profile. How late it was itself is measured, too, and said aloud when it matters.
"""
