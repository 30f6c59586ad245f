"""A log-linear histogram of durations: small, quick in bulk, and merged without loss.

A value's bucket is its exponent and the 8 highest bits after the leading one: the highest bits of it as a float64.
So a bucket is at most 1/256 of its values wide, its middle at most 1/512 = 0.2 % off, and values up to 511 are exact.
The layout is HdrHistogram's (Gil Tene) with a power of two instead of decimal digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sim.arrays import Ints
from sim.measure.percentiles import rank_of

MANTISSA_BITS = 8
#: The largest relative error of a percentile.
MAX_ERROR = 2.0 ** -(MANTISSA_BITS + 1)

_SHIFT = 52 - MANTISSA_BITS  # bits of a float64's fraction that are not kept
_FIRST = (1023 << MANTISSA_BITS) - 1  # of 1.0, so that bucket 0 is left for zero
_BUCKETS = (63 << MANTISSA_BITS) + 2  # 0, and every int64; 2**63 too, to which the largest of them are rounded


def _no_counts() -> Ints:
    return np.zeros(_BUCKETS, np.int64)


@dataclass(eq=False)
class Histogram:
    """Counts of whole microseconds, by bucket. Merging is exact, associative and commutative.

    `counts` [bucket]; `total_us` the exact sum; `min_us` and `max_us` exact, 0 where nothing was recorded.
    """

    counts: Ints = field(default_factory=_no_counts)
    total_us: int = 0
    min_us: int = 0
    max_us: int = 0

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = (self.total_us, self.min_us, self.max_us), (other.total_us, other.min_us, other.max_us)
        return mine == theirs and bool(np.array_equal(self.counts, other.counts))

    def record(self, values_us: npt.ArrayLike) -> None:
        """Count values. A negative one, which only a clock that was set back can make, counts as 0."""
        values = np.maximum(np.asarray(values_us, np.int64), 0).ravel()
        if not len(values):
            return
        self._widen(int(values.min()), int(values.max()))
        self.counts += np.bincount(bucket_of(values), minlength=_BUCKETS)
        # In two halves, as the sum of a few large values is more than an int64 holds.
        self.total_us += (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())

    def merge(self, other: Histogram) -> Histogram:
        """A histogram of what both have recorded."""
        both = Histogram(self.counts.copy(), self.total_us, self.min_us, self.max_us)
        if len(other):
            both._widen(other.min_us, other.max_us)
            both.counts += other.counts
            both.total_us += other.total_us
        return both

    def percentile(self, percentile: float) -> int | None:
        """The percentile (0 to 100) in microseconds, at most MAX_ERROR off; None where nothing was recorded."""
        found = self.percentiles((percentile,))
        return found[0] if found else None

    def percentiles(self, percentiles: Iterable[float]) -> list[int]:
        """Several percentiles at once; empty where nothing was recorded."""
        upto = np.cumsum(self.counts)
        n = int(upto[-1])
        if not n:
            return []
        buckets = np.searchsorted(upto, [rank_of(percentile, n) for percentile in percentiles])
        return [int(value) for value in np.clip(middle_of(buckets), self.min_us, self.max_us)]

    def _widen(self, least: int, most: int) -> None:
        empty = not len(self)
        self.min_us = least if empty else min(self.min_us, least)
        self.max_us = max(self.max_us, most)


def bucket_of(values: Ints) -> Ints:
    """The bucket of each value, 0 or more: exponent and first bits of its float64, as one number."""
    bits = values.astype(np.float64).view(np.int64)
    bits >>= _SHIFT
    bits -= _FIRST
    return np.maximum(bits, 0, out=bits)  # the float64 of 0 has no exponent


def middle_of(buckets: npt.NDArray[np.integer]) -> Ints:
    """The middle of the whole numbers in each bucket."""
    least, end = (np.ceil(_edge(buckets + more)).astype(np.int64) for more in (0, 1))
    middle: Ints = least + np.maximum(end - 1 - least, 0) // 2
    return np.where(buckets > 0, middle, 0)


def _edge(buckets: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """The lowest number of each bucket, the largest int64 at most."""
    edges = ((np.asarray(buckets, np.int64) + _FIRST) << _SHIFT).view(np.float64)
    return np.minimum(edges, float(2**63 - 1024))  # the largest float64 that is an int64
