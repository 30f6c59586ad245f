"""Whom a client trusts: the system's certificate authorities, and those of `--ca-file` besides."""

from __future__ import annotations

import ssl


def trusting(ca_file: str = "") -> ssl.SSLContext:
    """A client's context. Raises OSError, or SSLError for a file that holds no certificate in PEM format.

    Not `create_default_context(cafile=...)`: that trusts the file instead of the system.
    """
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
