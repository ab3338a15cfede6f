"""One set of certificates for all of the doctor's tests."""

import pytest

from tests.edge.doctor.kit import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def _trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this process trust the tests' root, and nobody else."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.pem("root"))
