"""Who may connect: the four ways in which a client of the service presents itself.

    Authorization: Token KEY             Sec-WebSocket-Protocol: token, KEY
    Authorization: Bearer JWT            Sec-WebSocket-Protocol: bearer, JWT

A key sent as Bearer is refused, as the service does; so is a JWT sent as a key, if keys are known.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented."""

    scheme: str
    """"token" or "bearer"."""
    secret: str = field(repr=False)


def presented(authorization: str | None, subprotocols: Sequence[str]) -> Credentials | None:
    """Read the credentials from a handshake: the header's value, and the subprotocols offered."""
    if authorization:
        scheme, _, secret = authorization.partition(" ")
    elif len(subprotocols) >= 2:
        scheme, secret = subprotocols[:2]
    else:
        return None
    return Credentials(scheme.lower(), secret.strip())


def accepted(credentials: Credentials | None, keys: Set[str] | None) -> bool:
    """Whether they open the door; `keys` None: any key does; with "" among them: none is needed."""
    match credentials:
        case None:
            return keys is not None and "" in keys
        case Credentials("token", secret):
            return bool(secret) if keys is None else secret in keys
        case Credentials("bearer", secret):
            return _JWT.fullmatch(secret) is not None
        case _:
            return False
