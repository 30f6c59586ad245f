"""Random durations as quantile tables, read with whole numbers only.

A duration that depends on where an order goes (its lane) cannot be drawn with the trace. The trace holds a uniform
uint32 instead, and `at_u32` reads the law's quantile table with integer arithmetic: the same bits in every model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.scenario.parts.base import Duration
from sim.special import special

CELLS_LOG2 = 10
CELLS = 1 << CELLS_LOG2
FRACTION_BITS = 20
MAX_TABLE_US = 1 << 42  # 50 days: (difference of two entries) << FRACTION_BITS stays inside int64
_EDGE = 1 / (8 * CELLS)  # stands for the quantiles 0 and 1, which may be infinite


def quantile_table(law: Duration) -> npt.NDArray[np.int64]:
    """Quantiles of `law` at 0, 1/1024 ... 1 (edges at 1/8192 from the ends), int64[1025], microseconds."""
    at = np.clip(np.arange(CELLS + 1) / CELLS, _EDGE, 1 - _EDGE)
    limit = min(law.at_most_us or MAX_TABLE_US, MAX_TABLE_US)
    return np.clip(np.rint(_ppf(law, at)), 0, limit).astype(np.int64)  # the last may be more than 64 bits hold


def _ppf(law: Duration, at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if law.dist == "constant":
        return np.full(at.shape, float(law.mean_us))
    if law.dist == "exponential":
        return -law.mean_us * np.log1p(-at)
    if law.dist == "uniform":
        return law.low_us + (law.high_us - law.low_us) * at
    if law.dist == "lognormal":
        return np.asarray(law.median_us * np.exp(law.sigma * special.ndtri(at)))
    return np.asarray(special.gammaincinv(law.shape, at) * law.mean_us / law.shape)


def at_u32(table: npt.NDArray[np.int64], uniform: int) -> int:
    """The duration (us) at `uniform` / 2^32: linear between table entries, whole-number arithmetic throughout."""
    cell = uniform >> (32 - CELLS_LOG2)
    fraction = (uniform >> (32 - CELLS_LOG2 - FRACTION_BITS)) & ((1 << FRACTION_BITS) - 1)
    low = int(table[cell])
    return low + (((int(table[cell + 1]) - low) * fraction) >> FRACTION_BITS)


def derived_u32(uniform: int, use: int) -> int:
    """A uniform of 32 bits made of another, for a second use of it: the finaliser of MurmurHash3 (Appleby 2011).

    A bijection for each `use`, so exactly as uniform; the two tell nothing of each other that a share could notice.
    """
    return int(_mixed(uniform, use))


def derived_u32s(uniforms: npt.NDArray[np.uint32], use: int) -> npt.NDArray[np.int64]:
    """`derived_u32` of every entry, int64 of the same shape."""
    return np.asarray(_mixed(uniforms.astype(np.uint64), use)).astype(np.int64)


def _mixed(x: Any, use: int) -> Any:
    x = (x ^ (use * 0x9E3779B9)) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)
