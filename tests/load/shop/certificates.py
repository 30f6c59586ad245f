"""A private certificate authority and a server's certificate by it, made with the `openssl` command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def available() -> bool:
    """Whether certificates can be made here."""
    return shutil.which("openssl") is not None


def make(folder: Path) -> tuple[Path, Path, Path]:
    """The authority's certificate, and the certificate and key of a server on this machine."""
    ca, ca_key, request, cert, key, more = (
        folder / name for name in ("ca.pem", "ca.key", "server.csr", "server.pem", "server.key", "server.ext")
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=A private authority")
    _openssl("req", "-new", *curve, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    more.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing: list[str | Path] = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", more]
    _openssl("x509", "-req", "-in", request, "-out", cert, *signing)
    return ca, cert, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
