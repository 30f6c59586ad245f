"""Named random streams: one independent generator per (seed, replication, name).

A column keeps its values when another column is added, removed or drawn differently, so strategies and parameter
changes meet the same buyers (common random numbers).
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def stream(seed: int, replication: int, name: str) -> np.random.Generator:
    """The generator of stream `name` in one replication. Raises ValueError for a negative seed or replication."""
    if seed < 0 or replication < 0:
        raise ValueError("seed and replication are 0 or more")
    # Python's own hash() of a string changes from process to process.
    digest = hashlib.sha256(name.encode()).digest()[:16]
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(replication, *words))))


def uniform_u32(rng: np.random.Generator, size: int) -> npt.NDArray[np.uint32]:
    """`size` uniform whole numbers in [0, 2^32)."""
    return rng.integers(0, 2**32, size, dtype=np.uint32)
