"""What the doctor's tests have in common: certificates, and a proxy that ends TLS."""

import select
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

Change = Callable[[bytes], bytes | None]
"""What a proxy makes of a request's head; None: it answers itself."""

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """Made by openssl, in a folder: `root.pem` is whom clients are to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority("root")
        self._authority("middle", signer="root")
        self._leaf("good", "localhost", signer="middle", with_chain=True)
        self._leaf("alone", "localhost", signer="middle")
        self._leaf("other", "voice.example.com", signer="root")
        self._leaf("expired", "localhost", signer="root", days=-1)
        self._leaf("soon", "localhost", signer="root", days=5)
        self._leaf("own", "localhost")

    def pem(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def context(self, name: str) -> ssl.SSLContext:
        """For a server that shows this one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem(name), self.key(name))
        return context

    def _authority(self, name: str, signer: str = "") -> None:
        self._make(name, "basicConstraints=critical,CA:TRUE", signer, 30)

    def _leaf(
        self, name: str, host: str, *, signer: str = "", days: int = 30, with_chain: bool = False
    ) -> None:
        self._make(name, f"subjectAltName=DNS:{host}", signer, days)
        if with_chain:
            chain = Path(self.pem(name)).read_text() + Path(self.pem(signer)).read_text()
            Path(self.pem(name)).write_text(chain)

    def _make(self, name: str, extension: str, signer: str, days: int) -> None:
        asked = ("-keyout", self.key(name), "-subj", f"/CN={name}", "-addext", extension)
        if not signer:
            _openssl("req", "-x509", *KEY, *asked, "-days", str(days), "-out", self.pem(name))
            return
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(extension)
        _openssl("req", *KEY, *asked, "-out", str(request))
        by = ("-CA", self.pem(signer), "-CAkey", self.key(signer), "-CAcreateserial")
        said = ("-days", str(days), "-extfile", str(extensions), "-out", self.pem(name))
        _openssl("x509", "-req", "-in", str(request), *by, *said)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def as_it_is(head: bytes) -> bytes | None:
    return head


class Proxy:
    """Ends TLS, looks at the head of each connection's one request, and leads to an edge."""

    def __init__(self, context: ssl.SSLContext, to_port: int) -> None:
        self._context = context
        self._to_port = to_port
        self.change: Change = as_it_is
        self.answer = b""
        """What it says where `change` says None."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def serve(self) -> None:
        """Until its socket is closed."""
        while True:
            try:
                plain, _ = self._server.accept()
            except OSError:
                return
            Thread(target=self._handle, args=(plain,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _handle(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as client:
            received = b""
            while b"\r\n\r\n" not in received:
                if not (data := client.recv(65536)):
                    return
                received += data
            head, _, rest = received.partition(b"\r\n\r\n")
            changed = self.change(head)
            if changed is None:
                client.sendall(self.answer)
                return
            with socket.create_connection(("127.0.0.1", self._to_port)) as edge:
                edge.sendall(changed + b"\r\n\r\n" + rest)
                _carry(client, edge)


def _carry(client: ssl.SSLSocket, edge: socket.socket) -> None:
    """Both ways, until one side closes: in one thread, since TLS is not for two."""
    client.settimeout(0.2)  # what has come may be TLS's own, and nothing to read
    while True:
        waiting = [client] if client.pending() else select.select([client, edge], [], [])[0]
        for source in waiting:
            with suppress(TimeoutError):
                if not (data := source.recv(65536)):
                    return
                (edge if source is client else client).sendall(data)


@contextmanager
def proxying(context: ssl.SSLContext, to_port: int) -> Iterator[Proxy]:
    proxy = Proxy(context, to_port)
    thread = Thread(target=proxy.serve, daemon=True)
    thread.start()
    yield proxy
    proxy.close()
    thread.join(5)


def without(*names: bytes) -> Change:
    """Drops these header lines."""

    def drop(head: bytes) -> bytes:
        lines = head.split(b"\r\n")
        return b"\r\n".join(line for line in lines if line.partition(b":")[0].lower() not in names)

    return drop


def listens(status: Callable[[], int | None], port: int) -> None:
    """Wait until somebody does.

    Args:
        status: The exit status of whoever is to.
    """
    while True:
        assert status() is None
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
