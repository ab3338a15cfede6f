"""The forms of REDIS_URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.address import Address, Kind, parse


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://:p%40ss@host:6380/1",
        "rediss://user:pass@[::1]:6380/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_single_server_is_where_its_url_says(url: str) -> None:
    assert parse(url) == Address(Kind.SERVER, url)


def test_sentinels_name_a_master() -> None:
    url = "rediss+sentinel://user:p%2Fss@one:1,two,[::3]:3/mymaster/2?ssl_ca_certs=/ca.pem"
    address = parse(url)

    assert (address.kind, address.master) == (Kind.SENTINEL, "mymaster")
    assert address.places == (("one", 1), ("two", 26379), ("::3", 3))
    query = "?ssl_ca_certs=/ca.pem"
    assert address.url_of(("10.0.0.1", 6380)) == f"rediss://user:p%2Fss@10.0.0.1:6380/2{query}"
    asked = address.url_to_ask(("::3", 3), as_user=True)
    assert asked == f"rediss://user:p%2Fss@[::3]:3/0{query}"
    assert address.url_to_ask(("one", 1), as_user=False) == f"rediss://one:1/0{query}"


@pytest.mark.parametrize("end", ["", "/", "/0"])
def test_a_cluster_is_named_by_some_of_its_nodes(end: str) -> None:
    address = parse(f"redis+cluster://one,two:7001{end}")

    assert (address.kind, address.places) == (Kind.CLUSTER, (("one", 6379), ("two", 7001)))
    assert address.url_of(("two", 7001)) == "redis://two:7001/0"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("host:6379", "scheme"),
        ("http://host", "scheme"),
        ("redis+consul://host", "scheme"),
        ("redis://", "host"),
        ("redis://host:port/0", "port"),
        ("redis://host:0", "port"),
        ("redis://[::1", "host"),
        ("unix://run/redis.sock", "socket"),
        ("unix+cluster:///run/redis.sock", "sockets"),
        ("redis+sentinel://host:26379", "master's name"),
        ("redis+sentinel://one,,two/mymaster", "host"),
        ("redis+sentinel://host/mymaster/first", "database"),
        ("redis+cluster://", "host"),
        ("redis+cluster://one:99999", "port"),
        ("redis+cluster://one/1", "database"),
    ],
)
def test_another_form_is_refused_with_a_reason(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:4711@host:port",
        "redis+sentinel://:4711@host:x/m",
        "redis+cluster://:47:11@[::1",
        "redis+cluster://:4711\u2100@host:0",
    ],
)
def test_a_refusal_does_not_show_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="host") as refusal:
        parse(url)

    assert "47" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("url", ["redis+sentinel://u:4711@h/m", "redis+cluster://u:4711@h"])
def test_a_password_shows_in_no_repr(url: str) -> None:
    assert "4711" not in repr(parse(url))


PASSWORD = "s3cr3t"
PARTS = st.sampled_from(
    ["redis", "rediss", "unix", "+sentinel", "+cluster", "://", f"u:{PASSWORD}@", "host", ":6379"]
) | st.sampled_from(
    [":", ",", "/", "[::1]", "[", "@", "?a=b", "#", "0", "\u2100", "\u0662", "%00", "\x00", " "]
)


@given(st.text() | st.lists(PARTS, max_size=12).map("".join))
def test_whatever_is_given_is_read_or_refused_without_its_password(url: str) -> None:
    try:
        address = parse(url)
    except ValueError as refusal:
        assert PASSWORD not in str(refusal)  # noqa: PT017 - both ways are right
        assert refusal.__cause__ is None  # noqa: PT017
        return
    # A password that was put where names belong is none: f"u:{PASSWORD}@" alone makes it one.
    if f"u:{PASSWORD}@" in url and url.count("@") == 1:
        assert PASSWORD not in repr(address)
    for host, port in address.places:
        assert host
        assert 0 < port < 65536
