"""Chance without a generator: a number that belongs to what it is for, the same whenever it is asked for."""

from __future__ import annotations

import hashlib

#: An uniform is the middle of one of 2**53 equal cells of (0, 1): exact in a float, and never 0 or 1.
_CELLS = 1 << 53


def uniform(*parts: object) -> float:
    """A number in (0, 1) that the parts alone determine."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) / _CELLS
