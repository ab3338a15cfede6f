"""A call's hash, read, and what a dispatch writes into it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shared.calls import Call, Ringing, State


def described(ringing: Ringing) -> dict[str, str]:
    """What a call's hash says of its dispatch."""
    return {
        "from": ringing.caller,
        "to": ringing.called,
        "agent": ringing.agent,
        "webhook": str(int(ringing.has_webhook)),
        "direction": ringing.direction,
        "parameters": json.dumps(ringing.parameters),
        "replays": ringing.replays,
    }


def call_of(fields: Mapping[bytes, bytes]) -> Call:
    """What the hash says. Raises: ValueError, if no version of ours wrote it."""

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode()

    def number(name: bytes) -> int:
        return int(fields.get(name, b"0"))

    read_on, _, cursor = text(b"cursor").partition(" ")
    return Call(
        state=State(text(b"state") or State.RINGING),
        has_webhook=number(b"webhook") == 1,
        stream_sid=text(b"stream"),
        owner=text(b"owner").rpartition(".")[0],
        epoch=number(b"epoch"),
        cause=text(b"cause"),
        cursor=int(cursor) if cursor and read_on == text(b"stream") else 0,
        attempts=number(b"attempts"),
        caller=text(b"from"),
        called=text(b"to"),
        agent=text(b"agent"),
        direction=text(b"direction") or "inbound",
        parameters=_parameters(fields.get(b"parameters", b"{}")),
        replays=text(b"replays"),
        transfer=text(b"transfer"),
        started_ms=number(b"started"),
        ended_ms=number(b"ended"),
        streams=tuple(name[7:].decode() for name in fields if name.startswith(b"stream:")),
        tokens=tuple(name[6:].decode() for name in fields if name.startswith(b"token:")),
    )


def call_in(answer: Sequence[bytes]) -> Call | None:
    """What HGETALL's answer says, None if there is no such hash. Raises: ValueError, see above."""
    return call_of(dict(zip(answer[::2], answer[1::2], strict=True))) if answer else None


def _parameters(text: bytes) -> dict[str, str]:
    parameters: Any = orjson.loads(text)
    is_read = isinstance(parameters, dict)
    if not is_read or not all(isinstance(value, str) for value in parameters.values()):
        raise ValueError("parameters")
    return dict(parameters)
