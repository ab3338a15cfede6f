"""The WebSocket frames that carry nearly all of a call, read and written by hand (RFC 6455, 5.2).

A call is a hundred messages a second, each one small, whole and uncompressed. For these a
protocol's general machine does far more than is needed, so they are cut from the stream here.
All else (pings, closes, fragments, whatever breaks the rules) is for the library under the socket:
it is given those frames as they came, whole and in order, and decides.

No I/O here, and no library.
"""

from collections.abc import Callable
from struct import Struct

TEXT = 0x81
BINARY = 0x82
"""How a frame begins that is a whole message: FIN, and the opcode."""

OTHER = 0
"""Bytes that are for the library."""

_MESSAGES = frozenset({TEXT, BINARY})
_PINGS = frozenset({0x89, 0x8A})  # and pongs
_MASKED = 0x80
_IS_16_BIT, _IS_64_BIT = 126, 127

_head_16 = Struct("!BBH").pack
_head_64 = Struct("!BBQ").pack

Unmask = Callable[[bytes, bytes], bytes]
"""Takes a mask of four bytes off a payload, or puts it on."""


class Cutter:
    """Cuts what one peer sends into messages, and bytes for the library.

    Args:
        most: Bytes of the longest message; what is longer is for the library to refuse.
        unmask: For a peer that masks its frames, as a client must; None for a server.
    """

    def __init__(self, most: int, unmask: Unmask | None = None) -> None:
        self._most = most
        self._unmask = unmask
        self._mask_bit = _MASKED if unmask else 0
        self._mask_bytes = 4 if unmask else 0
        self._rest = b""
        self._is_given_up = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """What these bytes make whole: (TEXT or BINARY, payload) and (OTHER, bytes), in order.

        With the first frame that is neither a whole message nor a ping or pong, all that follows
        is for the library: it alone knows what that has begun.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        found: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while at < end:
            head = None if self._is_given_up else self._head_at(data, at, end)
            if head is None:
                self._is_given_up = True
                found.append((OTHER, data[at:]))
                break
            kind, start, stop = head
            if stop > end:
                self._rest = data[at:]
                break
            if kind == OTHER:
                found.append((OTHER, data[at:stop]))
            elif self._unmask:
                found.append((kind, self._unmask(data[start:stop], data[start - 4 : start])))
            else:
                found.append((kind, data[start:stop]))
            at = stop
        return found

    def _head_at(self, data: bytes, at: int, end: int) -> tuple[int, int, int] | None:
        """The frame that begins here: its kind, where its payload begins and where it ends.

        Ends behind the data if not all of it is there; None if it is for the library with all
        that follows.
        """
        if end < at + 2:
            return OTHER, at, end + 1
        kind, length, start = data[at], data[at + 1] ^ self._mask_bit, at + 2
        if length >= _MASKED:
            return None  # no mask where there must be one, or the reverse
        if length >= _IS_16_BIT:
            start += 2 if length == _IS_16_BIT else 8
            if end < start:
                return OTHER, at, end + 1
            length = int.from_bytes(data[at + 2 : start], "big")
        if length > self._most:
            return None
        if kind in _MESSAGES:
            start += self._mask_bytes
            return kind, start, start + length
        if kind in _PINGS and length < _IS_16_BIT:
            return OTHER, at, start + self._mask_bytes + length
        return None


def frame(kind: int, payload: bytes) -> bytes:
    """A message as a server sends it."""
    return _head(kind, len(payload), 0) + payload


def masked(kind: int, payload: bytes, mask: bytes, apply: Unmask) -> bytes:
    """A message as a client sends it, under a mask that nobody could foretell (RFC 6455, 5.3)."""
    return _head(kind, len(payload), _MASKED) + mask + apply(payload, mask)


def _head(kind: int, length: int, mask_bit: int) -> bytes:
    if length < _IS_16_BIT:
        return bytes((kind, mask_bit | length))
    if length < 0x10000:
        return _head_16(kind, mask_bit | _IS_16_BIT, length)
    return _head_64(kind, mask_bit | _IS_64_BIT, length)
