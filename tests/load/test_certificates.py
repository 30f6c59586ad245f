"""Whom the load's clients trust."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from loadtests import session
from loadtests.audit import engine
from loadtests.audit.books import Report
from loadtests.blocking import BlockingHttp
from loadtests.certificates import trusting
from tests.load.raw_server import RawServer, always
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


def test_metrics_and_the_providers_ledger_may_be_behind_a_private_certificate(tmp_path: Path) -> None:
    if not certificates.available():
        pytest.skip("there is no openssl command to make a certificate")
    authority, certificate, key = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    body = json.dumps({"charges": []}).encode()
    answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with RawServer(always(answer), context) as server:
        metrics = session._metrics(f"{server.url}/metrics?all=1", str(authority), "run7")
        assert metrics
        assert metrics() == body.decode()
        state, report = {"psp_url": server.url, "ca_file": str(authority), "run": "run7"}, Report()
        engine._check_provider(report, BlockingHttp("http://127.0.0.1:9"), state, {}, {})
        assert report.result().checked == {"P1": 0}
    asked = [request.lower().split(b"\r\n") for request in server.requests]
    assert [lines[0].split()[1] for lines in asked] == [b"/base/metrics?all=1", b"/base/ledger"]
    for lines in asked:
        assert b"x-liverush-run: run7" in lines
        assert any(line.startswith(b"traceparent: 00-") for line in lines)
    assert session._metrics("", "", "run7") is None
