"""Why a phone's stream or a call ended: in logs, recordings and metrics, and to each other."""

from enum import StrEnum


class Cause(StrEnum):
    """One of a few, for whoever counts them. A socket's close code may stand behind."""

    # The caller, or the one who was called, as Twilio tells it.
    CALLER_HUNG_UP = "caller hung up"
    BUSY = "busy"
    CANCELED = "canceled"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    ANSWERING_MACHINE = "answering machine"

    # The phone's socket.
    MOVED = "moved"  # to another edge
    NO_FRAMES = "no frames"
    PHONE_DID_NOT_COME = "phone did not come"
    PHONE_LOST = "phone lost"
    PHONE_TOO_SLOW = "phone too slow"
    RUBBISH = "nothing but rubbish"
    SOCKET_CLOSED = "socket closed"

    # The conversation.
    AGENT_ENDED = "agent ended the call"
    NOBODY_THERE = "nobody there"
    TIME_IS_UP = "time is up"
    TRANSFERRED = "transferred"

    # What failed on our side.
    AGENT_FAILED = "agent failed"  # it could not be had; its worker has said the apology
    EDGE_STOPPED = "edge stopped"
    INTERNAL_ERROR = "internal error"
    NO_WORKER = "no worker"  # nobody served the call
    REDIS_AWAY = "redis is away"
