"""A Lua script as Redis is told of it: once whole, then by its name."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1


@dataclass(frozen=True)
class Script:
    """A Lua script and the name by which EVALSHA calls it."""

    lua: str
    keys: int

    @cached_property
    def sha(self) -> str:
        return sha1(self.lua.encode(), usedforsecurity=False).hexdigest()
