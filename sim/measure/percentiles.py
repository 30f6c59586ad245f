"""Percentiles by nearest rank: always a value that was observed, and exact however large the sample is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

#: A percentile with fewer observations beyond it says more of chance than of what was measured.
ENOUGH_BEYOND = 10


def rank_of(percentile: float, n: int) -> int:
    """Which of n values in ascending order is the percentile: the smallest with at least that share at or below.

    Counted from 1. Fractions, since 99.9 % of 10,000 is 9,991 in floating point.
    """
    return max(1, -(-Fraction(str(percentile)) * n // 100)) if n else 0


def beyond(percentile: float, n: int) -> int:
    """How many of n observations lie beyond the percentile."""
    return n - rank_of(percentile, n)


def percentile_of(ordered: npt.NDArray[np.int64], percentile: float) -> int:
    """The percentile of values in ascending order, at least one."""
    return int(ordered[rank_of(percentile, len(ordered)) - 1])


def sure_percentile_of(ordered: npt.NDArray[np.int64], percentile: float) -> int | None:
    """The percentile, or None where fewer than ENOUGH_BEYOND values lie beyond it."""
    if beyond(percentile, len(ordered)) < ENOUGH_BEYOND:
        return None
    return percentile_of(ordered, percentile)
