"""Whom the doctor's tests trust."""

import pytest

from tests.edge.doctor.kit import Certificates


@pytest.fixture
def _trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this process trust the tests' root, and nobody else."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.pem("root"))
