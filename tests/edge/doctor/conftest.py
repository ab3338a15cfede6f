"""One set of certificates for all of the doctor's tests."""

import shutil

import pytest

from tests.edge.doctor.kit import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def _trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this process trust the tests' root, and nobody else."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.pem("root"))
