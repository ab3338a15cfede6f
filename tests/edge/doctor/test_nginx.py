"""What docs/proxies.md tells people to write into their nginx, given to an nginx."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.doctor import public
from edge.doctor.finding import Finding, Mark
from shared.settings import read
from sim.redis import free_port
from sim.stack import ROOT, Stack
from tests.edge.doctor.kit import Certificates, listens

TOKEN = "test_auth_token"

pytestmark = [
    pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx"),
    pytest.mark.usefixtures("_trusted"),
]


def documented(port: int, edge_port: int, certificates: Certificates) -> str:
    """The documented configuration, with this test's ports and certificate."""
    text = (ROOT / "docs/proxies.md").read_text()
    found = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert found
    return (
        found[1]
        .replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("127.0.0.1:5000", f"127.0.0.1:{edge_port}")
        .replace("voice.example.com;", "localhost;")
        .replace("/etc/letsencrypt/live/voice.example.com/fullchain.pem", certificates.pem("good"))
        .replace("/etc/letsencrypt/live/voice.example.com/privkey.pem", certificates.key("good"))
    )


@contextmanager
def nginx(configuration: str, port: int, folder: Path) -> Iterator[None]:
    """An nginx that lives as long as the block."""
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = (
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off;\n{temporary}{configuration}\n}}"
    )
    (folder / "nginx.conf").write_text(whole)
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        listens(running.poll, port)
        yield
    finally:
        running.terminate()
        running.wait(5)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An edge that is to be behind `front` of this test."""
    front = free_port()
    settings = {"TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": f"https://localhost:{front}"}
    with Stack(workers=0, environ=settings, folder=tmp_path_factory.mktemp("edge")) as stack:
        yield stack


def findings(edge: Stack) -> dict[str, Finding]:
    return {each.name: each for each in public.findings(read(edge.environ), None)}


def port_of(edge: Stack) -> int:
    return int(edge.environ["PUBLIC_URL"].rpartition(":")[2])


def test_the_documented_one_lets_webhooks_and_sockets_through(
    edge: Stack, certificates: Certificates, tmp_path: Path
) -> None:
    port = port_of(edge)
    with nginx(documented(port, edge.port, certificates), port, tmp_path):
        found = findings(edge)

    assert [found[name].mark for name in ("certificate", "webhook", "socket")] == [Mark.OK] * 3


@pytest.mark.parametrize(
    ("line", "instead", "name", "seen"),
    [
        ("proxy_set_header Upgrade $http_upgrade;", "", "socket", "404 in place of 101"),
        ("proxy_set_header Connection $connection_upgrade;", "", "socket", "404 in place of 101"),
        (
            "proxy_set_header Host",
            'proxy_set_header X-Twilio-Signature "";\nproxy_set_header Host',
            "webhook",
            "accepted without it",
        ),
        ("http://holdfast;", "http://holdfast/app$request_uri;", "healthz", "something else"),
    ],
)
def test_without_one_of_its_lines_the_check_says_which(
    edge: Stack,
    certificates: Certificates,
    tmp_path: Path,
    line: str,
    instead: str,
    name: str,
    seen: str,
) -> None:
    port = port_of(edge)
    configuration = documented(port, edge.port, certificates)
    assert line in configuration
    with nginx(configuration.replace(line, instead), port, tmp_path):
        found = findings(edge)

    assert found[name].mark is Mark.BAD
    assert seen in found[name].seen
