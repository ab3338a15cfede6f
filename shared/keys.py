"""Every name on the bus, made here and nowhere else.

The braces are Redis hash tags: all that one script or one blocking read touches
lies in one slot.

    {calls}:new                stream, group `workers`: one entry a live call, field CallSid;
                               its pending entry is the lease
    {calls}:epoch              hash: CallSid -> epoch of its owner, "0" until claimed
    {calls}:workers            hash: worker -> "places serving draining beat", beat in server ms
    {calls}:edges              hash: edge -> "draining beat"
    {calls}:index              sorted set: CallSid by start, ms
    {lane}:call:<CallSid>      hash: from, to, agent, stream, state, times, epoch, tokens
    {lane}:log:<CallSid>       stream: the conversation log
    {lane}:up:<StreamSid>      stream, ids <sequenceNumber>-0: caller to agent
    {lane}:down:<StreamSid>    stream, ids <epoch>-<n>: agent to caller
    {lane}:inbox:<process>     stream: notes to one process, each named "writer number"; an empty
                               entry of its own ends its blocking read, for a stream to join it
    {lane}:wake:<process>      stream: does the same for its other blocking read
"""

from zlib import crc32

CALLS = "calls"
"""The hash tag of what is the fleet's; a lane's is its number."""

DISPATCH = "{calls}:new"
GROUP = "workers"
EPOCHS = "{calls}:epoch"
WORKERS = "{calls}:workers"
EDGES = "{calls}:edges"
INDEX = "{calls}:index"


def tag_of(name: str) -> str:
    """The hash tag of a key."""
    return name[1 : name.index("}")]


def lane_of(call_sid: str, lanes: int) -> int:
    """The lane that everything of a call lies in, fixed for a deployment's number of lanes."""
    return crc32(call_sid.encode()) % lanes


def call(lane: int, call_sid: str) -> str:
    return f"{{{lane}}}:call:{call_sid}"


def log(lane: int, call_sid: str) -> str:
    return f"{{{lane}}}:log:{call_sid}"


def up(lane: int, stream_sid: str) -> str:
    return f"{{{lane}}}:up:{stream_sid}"


def down(lane: int, stream_sid: str) -> str:
    return f"{{{lane}}}:down:{stream_sid}"


def inbox(lane: int, process: str) -> str:
    return f"{{{lane}}}:inbox:{process}"


def wake(lane: int, process: str) -> str:
    return f"{{{lane}}}:wake:{process}"


def is_of_process(name: bytes) -> bool:
    """Whether this key is a process's own, and no call's."""
    return name.split(b":", 2)[1] in (b"inbox", b"wake")
