"""The way that Twilio comes, to a real edge, through a proxy that does what proxies do."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.doctor import house, public
from edge.doctor.finding import Finding, Mark
from shared.bus.survey import Survey
from shared.settings import Settings, read
from sim.redis import free_port
from sim.stack import Stack
from tests.edge.doctor.kit import Certificates, Change, Proxy, as_it_is, listens, proxying, without

TOKEN = "test_auth_token"

pytestmark = pytest.mark.usefixtures("_trusted")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Stack]:
    """An edge, and a proxy before it."""
    port = free_port()
    with proxying(certificates.context("good"), port) as proxy:
        settings = {"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": f"{proxy.url}/"}
        folder = tmp_path_factory.mktemp("edge")
        with Stack(workers=0, environ=settings, port=port, folder=folder) as stack:
            stack.proxy = proxy  # type: ignore[attr-defined]
            yield stack


@pytest.fixture
def proxy(edge: Stack) -> Proxy:
    """The proxy, as it should be."""
    proxy: Proxy = edge.proxy  # type: ignore[attr-defined]
    proxy.change = as_it_is
    return proxy


def settings(edge: Stack, **changes: str) -> Settings:
    return read({**edge.environ, **changes})


def findings(of: Settings, edges: frozenset[str] | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in public.findings(of, edges)}


def living(edge: Stack) -> frozenset[str]:
    """The edges that Redis knows; one shows itself half a second after its start."""
    while True:
        told = house.look(settings(edge))
        assert isinstance(told, Survey)
        if told.edges:
            return told.edges


def marks(found: dict[str, Finding]) -> dict[str, Mark]:
    return {name: finding.mark for name, finding in found.items()}


# -- a way that is free -------------------------------------------------------


def test_all_is_well(edge: Stack, proxy: Proxy) -> None:
    edges = living(edge)

    found = findings(settings(edge), edges)

    assert marks(found) == {
        "public url": Mark.NOTE,  # not on 443
        "dns": Mark.NOTE,  # localhost
        "certificate": Mark.OK,
        "healthz": Mark.OK,
        "webhook": Mark.OK,
        "socket": Mark.OK,
    }
    assert next(iter(edges)) in found["healthz"].seen


def test_an_edge_that_does_not_live_on_our_redis(edge: Stack, proxy: Proxy) -> None:
    found = findings(settings(edge), frozenset({"edge-other"}))

    assert found["healthz"].mark is Mark.BAD
    assert "REDIS_URL" in found["healthz"].todo


def test_without_a_token_no_signature_is_looked_at(edge: Stack, proxy: Proxy) -> None:
    found = findings(settings(edge, TWILIO_AUTH_TOKEN=""))

    assert found["webhook"].mark is Mark.SKIPPED
    assert "TWILIO_AUTH_TOKEN" in found["webhook"].todo
    assert found["socket"].mark is Mark.BAD  # the edge has one


def test_without_a_public_url_there_is_no_way() -> None:
    assert marks(findings(read({}))) == {"public url": Mark.SKIPPED}


# -- signatures ---------------------------------------------------------------


def test_another_token(edge: Stack, proxy: Proxy) -> None:
    found = findings(settings(edge, TWILIO_AUTH_TOKEN="4711-4711"))

    assert found["webhook"].mark is Mark.BAD
    assert "the edge runs with another token" in found["webhook"].seen
    assert "4711-4711" not in "".join(map(str, found.values()))


def test_an_edge_that_was_started_with_another_public_url(
    edge: Stack, proxy: Proxy, certificates: Certificates
) -> None:
    """It believes that it is behind the one proxy, and we come by the other."""
    with proxying(certificates.context("good"), edge.port) as other:
        found = findings(settings(edge, PUBLIC_URL=other.url, PORT=str(proxy.port)))

    assert found["webhook"].mark is Mark.BAD
    assert found["webhook"].seen.endswith(f"the edge runs with PUBLIC_URL={proxy.url}")
    assert f"PUBLIC_URL={other.url}" in found["webhook"].todo


@pytest.mark.parametrize(
    "change",
    [
        without(b"x-twilio-signature"),
        lambda head: head.replace(b"POST /twilio/status", b"POST /twilio/status?via=proxy"),
    ],
)
def test_a_proxy_that_changes_what_is_signed(edge: Stack, proxy: Proxy, change: Change) -> None:
    proxy.change = change

    found = findings(settings(edge))

    assert found["webhook"].mark is Mark.BAD
    assert "accepted without it" in found["webhook"].seen
    assert "proxy" in found["webhook"].todo


def test_an_edge_that_checks_nobody(edge: Stack, certificates: Certificates) -> None:
    """It was started before the token was set."""
    port = free_port()
    open_edge = edge.add_edge(port, TWILIO_AUTH_TOKEN="", PUBLIC_URL="")
    try:
        listens(lambda: open_edge.status, port)
        with proxying(certificates.context("good"), port) as front:
            found = findings(settings(edge, PUBLIC_URL=front.url))
    finally:
        open_edge.stop()

    assert found["webhook"].mark is Mark.BAD
    assert "any signature is accepted" in found["webhook"].seen


# -- proxies ------------------------------------------------------------------


def test_a_proxy_that_does_not_pass_the_upgrade_on(edge: Stack, proxy: Proxy) -> None:
    proxy.change = without(b"upgrade", b"connection")

    found = findings(settings(edge))

    assert found["socket"].mark is Mark.BAD
    assert "404 in place of 101 (31920" in found["socket"].seen
    assert "Upgrade" in found["socket"].todo
    assert found["webhook"].mark is Mark.OK


def test_a_proxy_that_redirects_sockets(edge: Stack, proxy: Proxy) -> None:
    def once(head: bytes) -> bytes | None:
        return None if b"upgrade: websocket" in head.lower() and b"?again" not in head else head

    proxy.change = once
    proxy.answer = b"HTTP/1.1 307 Moved\r\nLocation: /twilio?again\r\nContent-Length: 0\r\n\r\n"

    found = findings(settings(edge))

    assert found["socket"].mark is Mark.BAD
    assert "307 in place of 101 (31920" in found["socket"].seen
    assert "no second way" in found["socket"].todo


def test_a_proxy_that_leads_elsewhere(edge: Stack, proxy: Proxy) -> None:
    proxy.change = lambda head: head.replace(b" /", b" /app/", 1)

    found = findings(settings(edge))

    assert found["healthz"].mark is Mark.BAD
    assert found["healthz"].seen == "something else answers (404)"
    assert marks(found)["webhook"] is marks(found)["socket"] is Mark.SKIPPED


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"502 Bad Gateway", "the proxy finds no edge (502)"),
        (b"403 Forbidden", "the proxy lets nobody in (403)"),
        (b"200 OK", "something else answers (200)"),
        (b"404 Not Found\r\nngrok-error-code: ERR_NGROK_3200", "ngrok answers (ERR_NGROK_3200)"),
        (
            b"301 Moved\r\nLocation: https://www.example.com/healthz?secret=1",
            "it redirects to https://www.example.com/healthz",
        ),
    ],
)
def test_a_proxy_that_answers_itself(edge: Stack, proxy: Proxy, answer: bytes, seen: str) -> None:
    proxy.change = lambda head: None
    proxy.answer = b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n"

    assert findings(settings(edge))["healthz"].seen == seen


def test_a_proxy_that_hangs_up(edge: Stack, proxy: Proxy) -> None:
    proxy.change = lambda head: None
    proxy.answer = b""

    found = findings(settings(edge))

    assert found["healthz"].mark is Mark.BAD
    assert "closed without an answer" in found["healthz"].seen


def test_nobody_listens(edge: Stack) -> None:
    found = findings(settings(edge, PUBLIC_URL=f"https://localhost:{free_port()}"))

    assert "nobody listens there" in found["certificate"].seen
    assert found["healthz"].mark is Mark.SKIPPED


def test_a_name_that_there_is_not(edge: Stack) -> None:
    found = findings(settings(edge, PUBLIC_URL="https://voice.invalid"))

    assert found["dns"].mark is Mark.BAD
    assert "no such name" in found["dns"].seen


# -- certificates -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mark", "seen"),
    [
        ("good", Mark.OK, "good for 30 days"),
        ("soon", Mark.NOTE, "good for "),
        ("expired", Mark.BAD, "it has expired"),
        ("own", Mark.BAD, "it is signed by itself"),
        ("other", Mark.BAD, "it is for another host"),
        ("alone", Mark.BAD, "its chain does not lead to an authority"),
    ],
)
def test_a_certificate(
    edge: Stack, certificates: Certificates, name: str, mark: Mark, seen: str
) -> None:
    with proxying(certificates.context(name), edge.port) as front:
        found = findings(settings(edge, PUBLIC_URL=front.url))

    assert found["certificate"].mark is mark
    assert found["certificate"].seen.startswith(seen)
    assert (found["healthz"].mark is Mark.SKIPPED) == (mark is Mark.BAD)


def test_an_edge_without_tls_where_tls_is_expected(edge: Stack) -> None:
    found = findings(settings(edge, PUBLIC_URL=f"https://localhost:{edge.port}"))

    assert found["certificate"].mark is Mark.BAD
    assert "TLS" in found["certificate"].seen


def test_an_edge_that_speaks_tls_itself(
    edge: Stack, certificates: Certificates, tmp_path: Path
) -> None:
    port = free_port()
    tls = {"TLS_CERT": certificates.pem("good"), "TLS_KEY": certificates.key("good")}
    own = edge.add_edge(port, PUBLIC_URL=f"https://localhost:{port}", **tls)
    try:
        listens(lambda: own.status, port)
        found = findings(settings(edge, PUBLIC_URL=f"https://localhost:{port}", **tls))
    finally:
        own.stop()

    assert [found[name].mark for name in ("certificate", "webhook", "socket")] == [Mark.OK] * 3


# -- the address itself -------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "mark", "told"),
    [
        ("https://voice.example.com", Mark.OK, ""),
        ("https://voice.example.com/", Mark.OK, ""),
        ("https://voice.example.com:443", Mark.OK, ""),
        ("https://voice.example.com:8443", Mark.NOTE, "443"),
        ("https://Voice.example.com", Mark.NOTE, "capitals"),
        ("http://voice.example.com", Mark.BAD, "31922"),
        ("http://127.0.0.1:5000", Mark.NOTE, "31922"),
    ],
)
def test_the_shape_of_the_address(url: str, mark: Mark, told: str) -> None:
    finding = public.shape(url)

    assert finding.mark is mark
    assert told in finding.todo


def test_tests_trust_the_tests_root_alone(certificates: Certificates) -> None:
    assert Path(ssl.get_default_verify_paths().cafile or "") == Path(certificates.pem("root"))
