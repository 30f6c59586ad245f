"""Where webhooks may go: http and https, and nothing inside our own network unless the engine itself is only there.

A name is judged by the addresses that it resolves to at the moment of connecting (`sim.engine.webhooks.posting`), so
that one that changes its mind after it was registered is caught too.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

MAX_URL_LENGTH = 2048
#: IPv4 addresses inside IPv6 that `ipaddress` does not take apart.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def url_problem(url: str, *, private_ok: bool) -> str:
    """What is wrong with a webhook's address, empty for nothing. Names are not resolved here."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with http:// or https:// and a host"
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return f"must be at most {MAX_URL_LENGTH} plain characters"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must have no user, password or fragment"
    address = _literal(host)
    if address is None:
        # A last part of digits is no name but an address in an old notation (127.1, 0x7f.1, 2130706433).
        last = host.rstrip(".").rpartition(".")[2]
        return "has an address that is not written in full" if last.isdigit() or last.startswith("0x") else ""
    return "" if private_ok or is_public(address) else "lies in a private network"


def is_public(address: _Address) -> bool:
    """Whether an address is reachable for anybody: not loopback, private, link-local, multicast or reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:  # no longer assigned, and still private
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def address_of(host: str) -> _Address:
    """The address that is written; one of IPv6 may name its network card. Raises ValueError for a name."""
    return ipaddress.ip_address(host.partition("%")[0])


def _literal(host: str) -> _Address | None:
    try:
        return address_of(host)
    except ValueError:
        return None
