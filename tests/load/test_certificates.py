"""Whom the load's clients trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from loadtests.certificates import trusting
from tests.load.shop import certificates


def test_a_file_of_ones_own_is_trusted_besides_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both for a file that stands in for the system's, as this machine may have none."""
    if not certificates.available():
        pytest.skip("there is no openssl command to make a certificate")
    (tmp_path / "system").mkdir()
    (tmp_path / "own").mkdir()
    system, own = certificates.make(tmp_path / "system")[0], certificates.make(tmp_path / "own")[0]
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert trusting().cert_store_stats()["x509_ca"] == 1
    assert trusting(str(own)).cert_store_stats()["x509_ca"] == 2
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ssl.SSLError):
        trusting(str(tmp_path / "empty.pem"))
