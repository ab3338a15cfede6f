"""Where Redis is: the forms that REDIS_URL has. Nothing here connects.

redis://[user:pass@]host[:port][/db]                          one server; rediss: with TLS
unix:///path/to/socket                                        one server
redis+sentinel://[user:pass@]host[:port],host/master[/db]     the master that Sentinels name
redis+cluster://[user:pass@]host[:port],host                  a cluster, by some of its nodes
"""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

Place = tuple[str, int]
"""Host and port of one server."""


class Kind(StrEnum):
    """How a master is found."""

    SERVER = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


PORTS = {Kind.SERVER: 6379, Kind.SENTINEL: 26379, Kind.CLUSTER: 6379}


@dataclass(frozen=True, slots=True)
class Address:
    """A REDIS_URL, read. Its repr shows no password."""

    kind: Kind
    url: str = field(repr=False)
    places: tuple[Place, ...] = ()  # empty for a single server: its URL says all
    master: str = ""  # the name that Sentinels know it by
    scheme: str = "redis"
    db: str = "0"
    user: str = field(default="", repr=False)  # "name:password@", as it stands in the URL
    query: str = field(default="", repr=False)

    def url_of(self, place: Place) -> str:
        """The URL of one of the servers that hold the data."""
        return self._url(self.user, place, self.db)

    def url_to_ask(self, place: Place, *, as_user: bool) -> str:
        """The URL of one that is asked who is master; it may know no users."""
        return self._url(self.user if as_user else "", place, "0")

    def _url(self, user: str, place: Place, db: str) -> str:
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        return f"{self.scheme}://{user}{host}:{place[1]}/{db}{self.query}"


def parse(url: str) -> Address:
    """Read a REDIS_URL.

    Raises:
        ValueError: If it has none of the forms above. Never quotes the URL: it may hold a password.
    """
    scheme, _, rest = url.partition("://")
    scheme, _, kind = scheme.partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in ("", "sentinel", "cluster"):
        raise ValueError("the URL's scheme is none that names a Redis")
    if not kind:
        if scheme == "unix" and not rest.startswith("/"):
            raise ValueError("the URL names no socket: unix:///path")
        if scheme != "unix":
            _place(rest, PORTS[Kind.SERVER])
        return Address(Kind.SERVER, url)
    return _several(url, scheme, Kind(kind), rest)


def _several(url: str, scheme: str, kind: Kind, rest: str) -> Address:
    if scheme == "unix":
        raise ValueError("Sentinels and cluster nodes have hosts, not sockets")
    rest, mark, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    places = [_place(host, PORTS[kind]) for host in hosts.split(",")]
    master, _, db = path.partition("/") if kind is Kind.SENTINEL else ("", "", path)
    if kind is Kind.SENTINEL and not master:
        raise ValueError("the URL lacks the master's name: redis+sentinel://host:26379/NAME")
    if (db or "0") != "0" and (kind is Kind.CLUSTER or not db.isdecimal()):
        raise ValueError("the URL's database is none")
    return Address(
        kind, url, tuple(places), master, scheme, db or "0", f"{user}{at}", f"{mark}{query}"
    )


def _place(netloc: str, usual_port: int) -> Place:
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname, usual_port if parts.port is None else parts.port
    except ValueError:
        host, port = None, 0
    if not host or not port:
        raise ValueError("the URL names no host, or a port that is none") from None
    return host, port
